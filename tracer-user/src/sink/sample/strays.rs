//! Findings of connections whose translation is not what the rules would make of them, or is gone.

use crate::model::aspect::{Seen, Setting};
use crate::model::event::RstMaker;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Connection, Culprit, Finding};
use crate::model::identity::{Comm, Process};
use crate::model::reason::RstReason;
use crate::model::tcp::{ConntrackState, TcpState};
use crate::sink::sample::findings::{connection, finding, redirected, socket, syn_again};
use crate::sink::sample::{POD, entry, ms, tuple};

pub(super) fn finding_of(cause: Cause) -> Finding {
    if cause == Cause::StaleConntrack {
        stale()
    } else if cause == Cause::InvalidPacketReset {
        invalid()
    } else {
        deleted(cause)
    }
}

fn stale() -> Finding {
    let entry = entry(ConntrackState::Established, 0, Some("10.77.0.4:9100"));
    let seen = Evidence::Conntrack {
        at: ms(3_001),
        entry,
        queried: true,
    };
    Finding {
        culprits: vec![Culprit::ConntrackEntry(entry)],
        ..finding(
            Cause::StaleConntrack,
            Connection {
                translated: Some(tuple("10.77.0.2:35468", "10.77.0.4:9100")),
                ..connection()
            },
            vec![syn_again(), seen],
        )
    }
}

fn invalid() -> Finding {
    let entry = entry(ConntrackState::Established, 0, Some("10.77.0.4:9100"));
    let setting = Setting {
        path: "net/netfilter/nf_conntrack_tcp_be_liberal".into(),
        value: "0".into(),
    };
    Finding {
        culprits: vec![
            Culprit::Sysctl {
                netns: POD,
                enter: Some("/run/netns/pod".into()),
                setting: setting.clone(),
            },
            Culprit::ConntrackEntry(entry),
        ],
        ..finding(
            Cause::InvalidPacketReset,
            Connection {
                translated: Some(tuple("10.77.0.2:35468", "10.77.0.4:9100")),
                ..established()
            },
            vec![
                no_socket("10.77.0.4:9100"),
                Evidence::Conntrack {
                    at: ms(3),
                    entry,
                    queried: true,
                },
                Evidence::Aspect {
                    at: ms(3),
                    netns: POD,
                    seen: Seen::Setting(setting),
                },
            ],
        )
    }
}

fn deleted(cause: Cause) -> Finding {
    let deleted = Evidence::ConntrackDeleted {
        at: ms(0),
        entry: entry(ConntrackState::Established, 0, Some("127.0.0.1:37673")),
        by: Some(Process {
            pid: 4_720,
            comm: Comm::new(b"conntrack"),
        }),
    };
    let waits = Evidence::Socket {
        at: ms(3),
        socket: socket(),
    };
    Finding {
        culprits: Vec::new(),
        ..finding(
            cause,
            Connection {
                translated: redirected().translated,
                ..established()
            },
            vec![no_socket("127.0.0.1:37673"), deleted, waits],
        )
    }
}

fn established() -> Connection {
    Connection {
        state: Some(TcpState::Established),
        syn_retransmits: 0,
        ..connection()
    }
}

fn no_socket(from: &str) -> Evidence {
    Evidence::RstSent {
        at: ms(1),
        netns: POD,
        maker: RstMaker::NoSocket,
        reason: Some(RstReason::NoSocket),
        packet: Some(tuple(from, "10.77.0.2:35468")),
    }
}
