//! What `inquiry` and `answer` lines say of packets that are led through rules.

use crate::model::evidence::Place;
use crate::model::finding::RuleRole;
use crate::model::rules::End;
use crate::model::time::Timestamp;
use crate::model::walked::{Named, Repeated, Trail, Traveller, Walked};
use crate::sink::jsont::aspect::SeenLine;
use crate::sink::jsont::{Conntrack, Decimal, Endpoint, Flags, Limits, Rule, Spelled, Tuple};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TravellerLine {
    /// When it met the rules, on the clock of `mono`.
    pub seen: Decimal,
    pub packet: Tuple,
    pub place: Spelled<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ifindex: Option<u32>,
    pub tcp_flags: Flags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conntrack: Option<Conntrack>,
    pub first: bool,
    pub dropped: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WalkedLine<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// When the rules were read, on the clock of `mono`.
    pub read: Decimal,
    /// Absent where nothing was known of the rules before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    pub rules: u32,
    /// In the order of the question's packets.
    #[serde(borrow)]
    pub trails: Vec<TrailLine<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setters: Vec<Rule<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub seen: Vec<SeenLine<'a>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TrailLine<'a> {
    #[serde(borrow)]
    pub rules: Vec<NamedLine<'a>>,
    pub end: Spelled<End>,
    pub agrees: bool,
    pub certain: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Endpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connmark: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub repeated: Vec<RepeatedLine<'a>>,
}

/// The same jump at two places of one chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RepeatedLine<'a> {
    #[serde(borrow)]
    pub first: Rule<'a>,
    #[serde(borrow)]
    pub second: Rule<'a>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NamedLine<'a> {
    pub role: Spelled<RuleRole>,
    #[serde(borrow)]
    pub rule: Rule<'a>,
    pub certain: bool,
}

impl From<&Traveller> for TravellerLine {
    fn from(packet: &Traveller) -> Self {
        let &Traveller {
            at,
            tuple,
            place,
            ifindex,
            tcp_flags,
            mark,
            uid,
            conntrack,
            first,
            dropped,
        } = packet;
        Self {
            seen: at.into(),
            packet: tuple.into(),
            place: Spelled(place),
            ifindex,
            tcp_flags: Flags(tcp_flags),
            mark,
            uid,
            conntrack: conntrack.as_ref().map(Into::into),
            first,
            dropped,
        }
    }
}

impl From<TravellerLine> for Traveller {
    fn from(line: TravellerLine) -> Self {
        Self {
            at: Timestamp::from_nanos(line.seen.0),
            tuple: line.packet.into(),
            place: line.place.0,
            ifindex: line.ifindex,
            tcp_flags: line.tcp_flags.0,
            mark: line.mark,
            uid: line.uid,
            conntrack: line.conntrack.map(Into::into),
            first: line.first,
            dropped: line.dropped,
        }
    }
}

impl<'a> WalkedLine<'a> {
    pub fn new(walked: &'a Walked, limits: Limits) -> Self {
        let Walked {
            generation,
            read_at,
            changed,
            rules,
            trails,
            setters,
            caveats,
            seen,
        } = walked;
        let setters = limits.list(setters).iter();
        Self {
            generation: *generation,
            read: (*read_at).into(),
            changed: *changed,
            rules: *rules,
            // What is missing here would be taken for another packet's: only the rules of each are cut.
            trails: trails.iter().map(|trail| TrailLine::new(trail, limits)).collect(),
            setters: setters.map(|setter| Rule::new(setter, limits)).collect(),
            caveats: limits.list(caveats).iter().map(|text| limits.text(text)).collect(),
            seen: limits
                .list(seen)
                .iter()
                .map(|seen| SeenLine::new(seen, limits))
                .collect(),
        }
    }
}

impl<'a> TrailLine<'a> {
    fn new(trail: &'a Trail, limits: Limits) -> Self {
        let Trail {
            rules,
            end,
            agrees,
            certain,
            destination,
            connmark,
            repeated,
        } = trail;
        let named = |of: &'a Named| NamedLine {
            role: Spelled(of.role),
            rule: Rule::new(&of.rule, limits),
            certain: of.certain,
        };
        let repeated = limits.list(repeated).iter();
        Self {
            rules: limits.list(rules).iter().map(named).collect(),
            end: Spelled(*end),
            agrees: *agrees,
            certain: *certain,
            destination: destination.map(Into::into),
            connmark: *connmark,
            repeated: repeated.map(|of| RepeatedLine::new(of, limits)).collect(),
        }
    }
}

impl<'a> RepeatedLine<'a> {
    fn new(repeated: &'a Repeated, limits: Limits) -> Self {
        let Repeated { first, second } = repeated;
        Self {
            first: Rule::new(first, limits),
            second: Rule::new(second, limits),
        }
    }
}

impl From<WalkedLine<'_>> for Walked {
    fn from(line: WalkedLine<'_>) -> Self {
        Self {
            generation: line.generation,
            read_at: Timestamp::from_nanos(line.read.0),
            changed: line.changed,
            rules: line.rules,
            trails: line.trails.into_iter().map(Into::into).collect(),
            setters: line.setters.into_iter().map(Into::into).collect(),
            caveats: line.caveats.into_iter().map(Arc::from).collect(),
            seen: line.seen.into_iter().map(SeenLine::model).collect(),
        }
    }
}

impl From<TrailLine<'_>> for Trail {
    fn from(line: TrailLine<'_>) -> Self {
        let named = |of: NamedLine<'_>| Named {
            role: of.role.0,
            rule: of.rule.into(),
            certain: of.certain,
        };
        Self {
            rules: line.rules.into_iter().map(named).collect(),
            end: line.end.0,
            agrees: line.agrees,
            certain: line.certain,
            destination: line.destination.map(Into::into),
            connmark: line.connmark,
            repeated: line.repeated.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<RepeatedLine<'_>> for Repeated {
    fn from(line: RepeatedLine<'_>) -> Self {
        Self {
            first: line.first.into(),
            second: line.second.into(),
        }
    }
}
