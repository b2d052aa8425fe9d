//! Findings that name their rules.

use super::findings::finding_of;
use super::{POD, ms, tuple};
use crate::model::evidence::{Evidence, Passage};
use crate::model::finding::{Cause, Culprit, Finding, RuleRole};
use crate::model::rules::{Backend, Component, End, Family, Hook, Located, Reject};
use std::sync::Arc;
use std::time::Duration;

/// One with a named rule, one with two and a mark that no rule sets.
pub(crate) fn named_findings() -> Vec<Finding> {
    let mut dead = finding_of(Cause::RedirectToDeadPort);
    dead.evidence.push(walked(End::Delivered, Vec::new()));
    dead.culprits.insert(0, culprit(RuleRole::Translates, redirect(), 5));
    let mut rejected = finding_of(Cause::ReplyRejected);
    let caveats = vec!["IPVS has services here".into()];
    rejected.evidence.extend([
        walked(End::Rejected(Reject::TcpReset), caveats),
        Evidence::MarkSetter {
            at: ms(3_002),
            netns: POD,
            connmark: 1,
            rules: 0,
            decides: Some(true),
        },
        Evidence::RepeatedJump {
            at: ms(3_002),
            netns: POD,
            first: Box::new(jump(1)),
            second: Box::new(jump(2)),
        },
        Evidence::Expiry {
            at: ms(3_002),
            kept: Duration::from_secs(10),
            ends: Some(ms(27_000)),
        },
        Evidence::RulesNotRead {
            at: ms(3_002),
            netns: POD,
            why: "the namespace is gone".into(),
        },
    ]);
    rejected.culprits = vec![culprit(RuleRole::Rejects, reject(), 4)];
    vec![dead, rejected]
}

/// One of Istio's, at its place in the chain.
fn jump(index: u32) -> Located {
    Located {
        table: "nat".into(),
        chain: "OUTPUT".into(),
        hook: Some(Hook::Output),
        index: Some(index),
        text: "-A OUTPUT -j ISTIO_OUTPUT".into(),
        owner: Some(Component::Istio),
        ..redirect()
    }
}

pub(super) fn culprit(role: RuleRole, rule: Located, evidence: usize) -> Culprit {
    Culprit::Rule {
        netns: POD,
        enter: Some("/run/netns/pod".into()),
        rule: Some(Box::new(rule)),
        role,
        evidence: Some(evidence),
    }
}

fn walked(end: End, caveats: Vec<Arc<str>>) -> Evidence {
    let passage = Passage {
        generation: Some(7),
        rules: 4,
        changed: Some(false),
        packet: tuple("10.77.0.2:35468", "10.77.0.3:9000"),
        end,
        agrees: true,
        certain: true,
        caveats,
    };
    Evidence::RulesWalked {
        at: ms(3_002),
        netns: POD,
        passage: Box::new(passage),
    }
}

pub(in crate::sink) fn redirect() -> Located {
    Located {
        backend: Backend::IptablesLegacy,
        family: Family::Ip,
        table: "nat".into(),
        chain: "OUTPUT".into(),
        hook: Some(Hook::Output),
        index: Some(1),
        handle: None,
        text: "-A OUTPUT -p tcp -m tcp --dport 9000 -j REDIRECT --to-ports 37673".into(),
        comment: None,
        owner: None,
        packets: Some(3),
    }
}

pub(in crate::sink) fn policy() -> Located {
    Located {
        backend: Backend::Nft,
        family: Family::Inet,
        table: "filter".into(),
        chain: "input".into(),
        hook: Some(Hook::Input),
        index: None,
        handle: None,
        text: "policy drop".into(),
        comment: None,
        owner: Some(Component::Firewalld),
        packets: None,
    }
}

fn reject() -> Located {
    Located {
        backend: Backend::IptablesNft,
        family: Family::Ip,
        table: "filter".into(),
        chain: "MIRRORD_INPUT_x;$(id)".into(),
        hook: Some(Hook::Input),
        index: Some(1),
        handle: Some(12),
        text: "-A MIRRORD_INPUT_x;$(id) -p tcp -m connmark --mark 0x1 -j REJECT --reject-with tcp-reset".into(),
        comment: Some("not \u{1b}[2J trusted".into()),
        owner: Some(Component::Mirrord),
        packets: None,
    }
}
