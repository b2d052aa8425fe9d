//! What proves a judgement: the observations of a connection as evidence. Pure.

use super::flow::{Certainty, DropSeen, Flow, Phase, ResetSeen};
use crate::model::event::Destroyed;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Way};

/// Everything that was seen of the flow, the decisive first.
pub(super) fn evidence(flow: &Flow, cause: Cause) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    let main = flow.main_drop();
    let signs = flow.signs();
    let others = signs
        .drops
        .iter()
        .filter(|drop| main.is_none_or(|main| !std::ptr::eq(main, *drop)));
    evidence.extend(main.into_iter().chain(others).map(drop_evidence));
    evidence.extend(signs.rule_reset.as_deref().map(reset_evidence));
    if let Some(reset) = signs.reset.as_deref() {
        evidence.push(reset_evidence(reset));
        if let Some(entry) = reset.conntrack {
            evidence.push(Evidence::Conntrack {
                at: reset.at,
                entry,
                queried: false,
            });
        }
    }
    if let Some((at, Destroyed { state, by })) = signs.destroyed {
        evidence.push(Evidence::Destroyed { at, state, by });
    }
    if let Some((at, state)) = signs.reset_received {
        evidence.push(Evidence::RstReceived { at, state });
    }
    if let Phase::Ended {
        at,
        errno,
        connected: false,
    } = flow.phase
        && errno != 0
    {
        evidence.push(Evidence::Errno { at, errno });
    }
    if let (Some(since), Some(at)) = (flow.stalled_since, flow.last_retransmit) {
        let syn = flow.retransmits == 0;
        let queried = signs.counted.as_ref().is_some_and(|counted| counted.last_sent == at);
        let count = if syn { flow.syn_retransmits } else { flow.retransmits };
        evidence.push(Evidence::Retransmits {
            at,
            since,
            count,
            unacked: flow.unacked,
            syn,
            queried,
        });
    }
    evidence.extend(examination_evidence(flow, cause));
    evidence
}

fn reset_evidence(reset: &ResetSeen) -> Evidence {
    Evidence::RstSent {
        at: reset.at,
        netns: reset.netns,
        maker: reset.maker,
        reason: reset.reason,
        packet: Some(reset.packet),
    }
}

fn drop_evidence(drop: &DropSeen) -> Evidence {
    Evidence::Drop {
        at: drop.at,
        count: drop.count(),
        reason: drop.reason,
        location: drop.location.clone(),
        netns: drop.netns,
        place: drop.place,
        direction: Some(drop.direction),
        packet: drop.packet,
        tcp_flags: drop.tcp_flags,
        mark: drop.mark,
        conntrack: drop.conntrack,
        rejected: drop.rejected,
        ambiguous: drop.certainty == Certainty::Ambiguous,
    }
}

fn examination_evidence(flow: &Flow, cause: Cause) -> Vec<Evidence> {
    let Some(looked) = flow.examined() else {
        return Vec::new();
    };
    let at = looked.at;
    let examined = match looked.examined {
        Ok(examined) => examined,
        Err(why) => return vec![Evidence::NotExamined { at, why: why.into() }],
    };
    let mut evidence = Vec::new();
    match examined.conntrack {
        Some(entry) => evidence.push(Evidence::Conntrack {
            at,
            entry,
            queried: true,
        }),
        None if cause == Cause::Unanswered => evidence.push(Evidence::NoConntrack { at }),
        None => {}
    }
    if examined.target_is_local {
        let listeners = examined.listeners.iter().cloned();
        evidence.extend(listeners.map(|listener| Evidence::Listener { at, listener }));
        if examined.listeners.is_empty() && flow.way() == Way::Outbound {
            evidence.push(Evidence::NoListener {
                at,
                endpoint: examined.target,
            });
        }
    }
    if let Some(socket) = examined.socket.clone() {
        evidence.push(Evidence::Socket { at, socket });
    }
    evidence
}
