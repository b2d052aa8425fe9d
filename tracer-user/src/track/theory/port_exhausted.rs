//! No source port is left.

use super::case::Case;
use super::{Explanation, Look, Opinion, Theory};
use crate::model::aspect::{Aspect, SocketsTo, setting, sockets_to};
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::track::flow::Phase;
use std::time::Duration;

pub(super) const THEORY: Theory = Theory {
    look,
    ..Theory::new(Cause::PortExhausted, Severity::Error, weigh)
};

fn look(case: &Case<'_>) -> Option<Look> {
    let tuple = case.flow.tuple;
    found_no_port(case).then(|| Look {
        target: None,
        aspects: vec![
            Aspect::Setting(RANGE.into()),
            Aspect::SocketsTo {
                source: tuple.source.address,
                destination: tuple.destination,
            },
        ],
    })
}

fn weigh(case: &Case<'_>) -> Opinion {
    if !found_no_port(case) {
        return Opinion::Silent;
    }
    let Some(examined) = case.examined() else {
        return Explanation::new(Confidence::Likely, case.flow.tuple.destination).into();
    };
    let sockets = sockets_to(&examined.seen);
    let confidence = match sockets {
        Some(sockets) if sockets.is_full() => Confidence::Proved,
        // Some may have gone meanwhile, and ports that others bound are not seen.
        Some(sockets) if is_nearly_full(sockets) => Confidence::Likely,
        _ => Confidence::Possible,
    };
    let (netns, at) = (
        case.flow.netns(),
        case.flow.examined().map_or(case.flow.first_seen, |result| result.at),
    );
    let range = setting(&examined.seen, RANGE).map(|setting| Culprit::Sysctl {
        netns,
        enter: case.entrance(netns),
        setting: setting.clone(),
    });
    let seen = examined.seen.iter().cloned();
    Explanation::new(confidence, case.flow.tuple.destination)
        .by(range)
        .with(seen.map(|seen| Evidence::Aspect { at, netns, seen }))
        .into()
}

/// The connect failed at once and never had a source port: the kernel gives it one before it makes the SYN.
fn found_no_port(case: &Case<'_>) -> bool {
    let flow = case.flow;
    let (
        Phase::Ended {
            at,
            errno,
            connected: false,
        },
        Some(started),
    ) = (flow.phase, flow.started())
    else {
        return false;
    };
    let silent = flow.signs().drops.is_empty() && flow.signs().reset.is_none() && flow.syn_retransmits == 0;
    // Unless it was bound: then another port was not looked for.
    let portless = flow.tuple.source.port == 0 && flow.tuple.destination.port != 0;
    silent && portless && matches!(errno, 0 | EADDRNOTAVAIL) && at.since(started) < AT_ONCE
}

fn is_nearly_full(sockets: &SocketsTo) -> bool {
    sockets.range.is_some() && sockets.taken >= sockets.ports() / 2
}

const RANGE: &str = "net/ipv4/ip_local_port_range";
const EADDRNOTAVAIL: u32 = 99;
/// It takes microseconds, or some milliseconds where the whole range is tried, and more where the task waits for its turn.
const AT_ONCE: Duration = Duration::from_millis(100);
