//! One finding for each cause.

use crate::model::aspect::Seen;
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::event::RstMaker;
use crate::model::evidence::{Evidence, Place};
use crate::model::finding::{
    Cause, Confidence, Connection, Considered, Culprit, Finding, RuleRole, Severity, State, Way,
};
use crate::model::identity::{Comm, Netns, Owner};
use crate::model::inquiry::SocketInfo;
use crate::model::reason::{DropReason, RstReason};
use crate::model::tcp::{ACK, ConntrackState, SYN, TcpState};
use crate::model::tuple::Tuple;
use crate::model::who::Names;
use crate::sink::sample::{POD, drops, endpoint, entry, inspected, listener, local, ms, sockets, strays, tuple, who};

fn owner() -> Owner {
    Owner {
        started: ms(0),
        pid: 4711,
        tid: 4712,
        uid: 1000,
        cgroup: 7321,
        comm: Comm::new(b"curl"),
    }
}

pub(super) fn connection() -> Connection {
    Connection {
        id: Some(12),
        tuple: tuple("10.77.0.2:35468", "10.77.0.3:9000"),
        translated: None,
        way: Way::Outbound,
        netns: POD,
        enter: Some("/run/netns/pod".into()),
        owner: Some(owner()),
        holder: None,
        state: Some(TcpState::SynSent),
        started: Some(ms(0)),
        ended: None,
        syn_retransmits: 2,
        retransmits: 0,
        unacked: 0,
    }
}

pub(super) fn redirected() -> Connection {
    Connection {
        translated: Some(tuple("10.77.0.2:35468", "127.0.0.1:37673")),
        ..connection()
    }
}

pub(super) fn finding(cause: Cause, connection: Connection, evidence: Vec<Evidence>) -> Finding {
    Finding {
        id: 3,
        revision: 0,
        supersedes: None,
        at: ms(3_001),
        cause,
        state: State::Open,
        severity: Severity::Error,
        confidence: Confidence::Proved,
        hanging: 1,
        unexamined: 0,
        lost: 0,
        examples: vec![connection.clone()],
        connection: Some(connection),
        count: 1,
        victims: Vec::new(),
        culprits: vec![Culprit::Rule {
            netns: POD,
            enter: Some("/run/netns/pod".into()),
            rule: None,
            role: RuleRole::Drops,
            evidence: Some(0),
        }],
        evidence,
        considered: Vec::new(),
        names: Names::default(),
        first: ms(1),
        last: ms(3_001),
    }
}

pub(super) fn dropped(
    place: Place,
    packet: Tuple,
    flags: u8,
    conntrack: Option<Conntrack>,
    rejected: bool,
) -> Evidence {
    Evidence::Drop {
        at: ms(1),
        count: 3,
        reason: DropReason::Netfilter,
        location: Some("nf_hook_slow".into()),
        netns: POD,
        place,
        direction: Some(Direction::Original),
        packet,
        tcp_flags: flags,
        mark: 0,
        conntrack,
        rejected,
        ambiguous: false,
    }
}

pub(super) fn syn_again() -> Evidence {
    Evidence::Retransmits {
        at: ms(3_050),
        since: ms(0),
        count: 2,
        unacked: 1,
        syn: true,
        queried: false,
    }
}

pub(super) fn socket() -> SocketInfo {
    SocketInfo {
        state: Some(TcpState::Established),
        receive_queue: 0,
        send_queue: 9,
        unacked: Some(1),
        retransmits: 4,
        uid: 1000,
        inode: 8_100,
        process: None,
        sending: Some(super::sending()),
    }
}

/// One finding for each cause.
pub(crate) fn findings() -> Vec<Finding> {
    Cause::ALL.iter().map(|&cause| finding_of(cause)).collect()
}

pub(crate) fn finding_of(cause: Cause) -> Finding {
    match cause {
        Cause::ReplyRejected => who::named(reply_rejected()),
        Cause::RedirectTargetBlocked => redirect_target_blocked(),
        Cause::RedirectTargetStalled => redirect_target_stalled(),
        Cause::RedirectToDeadPort => redirect_to_dead_port(),
        Cause::SynDropped => syn_dropped(),
        Cause::RejectedByRule => rejected_by_rule(),
        Cause::AcceptQueueFull => accept_queue_full(),
        Cause::ResetByPeer => reset_by_peer(),
        Cause::Unanswered => unanswered(),
        Cause::DroppedInKernel => drops::dropped_by_tc(),
        Cause::ReversePathFiltered => drops::reverse_path_filtered(),
        Cause::UnreachableTarget => drops::unreachable_target(),
        Cause::ConntrackExhausted => drops::conntrack_exhausted(),
        Cause::DeadRedirect
        | Cause::LeftoverChain
        | Cause::DuplicateJump
        | Cause::MarkOverlap
        | Cause::MixedBackends
        | Cause::AddressFamilyGap
        | Cause::BypassedRedirect
        | Cause::StaleEntries => inspected::finding_of(cause),
        Cause::MartianRedirect => martian_redirect(),
        Cause::RedirectLoop => local::redirect_loop(),
        Cause::LoopbackOnlyMismatch => local::loopback_only_mismatch(),
        Cause::PortExhausted => local::port_exhausted(),
        Cause::NoEndpoints => local::no_endpoints(),
        Cause::SocketDestroyed => sockets::destroyed(),
        Cause::RedirectFanIn => sockets::fan_in(),
        Cause::PathMtuBlackhole => sockets::path_mtu_blackhole(),
        Cause::StaleConntrack | Cause::InvalidPacketReset | Cause::NatBindingLost | Cause::OriginalDestinationLost => {
            strays::finding_of(cause)
        }
    }
}

/// Its setting is known.
fn martian_redirect() -> Finding {
    let setting = super::setting();
    let aspect = Evidence::Aspect {
        at: ms(100),
        netns: POD,
        seen: Seen::Setting(setting.clone()),
    };
    Finding {
        culprits: vec![Culprit::Sysctl {
            netns: POD,
            enter: None,
            setting,
        }],
        ..finding(Cause::MartianRedirect, redirected(), vec![aspect, syn_again()])
    }
}

fn reply_rejected() -> Finding {
    let connection = Connection {
        state: Some(TcpState::Established),
        syn_retransmits: 0,
        retransmits: 4,
        unacked: 9,
        ..connection()
    };
    let answer = tuple("10.77.0.3:9000", "10.77.0.2:35468");
    let close = entry(ConntrackState::Close, 1, None);
    let waiting = Connection {
        id: None,
        tuple: tuple("10.77.0.2:41000", "10.77.0.3:9000"),
        state: Some(TcpState::Established),
        ..self::connection()
    };
    Finding {
        victims: vec![waiting],
        considered: vec![Considered {
            cause: Cause::Unanswered,
            why_not: "packets of the peer do arrive",
        }],
        ..finding(
            Cause::ReplyRejected,
            connection,
            vec![
                dropped(Place::Input, answer, ACK, Some(close), true),
                Evidence::Retransmits {
                    at: ms(2_900),
                    since: ms(1),
                    count: 4,
                    unacked: 9,
                    syn: false,
                    queried: false,
                },
                Evidence::Socket {
                    at: ms(3_001),
                    socket: socket(),
                },
                Evidence::Conntrack {
                    at: ms(3_001),
                    entry: close,
                    queried: true,
                },
            ],
        )
    }
}

fn redirect_target_blocked() -> Finding {
    let syn = tuple("10.77.0.2:35468", "127.0.0.1:37673");
    let entry = entry(ConntrackState::SynSent, 0, Some("127.0.0.1:37673"));
    finding(
        Cause::RedirectTargetBlocked,
        redirected(),
        vec![
            dropped(Place::Input, syn, SYN, Some(entry), false),
            syn_again(),
            Evidence::Listener {
                at: ms(3_001),
                listener: listener("0.0.0.0:37673", 0, 128),
            },
        ],
    )
}

fn redirect_target_stalled() -> Finding {
    let listener = listener("0.0.0.0:37673", 1, 128);
    Finding {
        culprits: vec![Culprit::Listener(listener.clone())],
        ..finding(
            Cause::RedirectTargetStalled,
            Connection {
                state: Some(TcpState::Established),
                syn_retransmits: 0,
                ..redirected()
            },
            vec![
                Evidence::NotAccepted {
                    at: ms(6_000),
                    since: ms(2),
                    tuple: tuple("127.0.0.1:37673", "10.77.0.2:35468"),
                    receive_queue: 9,
                },
                Evidence::Listener {
                    at: ms(6_000),
                    listener,
                },
            ],
        )
    }
}

fn redirect_to_dead_port() -> Finding {
    let entry = entry(ConntrackState::Close, 0, Some("127.0.0.1:37673"));
    Finding {
        state: State::Closed,
        culprits: vec![Culprit::ConntrackEntry(entry)],
        ..finding(
            Cause::RedirectToDeadPort,
            Connection {
                state: Some(TcpState::Close),
                ended: Some(ms(1)),
                syn_retransmits: 0,
                ..redirected()
            },
            vec![
                Evidence::RstSent {
                    at: ms(0),
                    netns: POD,
                    maker: RstMaker::NoSocket,
                    reason: Some(RstReason::NoSocket),
                    packet: Some(tuple("10.77.0.2:35468", "127.0.0.1:37673")),
                },
                Evidence::Conntrack {
                    at: ms(0),
                    entry,
                    queried: false,
                },
                Evidence::RstReceived {
                    at: ms(0),
                    state: Some(TcpState::SynSent),
                },
                Evidence::Errno { at: ms(1), errno: 111 },
                Evidence::NoListener {
                    at: ms(4),
                    endpoint: endpoint("127.0.0.1:37673"),
                },
            ],
        )
    }
}

fn syn_dropped() -> Finding {
    let node = Netns {
        cookie: 1,
        inode: 4_026_531_840,
    };
    let mut drop = dropped(Place::Forward, connection().tuple, SYN, None, false);
    if let Evidence::Drop { netns, location, .. } = &mut drop {
        *netns = node;
        *location = Some("nft_do_chain".into());
    }
    Finding {
        culprits: vec![Culprit::Rule {
            netns: node,
            enter: Some("/proc/1/ns/net".into()),
            rule: None,
            role: RuleRole::Drops,
            evidence: Some(0),
        }],
        ..finding(Cause::SynDropped, connection(), vec![drop, syn_again()])
    }
}

fn rejected_by_rule() -> Finding {
    let ended = Connection {
        state: Some(TcpState::Close),
        ended: Some(ms(1)),
        syn_retransmits: 0,
        enter: None,
        ..connection()
    };
    let drop = dropped(Place::Output, ended.tuple, SYN, None, true);
    Finding {
        state: State::Closed,
        severity: Severity::Warning,
        culprits: Vec::new(),
        examples: Vec::new(),
        ..finding(
            Cause::RejectedByRule,
            ended,
            vec![drop, Evidence::Errno { at: ms(1), errno: 111 }],
        )
    }
}

fn accept_queue_full() -> Finding {
    let listener = listener("0.0.0.0:9000", 3, 2);
    Finding {
        severity: Severity::Warning,
        culprits: vec![Culprit::Listener(listener.clone())],
        count: 4,
        ..finding(
            Cause::AcceptQueueFull,
            connection(),
            vec![
                syn_again(),
                Evidence::Listener {
                    at: ms(3_001),
                    listener,
                },
            ],
        )
    }
}

fn reset_by_peer() -> Finding {
    Finding {
        severity: Severity::Info,
        state: State::Closed,
        culprits: vec![Culprit::Peer {
            endpoint: endpoint("10.77.0.3:9000"),
            maker: RstMaker::Remote,
        }],
        ..finding(
            Cause::ResetByPeer,
            Connection {
                state: Some(TcpState::Close),
                ended: Some(ms(3_000)),
                syn_retransmits: 0,
                ..connection()
            },
            vec![Evidence::RstReceived {
                at: ms(3_000),
                state: Some(TcpState::Established),
            }],
        )
    }
}

fn unanswered() -> Finding {
    Finding {
        severity: Severity::Warning,
        confidence: Confidence::Possible,
        lost: 1_234,
        culprits: Vec::new(),
        ..finding(
            Cause::Unanswered,
            connection(),
            vec![
                syn_again(),
                Evidence::NoConntrack { at: ms(3_001) },
                Evidence::GaveUp {
                    at: ms(3_001),
                    count: 3,
                },
                Evidence::NotExamined {
                    at: ms(3_001),
                    why: "setns: Operation not permitted".into(),
                },
            ],
        )
    }
}
