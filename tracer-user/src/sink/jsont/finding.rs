//! `finding` lines.

use crate::model::event::RstMaker;
use crate::model::finding;
use crate::model::finding::{Cause, Confidence, RuleRole, Severity, State};
use crate::model::who::Names;
use crate::sink::clock::Clock;
use crate::sink::jsont::aspect::SettingLine;
use crate::sink::jsont::evidence::Evidence;
use crate::sink::jsont::socket::Listener;
use crate::sink::jsont::spell::{Spell, spelled};
use crate::sink::jsont::{Connection, Conntrack, Endpoint, Limits, Netns, Place, Program, Rule, Spelled, Time};
use crate::sink::words;
use crate::sink::words::{Check, Fix, FixKind};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding<'a> {
    pub id: u64,
    /// From 0; a line replaces the earlier ones of its id.
    pub revision: u32,
    pub cause: Spelled<Cause>,
    pub state: Spelled<State>,
    /// The finding that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<u64>,
    pub severity: Spelled<Severity>,
    pub confidence: Spelled<Confidence>,
    /// One sentence, one line.
    #[serde(borrow)]
    pub summary: Cow<'a, str>,
    /// The first one; absent: found by inspection.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub connection: Option<Connection<'a>>,
    /// How many connections.
    pub count: u64,
    /// Of these, so many hang still.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hanging: u64,
    /// Of these, so many were not looked at, because there were too many at once or no answer came.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_examined: u64,
    /// Records that were lost meanwhile: the counts are lower bounds, and a step may be missing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Connection<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub victims: Vec<Connection<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub process: Option<Program<'a>>,
    /// Of that process; where nothing is known of it, of its namespace.
    #[serde(flatten, borrow)]
    pub place: Place<'a>,
    pub culprits: Vec<Culprit<'a>>,
    pub evidence: Vec<Evidence<'a>>,
    pub considered: Vec<Considered<'a>>,
    pub fixes: Vec<FixLine<'a>>,
    /// How to see it by hand; these change nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckLine<'a>>,
    pub first: Time,
    pub last: Time,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Culprit<'a> {
    /// The namespace it acts in, what it does, and which of `evidence` gave it away.
    #[cfg_attr(test, schemars(extend("dependentSchemas" = {"backend": {"$ref": "#/$defs/Rule"}})))]
    Rule {
        #[serde(borrow)]
        netns: Netns<'a>,
        role: Spelled<RuleRole>,
        /// Absent where only is known that there is one.
        #[serde(flatten, borrow)]
        rule: Option<Rule<'a>>,
        /// Of the namespace.
        #[serde(flatten, borrow)]
        place: Place<'a>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<usize>,
    },
    ConntrackEntry(Conntrack),
    Listener {
        #[serde(flatten)]
        listener: Listener,
        /// Of its process.
        #[serde(flatten, borrow)]
        place: Place<'a>,
    },
    Sysctl {
        #[serde(borrow)]
        netns: Netns<'a>,
        #[serde(flatten, borrow)]
        setting: SettingLine<'a>,
        /// Of the namespace.
        #[serde(flatten, borrow)]
        place: Place<'a>,
    },
    Process {
        #[serde(flatten, borrow)]
        process: Program<'a>,
        #[serde(flatten, borrow)]
        place: Place<'a>,
    },
    Peer {
        address: std::net::IpAddr,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        maker: Spelled<RstMaker>,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Considered<'a> {
    pub cause: Spelled<Cause>,
    #[serde(borrow)]
    pub why_not: Cow<'a, str>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FixLine<'a> {
    pub kind: Spelled<FixKind>,
    /// Where to run it, as a person enters it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub netns: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub command: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub why: Cow<'a, str>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckLine<'a> {
    /// Where to run it, as a person enters it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub netns: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub command: Cow<'a, str>,
    #[serde(borrow)]
    pub why: Cow<'a, str>,
}

spelled! {
    "kind of a fix": FixKind {
        Command = "command",
        Setting = "setting",
        Upgrade = "upgrade",
    }
}

impl<'a> Finding<'a> {
    pub fn new(finding: &'a finding::Finding, clock: Clock, limits: Limits) -> Self {
        let examples = |connections: &'a [finding::Connection]| {
            let connections = limits.list(connections).iter();
            connections
                .map(|connection| Connection::example(connection, finding.at, &finding.names, limits))
                .collect()
        };
        let evidence = limits.list(&finding.evidence).iter();
        let culprits = limits.list(&finding.culprits).iter();
        let fixes = words::fixes(finding);
        let checks = words::checks(finding);
        let own = finding.connection.as_ref();
        Self {
            id: finding.id,
            revision: finding.revision,
            cause: Spelled(finding.cause),
            state: Spelled(finding.state),
            supersedes: finding.supersedes,
            severity: Spelled(finding.severity),
            confidence: Spelled(finding.confidence),
            summary: Cow::Owned(limits.text(&words::summary(finding)).into_owned()),
            connection: own.map(|connection| Connection::new(connection, finding.at)),
            count: finding.count,
            hanging: finding.hanging,
            not_examined: finding.unexamined,
            lost: finding.lost,
            examples: examples(&finding.examples),
            victims: examples(&finding.victims),
            process: own.and_then(|own| Program::of(own, &finding.names, limits)),
            place: own.map_or_else(Place::default, |own| Place::of(own, &finding.names, limits)),
            culprits: culprits
                .map(|culprit| Culprit::new(culprit, &finding.names, limits))
                .collect(),
            evidence: evidence
                .map(|evidence| Evidence::new(evidence, clock, limits))
                .collect(),
            considered: limits.list(&finding.considered).iter().map(Considered::new).collect(),
            fixes: limits
                .list(&fixes)
                .iter()
                .filter_map(|fix| FixLine::new(fix, limits))
                .collect(),
            checks: limits
                .list(&checks)
                .iter()
                .filter_map(|check| CheckLine::new(check, limits))
                .collect(),
            first: Time::new(finding.first, clock),
            last: Time::new(finding.last, clock),
        }
    }
}

impl<'a> Culprit<'a> {
    fn new(culprit: &'a finding::Culprit, names: &'a Names, limits: Limits) -> Self {
        match culprit {
            finding::Culprit::Rule {
                netns,
                enter,
                rule,
                role,
                evidence,
            } => Self::Rule {
                netns: Netns::new(*netns, enter.as_deref()),
                role: Spelled(*role),
                rule: rule.as_deref().map(|rule| Rule::new(rule, limits)),
                place: Place::of_netns(*netns, names, limits),
                evidence: *evidence,
            },
            finding::Culprit::ConntrackEntry(entry) => Self::ConntrackEntry(entry.into()),
            finding::Culprit::Listener(listener) => Self::Listener {
                listener: listener.into(),
                place: Place::of_process(listener.process, names, limits),
            },
            finding::Culprit::Sysctl { netns, enter, setting } => Self::Sysctl {
                netns: Netns::new(*netns, enter.as_deref()),
                setting: SettingLine::new(setting, limits),
                place: Place::of_netns(*netns, names, limits),
            },
            finding::Culprit::Process(process) => Self::Process {
                process: Program::new((*process).into(), names, limits),
                place: Place::of_process(Some(*process), names, limits),
            },
            finding::Culprit::Peer { endpoint, maker } => {
                let Endpoint { address, port } = (*endpoint).into();
                Self::Peer {
                    address,
                    port,
                    maker: Spelled(*maker),
                }
            }
        }
    }
}

impl Considered<'_> {
    fn new(considered: &finding::Considered) -> Self {
        Self {
            cause: Spelled(considered.cause),
            why_not: Cow::Borrowed(considered.why_not),
        }
    }
}

impl FixLine<'_> {
    /// `None` where the command does not fit: half a command is worse than none.
    fn new(fix: &Fix, limits: Limits) -> Option<Self> {
        let fits = fix.command.as_ref().is_none_or(|command| command.len() <= limits.text);
        fits.then(|| Self {
            kind: Spelled(fix.kind),
            netns: fix
                .netns
                .clone()
                .filter(|netns| netns.len() <= limits.text)
                .map(Cow::Owned),
            command: fix.command.clone().map(Cow::Owned),
            why: Cow::Owned(limits.text(&fix.why).into_owned()),
        })
    }
}

impl CheckLine<'_> {
    /// `None` where it does not fit.
    fn new(check: &Check, limits: Limits) -> Option<Self> {
        (check.command.len() <= limits.text).then(|| Self {
            netns: check
                .netns
                .clone()
                .filter(|netns| netns.len() <= limits.text)
                .map(Cow::Owned),
            command: Cow::Owned(check.command.clone()),
            why: Cow::Owned(limits.text(&check.why).into_owned()),
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
