//! `evidence` of findings.

use crate::model;
use crate::model::conntrack::Direction;
use crate::model::event::RstMaker;
use crate::model::evidence;
use crate::model::evidence::Place;
use crate::model::reason::{DropReason, RstReason};
use crate::model::rules::End;
use crate::model::tcp::TcpState;
use crate::sink::clock::Clock;
use crate::sink::jsont::aspect::SeenLine;
use crate::sink::jsont::inspected::InspectedLine;
use crate::sink::jsont::socket::{Listener, Socket};
use crate::sink::jsont::{Conntrack, Endpoint, Flags, Limits, Netns, Process, Rule, Spelled, Time, Tuple};
use crate::sink::words;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One observation: what, when, and the hook or query it came from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Evidence<'a> {
    pub time: Time,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub from: Option<Cow<'a, str>>,
    #[serde(flatten, borrow)]
    pub what: Observation<'a>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Observation<'a> {
    Drop {
        count: u32,
        reason: Spelled<DropReason>,
        #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
        location: Option<Cow<'a, str>>,
        #[serde(borrow)]
        netns: Netns<'a>,
        place: Spelled<Place>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        direction: Option<Spelled<Direction>>,
        packet: Tuple,
        tcp_flags: Flags,
        mark: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conntrack: Option<Conntrack>,
        rejected: bool,
        ambiguous: bool,
    },
    RstSent {
        #[serde(borrow)]
        netns: Netns<'a>,
        maker: Spelled<RstMaker>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Spelled<RstReason>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        packet: Option<Tuple>,
    },
    RstReceived {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<Spelled<TcpState>>,
    },
    Destroyed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<Spelled<TcpState>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Process>,
    },
    Errno {
        errno: u32,
    },
    Retransmits {
        since: Time,
        count: u32,
        unacked_bytes: u32,
        syn: bool,
    },
    Conntrack {
        conntrack: Conntrack,
        queried: bool,
    },
    NoConntrack {},
    /// The entry of a live connection was deleted, and by whom, where that was seen.
    ConntrackDeleted {
        conntrack: Conntrack,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Process>,
    },
    NoListener {
        address: std::net::IpAddr,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
    Listener {
        listener: Listener,
    },
    Socket {
        socket: Socket,
    },
    NotAccepted {
        since: Time,
        connection: Tuple,
        receive_queue: u32,
    },
    GaveUp {
        count: u32,
    },
    /// `opened` counts connections of the namespace to wherever.
    ResetsRecur {
        since: Time,
        resets: u32,
        opened: u64,
    },
    RulesWalked(#[serde(borrow)] PassageLine<'a>),
    MarkSetter {
        #[serde(borrow)]
        netns: Netns<'a>,
        connmark: u32,
        rules: u32,
        /// Whether the same rules would let the dropped packet pass without it; absent where that is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decides: Option<bool>,
    },
    RulesNotRead {
        #[serde(borrow)]
        netns: Netns<'a>,
        #[serde(borrow)]
        why: Cow<'a, str>,
    },
    Inspected {
        #[serde(borrow)]
        netns: Netns<'a>,
        #[serde(flatten, borrow)]
        what: InspectedLine<'a>,
    },
    /// The same jump at two places of one chain, where the second one changes nothing.
    RepeatedJump {
        #[serde(borrow)]
        netns: Netns<'a>,
        #[serde(borrow)]
        first: Box<Rule<'a>>,
        #[serde(borrow)]
        second: Box<Rule<'a>>,
    },
    /// How long conntrack keeps a closed entry.
    Expiry {
        kept_ms: u64,
        /// When the retransmission comes, at about, that finds it gone; absent where none ever waits that long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends: Option<Time>,
    },
    /// Looked at because a theory needed it; the key `aspect` says what.
    Aspect {
        #[serde(borrow)]
        netns: Netns<'a>,
        #[serde(flatten, borrow)]
        seen: SeenLine<'a>,
    },
    NotExamined {
        #[serde(borrow)]
        why: Cow<'a, str>,
    },
}

/// The way of one packet through the rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PassageLine<'a> {
    #[serde(borrow)]
    netns: Netns<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    rules: u32,
    /// Absent where nothing was known of the rules before they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    packet: Tuple,
    end: Spelled<End>,
    agrees: bool,
    certain: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    caveats: Vec<Cow<'a, str>>,
}

impl<'a> Evidence<'a> {
    pub fn new(evidence: &'a evidence::Evidence, clock: Clock, limits: Limits) -> Self {
        Self {
            time: Time::new(words::evidence_at(evidence), clock),
            from: words::evidence_source(evidence).map(Cow::Borrowed),
            what: Observation::new(evidence, clock, limits),
        }
    }
}

impl<'a> Observation<'a> {
    #[expect(clippy::too_many_lines, reason = "one arm for each kind")]
    fn new(observed: &'a evidence::Evidence, clock: Clock, limits: Limits) -> Self {
        use evidence::Evidence as Seen;
        match observed {
            Seen::Drop {
                at: _,
                count,
                reason,
                location,
                netns,
                place,
                direction,
                packet,
                tcp_flags,
                mark,
                conntrack,
                rejected,
                ambiguous,
            } => Self::Drop {
                count: *count,
                reason: Spelled(*reason),
                location: location.as_deref().map(|location| limits.text(location)),
                netns: Netns::new(*netns, None),
                place: Spelled(*place),
                direction: direction.map(Spelled),
                packet: (*packet).into(),
                tcp_flags: Flags(*tcp_flags),
                mark: *mark,
                conntrack: conntrack.as_ref().map(Into::into),
                rejected: *rejected,
                ambiguous: *ambiguous,
            },
            Seen::RstSent {
                netns,
                maker,
                reason,
                packet,
                ..
            } => Self::RstSent {
                netns: Netns::new(*netns, None),
                maker: Spelled(*maker),
                reason: reason.map(Spelled),
                packet: packet.map(Into::into),
            },
            Seen::RstReceived { state, .. } => Self::RstReceived {
                state: state.map(Spelled),
            },
            Seen::Destroyed { state, by, .. } => Self::Destroyed {
                state: state.map(Spelled),
                by: by.map(Into::into),
            },
            Seen::Errno { errno, .. } => Self::Errno { errno: *errno },
            Seen::Retransmits {
                since,
                count,
                unacked,
                syn,
                ..
            } => Self::Retransmits {
                since: Time::new(*since, clock),
                count: *count,
                unacked_bytes: *unacked,
                syn: *syn,
            },
            Seen::Conntrack { entry, queried, .. } => Self::Conntrack {
                conntrack: entry.into(),
                queried: *queried,
            },
            Seen::NoConntrack { .. } => Self::NoConntrack {},
            Seen::ConntrackDeleted { entry, by, .. } => Self::ConntrackDeleted {
                conntrack: entry.into(),
                by: by.map(Into::into),
            },
            Seen::NoListener { endpoint, .. } => {
                let Endpoint { address, port } = (*endpoint).into();
                Self::NoListener { address, port }
            }
            Seen::Listener { listener, .. } => Self::Listener {
                listener: listener.into(),
            },
            Seen::Socket { socket, .. } => Self::Socket { socket: socket.into() },
            Seen::NotAccepted {
                since,
                tuple,
                receive_queue,
                ..
            } => Self::NotAccepted {
                since: Time::new(*since, clock),
                connection: (*tuple).into(),
                receive_queue: *receive_queue,
            },
            Seen::GaveUp { count, .. } => Self::GaveUp { count: *count },
            Seen::ResetsRecur {
                since, resets, opened, ..
            } => Self::ResetsRecur {
                since: Time::new(*since, clock),
                resets: *resets,
                opened: *opened,
            },
            Seen::RulesWalked { netns, passage, .. } => Self::RulesWalked(PassageLine::new(*netns, passage, limits)),
            Seen::MarkSetter {
                netns,
                connmark,
                rules,
                decides,
                ..
            } => Self::MarkSetter {
                netns: Netns::new(*netns, None),
                decides: *decides,
                connmark: *connmark,
                rules: *rules,
            },
            Seen::RulesNotRead { netns, why, .. } => Self::RulesNotRead {
                netns: Netns::new(*netns, None),
                why: limits.text(why),
            },
            Seen::Inspected { netns, enter, what, .. } => Self::Inspected {
                netns: Netns::new(*netns, enter.as_deref()),
                what: InspectedLine::new(what, limits),
            },
            Seen::RepeatedJump {
                netns, first, second, ..
            } => Self::RepeatedJump {
                netns: Netns::new(*netns, None),
                first: Box::new(Rule::new(first, limits)),
                second: Box::new(Rule::new(second, limits)),
            },
            Seen::Expiry { kept, ends, .. } => Self::Expiry {
                kept_ms: u64::try_from(kept.as_millis()).unwrap_or(u64::MAX),
                ends: ends.map(|ends| Time::new(ends, clock)),
            },
            Seen::Aspect { netns, seen, .. } => Self::Aspect {
                netns: Netns::new(*netns, None),
                seen: SeenLine::new(seen, limits),
            },
            Seen::NotExamined { why, .. } => Self::NotExamined { why: limits.text(why) },
        }
    }
}

impl<'a> PassageLine<'a> {
    fn new(netns: model::identity::Netns, passage: &'a evidence::Passage, limits: Limits) -> Self {
        let evidence::Passage {
            generation,
            rules,
            changed,
            packet,
            end,
            agrees,
            certain,
            caveats,
        } = passage;
        Self {
            netns: Netns::new(netns, None),
            generation: *generation,
            rules: *rules,
            changed: *changed,
            packet: (*packet).into(),
            end: Spelled(*end),
            agrees: *agrees,
            certain: *certain,
            caveats: limits.list(caveats).iter().map(|text| limits.text(text)).collect(),
        }
    }
}
