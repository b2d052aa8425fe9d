//! Findings that a socket tells of by itself.

use super::findings::{connection, finding, socket};
use super::ms;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Connection, Culprit, Finding, Severity};
use crate::model::identity::{Comm, Process};
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
