//! Records as the Tracker and the shell make them, for the tests of the sinks.

mod aspect;
mod drops;
mod findings;
mod inspected;
mod local;
mod ports;
mod rules;
mod sockets;
mod strays;
mod who;

pub(super) use aspect::{aspects, attached, seen, setting, sockets_to, statistics};
pub(crate) use findings::{finding_of, findings};
pub(crate) use ports::ports;
pub(crate) use rules::named_findings;
pub(super) use rules::{policy, redirect};
pub(super) use who::identity;

use crate::model::conntrack::Conntrack;
use crate::model::finding::Cause;
use crate::model::hook::How;
use crate::model::identity::{Comm, Netns, Process};
use crate::model::inquiry::{Listener, Sending};
use crate::model::tcp::ConntrackState;
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};
use crate::sink::clock::Clock;
use crate::sink::cost::{Cost, ProbeCost, Rate, Share};
use crate::sink::jsont::EventName;
use crate::sink::record::{Hello, Hook, HookStats, Loss, LossSource, Stats, Summary};
use std::time::Duration;

/// Milliseconds after the connect, which was at 100 s.
/// Of a socket whose full-sized segments do not arrive.
pub(in crate::sink) fn sending() -> Sending {
    Sending {
        mss: 1448,
        path_mtu: 1500,
        in_flight: 5001,
        sacked: 1,
        acknowledged: 7,
        window: Some(64_256),
        last_heard: Duration::from_secs(3),
    }
}

pub(crate) fn ms(millis: u64) -> Timestamp {
    Timestamp::from_nanos(100_000_000_000 + millis * 1_000_000)
}

/// 2026-03-04T05:06:07Z at the connect.
pub(crate) fn clock() -> Clock {
    Clock::new(ms(0), "2026-03-04T05:06:07Z".parse().unwrap())
}

pub(super) fn endpoint(text: &str) -> Endpoint {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

pub(super) fn tuple(source: &str, destination: &str) -> Tuple {
    Tuple::new(endpoint(source), endpoint(destination))
}

pub(super) const POD: Netns = Netns {
    cookie: 4097,
    inode: 4_026_532_281,
};

pub(super) fn entry(state: ConntrackState, mark: u32, target: Option<&str>) -> Conntrack {
    let original = tuple("10.77.0.2:35468", "10.77.0.3:9000");
    let target = target.map_or(original.destination, endpoint);
    Conntrack {
        original,
        reply: Tuple::new(target, original.source),
        status: 0b1110 | if original.destination == target { 0 } else { 0x120 },
        state: Some(state),
        mark,
        zone: 0,
        id: None,
    }
}

pub(super) fn listener(address: &str, queue: u32, backlog: u32) -> Listener {
    Listener {
        address: endpoint(address),
        queue,
        backlog,
        uid: 0,
        inode: 8_101,
        process: Some(Process {
            pid: 77,
            comm: Comm::new(b"mirrord-agent"),
        }),
    }
}

pub(crate) fn hello() -> Hello {
    let hook = |name: &'static str, how| Hook {
        name: name.into(),
        how,
        reason: None,
        weakens: Vec::new(),
    };
    Hello {
        at: ms(0),
        session: "6fa459ea-ee8a-4ca4-894e-db77e160355e".to_owned(),
        boot_id: Some("0d1f3f4e-1b7c-4a6e-9df6-6f0f2c8d8f10".to_owned()),
        part: 0,
        host: Some("node-1".to_owned()),
        kernel: "6.18.44".to_owned(),
        architecture: "x86_64".to_owned(),
        version: "0.1.0".to_owned(),
        options: [("hang-after".to_owned(), "3s".to_owned())].into(),
        hooks: vec![
            hook("inet_sock_set_state", How::TpBtf),
            Hook {
                reason: Some("not in this kernel's BTF".to_owned()),
                weakens: vec![Cause::RedirectToDeadPort],
                ..hook("tcp_send_reset", How::Absent)
            },
        ],
    }
}

pub(crate) fn stats() -> Stats {
    Stats {
        at: ms(10_000),
        hooks: vec![HookStats {
            name: "inet_sock_set_state".into(),
            runs: Some(12_345),
            nanos: Some(1_234_500),
            lost: 2,
            recursion_misses: Some(0),
            ..HookStats::default()
        }],
        tracked: 17,
        evictions: 0,
        cpu: Some(Duration::from_millis(120)),
        cost: cost(),
        watermark: Some(ms(9_900)),
    }
}

pub(crate) fn cost() -> Cost {
    let rate = |runs, nanos| Rate { runs, nanos };
    Cost {
        probes: Some(ProbeCost {
            measured: Duration::from_millis(100),
            clock: Some(Duration::from_nanos(57)),
            hooks: vec![
                ("inet_sock_set_state".into(), rate(90, 9_000)),
                ("tcp_send_reset".into(), rate(0, 0)),
                ("kfree_skb".into(), rate(30, 3_300)),
            ],
        }),
        process: Some(Share::of(Duration::from_millis(2), Duration::from_secs(10))),
        ring_high_water: Some(32_768),
        ring_bytes: Some(1 << 20),
        resident_bytes: Some(12 << 20),
        map_bytes: Some(8 << 20),
        lost: vec![(EventName::Closed, 1), (EventName::Drop, 1)],
    }
}

pub(crate) fn loss() -> Loss {
    Loss {
        at: ms(10_000),
        source: LossSource::Hook("kfree_skb".into()),
        cpu: Some(1),
        lost: 2,
    }
}

pub(crate) fn summary() -> Summary {
    Summary {
        at: ms(30_000),
        duration: Duration::from_secs(30),
        events: 1_234,
        inspected: None,
        established: Some(12),
        refused: 3,
        aborted: 1,
        given_up: 1,
        findings: vec![(Cause::ReplyRejected, 1), (Cause::SynDropped, 2)],
        lost: 2,
        evictions: 1,
        unresolved_inquiries: 0,
        cost: Some(cost()),
    }
}
