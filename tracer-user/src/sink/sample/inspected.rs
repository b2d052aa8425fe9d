//! Findings of inspection: without a connection.

use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Finding, RuleRole, Severity, State};
use crate::model::inspected::{ChainName, Inspected, Unserved};
use crate::model::rules::{Backend, Component, Family, Hook, Located, Target};
use crate::model::tcp::ConntrackState;
use crate::model::who::Names;
use crate::sink::sample::{POD, entry, ms};

pub(super) fn finding_of(cause: Cause) -> Finding {
    Finding {
        id: 3,
        revision: 0,
        supersedes: None,
        at: ms(3_001),
        cause,
        state: State::Open,
        severity: Severity::Warning,
        confidence: Confidence::Proved,
        connection: None,
        count: if cause == Cause::StaleEntries { 2 } else { 0 },
        hanging: 0,
        unexamined: 0,
        lost: 0,
        examples: Vec::new(),
        victims: Vec::new(),
        culprits: vec![culprit(cause)],
        evidence: evidence(cause),
        considered: Vec::new(),
        names: Names::default(),
        first: ms(3_001),
        last: ms(3_001),
    }
}

/// A rule; no rule explains stale entries.
fn culprit(cause: Cause) -> Culprit {
    if cause == Cause::StaleEntries {
        return Culprit::ConntrackEntry(entry(ConntrackState::Established, 0, Some("127.0.0.1:37673")));
    }
    Culprit::Rule {
        netns: POD,
        enter: Some("/run/netns/pod".into()),
        rule: Some(Box::new(redirect())),
        role: role(cause),
        evidence: None,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only causes found by inspection come here"
)]
fn role(cause: Cause) -> RuleRole {
    match cause {
        Cause::LeftoverChain | Cause::DuplicateJump => RuleRole::Jumps,
        Cause::MarkOverlap => RuleRole::MatchesMark,
        Cause::MixedBackends => RuleRole::Acts,
        _ => RuleRole::Translates,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only causes found by inspection come here"
)]
fn evidence(cause: Cause) -> Vec<Evidence> {
    let what = match cause {
        Cause::DeadRedirect | Cause::AddressFamilyGap => Inspected::Redirect {
            hook: Some(Hook::Prerouting),
            family: Family::Ip,
            protocol: Some(6),
            ports: vec![80..=80],
            target: Some(37673..=37673),
            unserved: Unserved::Refused,
            others_served: false,
        },
        Cause::LeftoverChain => Inspected::NoAgent {
            component: Component::Mirrord,
            processes: Some(3),
            chains: vec![ChainName {
                backend: Backend::IptablesLegacy,
                family: Family::Ip,
                table: "nat".into(),
                chain: "MIRRORD_INPUT_RkDdj".into(),
            }],
        },
        Cause::MarkOverlap => Inspected::Bits {
            mark: Target::Connmark,
            bits: 1,
            erases: false,
        },
        Cause::MixedBackends => Inspected::BackEnds {
            family: Family::Ip,
            hooks: vec![Hook::Prerouting],
            legacy: 1,
            nft: 2,
            translates: Some(Some(Backend::Nft)),
        },
        Cause::BypassedRedirect => Inspected::Led {
            packets: 4,
            arrived: 0,
            missed: vec![80],
        },
        _ => Inspected::Tracking { on: true },
    };
    vec![Evidence::Inspected {
        at: ms(3_001),
        netns: POD,
        enter: Some("/run/netns/pod".into()),
        what,
    }]
}

fn redirect() -> Located {
    Located {
        backend: Backend::IptablesLegacy,
        family: Family::Ip,
        table: "nat".into(),
        chain: "MIRRORD_INPUT_RkDdj".into(),
        hook: Some(Hook::Prerouting),
        index: Some(2),
        handle: None,
        text: "-A MIRRORD_INPUT_RkDdj -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 37673".into(),
        comment: None,
        owner: Some(Component::Mirrord),
        packets: Some(4),
    }
}
