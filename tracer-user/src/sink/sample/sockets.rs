//! Findings that a socket tells of by itself.

use super::findings::{connection, finding, redirected, socket, syn_again};
use super::{POD, ms, tuple};
use crate::model::aspect::{Connected, Seen};
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Connection, Culprit, Finding, Severity};
use crate::model::identity::{Comm, Process};
use crate::model::inquiry::SocketInfo;
use crate::model::tcp::TcpState;

pub(super) fn destroyed() -> Finding {
    let by = Process {
        pid: 4802,
        comm: Comm::new(b"ss"),
    };
    Finding {
        severity: Severity::Warning,
        confidence: Confidence::Likely,
        culprits: vec![Culprit::Process(by)],
        ..finding(
            Cause::SocketDestroyed,
            Connection {
                state: Some(TcpState::Close),
                ended: Some(ms(3_000)),
                syn_retransmits: 0,
                ..connection()
            },
            vec![Evidence::Destroyed {
                at: ms(3_000),
                state: Some(TcpState::Established),
                by: Some(by),
            }],
        )
    }
}

pub(super) fn fan_in() -> Finding {
    let agent = Process {
        pid: 811,
        comm: Comm::new(b"agent"),
    };
    let old = Connected {
        tuple: tuple("127.0.0.1:37673", "10.77.0.2:35468"),
        socket: SocketInfo {
            state: Some(TcpState::CloseWait),
            process: Some(agent),
            retransmits: 0,
            sending: None,
            ..socket()
        },
    };
    Finding {
        confidence: Confidence::Likely,
        culprits: Vec::new(),
        ..finding(
            Cause::RedirectFanIn,
            redirected(),
            vec![
                syn_again(),
                Evidence::Aspect {
                    at: ms(3_001),
                    netns: POD,
                    seen: Seen::Sockets {
                        local: old.tuple.source,
                        sockets: vec![old],
                    },
                },
            ],
        )
    }
}

pub(super) fn path_mtu_blackhole() -> Finding {
    Finding {
        severity: Severity::Warning,
        confidence: Confidence::Likely,
        culprits: Vec::new(),
        ..finding(
            Cause::PathMtuBlackhole,
            Connection {
                state: Some(TcpState::Established),
                syn_retransmits: 0,
                retransmits: 4,
                unacked: 5001,
                ..connection()
            },
            vec![
                Evidence::Retransmits {
                    at: ms(3_000),
                    since: ms(1),
                    count: 4,
                    unacked: 5001,
                    syn: false,
                    queried: false,
                },
                Evidence::Socket {
                    at: ms(3_001),
                    socket: socket(),
                },
            ],
        )
    }
}
