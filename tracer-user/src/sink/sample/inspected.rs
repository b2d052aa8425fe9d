//! Findings of inspection: without a connection.

use crate::model::finding::{Cause, Confidence, Culprit, Finding, RuleRole, Severity, State};
use crate::model::rules::{Backend, Component, Family, Hook, Located};
use crate::sink::sample::{POD, ms};

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
        count: 0,
        examples: Vec::new(),
        victims: Vec::new(),
        culprits: vec![Culprit::Rule {
            netns: POD,
            enter: Some("/run/netns/pod".into()),
            rule: Some(Box::new(redirect())),
            role: RuleRole::Translates,
            evidence: None,
        }],
        evidence: Vec::new(),
        considered: Vec::new(),
        first: ms(3_001),
        last: ms(3_001),
    }
}

fn redirect() -> Located {
    Located {
        backend: Backend::IptablesLegacy,
        family: Family::Ip,
        table: "nat".into(),
        chain: "MIRRORD_REDIRECT".into(),
        hook: Some(Hook::Prerouting),
        index: Some(2),
        handle: None,
        text: "-A MIRRORD_REDIRECT -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 37673".into(),
        comment: None,
        owner: Some(Component::Mirrord),
        packets: Some(4),
    }
}
