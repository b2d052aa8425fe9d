//! Findings of connections that fail within their own namespace, and of services without endpoints.

use super::findings::{connection, dropped, finding, redirected};
use super::rules::culprit;
use super::{POD, endpoint, entry, listener, ms, tuple};
use crate::model::aspect::{Seen, Setting};
use crate::model::event::RstMaker;
use crate::model::evidence::{Evidence, Place};
use crate::model::finding::{Cause, Connection, Culprit, Finding, RuleRole, Severity};
use crate::model::identity::{Comm, Process};
use crate::model::inquiry::Listener;
use crate::model::reason::RstReason;
use crate::model::rules::{Backend, Component, Family, Hook, Located};
use crate::model::tcp::{ConntrackState, SYN, TcpState};

/// What is looked at.
fn aspect(seen: Seen) -> Evidence {
    Evidence::Aspect {
        at: ms(4),
        netns: POD,
        seen,
    }
}

fn ended(connection: Connection) -> Connection {
    Connection {
        state: Some(TcpState::Close),
        ended: Some(ms(1)),
        syn_retransmits: 0,
        ..connection
    }
}

pub(super) fn redirect_loop() -> Finding {
    let listener = Listener {
        uid: 1337,
        process: Some(Process {
            pid: 811,
            comm: Comm::new(b"envoy"),
        }),
        ..listener("0.0.0.0:15001", 1, 128)
    };
    let rule = Located {
        backend: Backend::IptablesNft,
        family: Family::Ip,
        table: "nat".into(),
        chain: "OUTPUT".into(),
        hook: Some(Hook::Output),
        index: Some(2),
        handle: Some(7),
        text: "-A OUTPUT -p tcp -j REDIRECT".into(),
        comment: None,
        owner: None,
        packets: Some(30),
    };
    Finding {
        culprits: vec![
            culprit(RuleRole::Translates, rule, 0),
            Culprit::Listener(listener.clone()),
        ],
        ..finding(
            Cause::RedirectLoop,
            Connection {
                state: Some(TcpState::Established),
                syn_retransmits: 0,
                ..redirected()
            },
            vec![
                Evidence::NotAccepted {
                    at: ms(6_000),
                    since: ms(2),
                    tuple: tuple("127.0.0.1:15001", "10.77.0.2:35468"),
                    receive_queue: 0,
                },
                Evidence::Listener {
                    at: ms(6_000),
                    listener,
                },
                Evidence::Conntrack {
                    at: ms(6_000),
                    entry: entry(ConntrackState::Established, 0, Some("127.0.0.1:15001")),
                    queried: true,
                },
                aspect(Seen::SocketsTo(Box::new(super::sockets_to()))),
            ],
        )
    }
}

pub(super) fn loopback_only_mismatch() -> Finding {
    let to_loopback = tuple("127.0.0.1:35468", "127.0.0.1:9000");
    let elsewhere = listener("10.77.0.2:9000", 0, 128);
    Finding {
        severity: Severity::Warning,
        culprits: vec![Culprit::Listener(elsewhere.clone())],
        ..finding(
            Cause::LoopbackOnlyMismatch,
            Connection {
                tuple: to_loopback,
                ..ended(connection())
            },
            vec![
                Evidence::RstSent {
                    at: ms(0),
                    netns: POD,
                    maker: RstMaker::NoSocket,
                    reason: Some(RstReason::NoSocket),
                    packet: Some(to_loopback),
                },
                Evidence::Errno { at: ms(1), errno: 111 },
                Evidence::NoListener {
                    at: ms(4),
                    endpoint: endpoint("127.0.0.1:9000"),
                },
                aspect(Seen::Listening(elsewhere)),
            ],
        )
    }
}

pub(super) fn port_exhausted() -> Finding {
    let setting = Setting {
        path: "net/ipv4/ip_local_port_range".into(),
        value: "32768\t60999".into(),
    };
    Finding {
        culprits: vec![Culprit::Sysctl {
            netns: POD,
            enter: None,
            setting: setting.clone(),
        }],
        ..finding(
            Cause::PortExhausted,
            Connection {
                tuple: tuple("10.77.0.2:0", "10.77.0.3:9000"),
                ..ended(connection())
            },
            vec![
                aspect(Seen::Setting(setting)),
                aspect(Seen::SocketsTo(Box::new(super::sockets_to()))),
            ],
        )
    }
}

pub(super) fn no_endpoints() -> Finding {
    let comment = "default/web:http has no endpoints";
    let rule = Located {
        backend: Backend::IptablesLegacy,
        family: Family::Ip,
        table: "filter".into(),
        chain: "KUBE-SERVICES".into(),
        hook: Some(Hook::Output),
        index: Some(3),
        handle: None,
        text: format!("-A KUBE-SERVICES -d 10.77.0.3/32 -p tcp -m comment --comment \"{comment}\" -j REJECT").into(),
        comment: Some(comment.into()),
        owner: Some(Component::KubeProxy),
        packets: Some(9),
    };
    Finding {
        severity: Severity::Warning,
        culprits: vec![culprit(RuleRole::Rejects, rule, 0)],
        ..finding(
            Cause::NoEndpoints,
            ended(connection()),
            vec![
                dropped(Place::Output, connection().tuple, SYN, None, true),
                Evidence::Errno { at: ms(1), errno: 111 },
            ],
        )
    }
}
