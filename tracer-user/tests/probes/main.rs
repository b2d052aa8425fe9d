//! The probes on the running kernel: real connections in network namespaces of the tests' own. Needs root.
//!
//! Tracepoints are machine-wide; every test looks at its own namespace only.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "the whole crate is tests")]

mod filters;
mod named;
mod scene;

use scene::Scene;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use tracer_user::kernel::load::Settings;
use tracer_user::model::event::{Event, EventKind, RstMaker};
use tracer_user::model::reason::{DropReason, RstReason};
use tracer_user::model::tcp::TcpState;

const CONNECTION_REFUSED: u32 = 111;
const TIMED_OUT: u32 = 110;

#[test]
fn every_core_hook_is_attached() {
    assert_eq!(Scene::new(false).absent_core_hooks(), [""; 0]);
}

#[test]
fn an_ordinary_connection_sends_nothing() {
    let mut scene = Scene::new(false);
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(local).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = listener.accept().unwrap();
        drop(server);
        drop(client);
    }
    let marker = scene::refuse("127.0.0.1");
    let events = scene.until("the failure of the marker", |event| {
        matches!(event.kind, EventKind::Failed { .. })
    });
    assert!(
        events.iter().all(|event| scene::port(event) == Some(marker)),
        "{events:#?}"
    );
}

#[test]
fn a_refused_connect_gives_both_resets_and_one_failure_with_its_owner() {
    for address in ["127.0.0.1", "[::1]"] {
        let mut scene = Scene::new(false);
        let port = scene::refuse(address);
        let events = scene.until("the failure", |event| matches!(event.kind, EventKind::Failed { .. }));
        let (sent, [received, failed]) = events.split_last_chunk().expect("two at least");
        assert_eq!(sent.len(), usize::from(scene.tells_no_socket_resets()), "{events:#?}");
        assert_eq!(
            received.kind,
            EventKind::RstReceived {
                state: Some(TcpState::SynSent)
            }
        );
        assert_eq!(
            failed.kind,
            EventKind::Failed {
                errno: CONNECTION_REFUSED
            }
        );
        assert_eq!(
            failed.tuple, received.tuple,
            "the source port is kept through the close"
        );
        assert_eq!(failed.tuple.unwrap().destination.port, port);
        for sent in sent {
            let EventKind::RstSent(rst) = &sent.kind else {
                panic!("{sent:#?}")
            };
            let reason = scene.tells_rst_reasons().then_some(RstReason::NoSocket);
            assert_eq!((rst.maker, rst.reason), (RstMaker::NoSocket, reason));
            assert_eq!(rst.packet.unwrap().tuple, failed.tuple.unwrap());
        }
        let owner = failed.owner.unwrap();
        assert_eq!((owner.pid, owner.tid, owner.uid), scene::this_thread());
        assert_eq!(owner.comm, scene::this_comm());
        assert_ne!(owner.cgroup, 0);
        assert!(failed.at >= owner.started);
    }
}

#[test]
fn a_dropped_syn_gives_the_drop_and_the_retransmit_and_a_give_up_fails_without_an_error() {
    let mut scene = Scene::new(false);
    scene::run("iptables -A OUTPUT -p tcp --dport 7 -j DROP");
    let address = "127.0.0.1:7".parse().unwrap();
    TcpStream::connect_timeout(&address, Duration::from_millis(2500)).unwrap_err();
    let events = scene.until("the failure", |event| matches!(event.kind, EventKind::Failed { .. }));
    let EventKind::Drop(first) = &events[0].kind else {
        panic!("{events:#?}")
    };
    assert_eq!((first.reason, first.packet.ifindex), (DropReason::Netfilter, None));
    // nf_hook_slow, or nft_do_chain where the verdict frees the packet at once.
    assert!(
        first
            .location
            .as_deref()
            .is_some_and(|location| location.starts_with("nf")),
        "{first:?}"
    );
    assert_eq!(first.packet.tuple.destination.port, 7);
    assert_eq!(events[0].owner.unwrap().pid, std::process::id());
    let drops = events.iter().filter(|event| matches!(event.kind, EventKind::Drop(_)));
    assert!(drops.count() >= 2, "the SYN and the one sent again: {events:#?}");
    let is_retransmit = |event: &&Event| matches!(event.kind, EventKind::Retransmit(_));
    let sent_again = events.iter().find(is_retransmit);
    assert_eq!(sent_again.is_some(), scene.tells_failed_retransmits());
    if let Some(event) = sent_again
        && let EventKind::Retransmit(retransmit) = &event.kind
    {
        assert_eq!((retransmit.state, retransmit.unacked), (Some(TcpState::SynSent), 1));
        assert_eq!(retransmit.rto, Some(Duration::from_secs(1)));
        assert_eq!(event.tuple, Some(first.packet.tuple));
        assert_eq!(event.owner.unwrap().pid, std::process::id(), "not the timer's task");
    }
    assert_eq!(events.last().unwrap().kind, EventKind::Failed { errno: 0 });
}

#[test]
fn a_translated_packet_carries_its_conntrack_entry() {
    let mut scene = Scene::new(false);
    scene::run("iptables -t nat -A OUTPUT -p tcp --dport 8080 -j REDIRECT --to-ports 37673");
    TcpStream::connect("127.0.0.1:8080").unwrap_err();
    let events = scene.until("the failure", |event| matches!(event.kind, EventKind::Failed { .. }));
    let EventKind::RstSent(rst) = &events[0].kind else {
        assert!(!scene.tells_no_socket_resets(), "{events:#?}");
        return;
    };
    let packet = rst.packet.unwrap();
    let conntrack = packet.conntrack.unwrap();
    assert_eq!(Some(conntrack.original), events.last().unwrap().tuple);
    assert_eq!(conntrack.leaving(), packet.tuple);
    assert_eq!(packet.tuple.destination.port, 37673);
    assert!(conntrack.redirects());
}

#[test]
fn connects_that_time_out_or_are_refused_by_icmp_fail_once_with_their_errno() {
    let mut scene = Scene::new(false);
    scene::run("iptables -A INPUT -p tcp --dport 7 -j DROP");
    scene::run("iptables -A INPUT -p tcp --dport 9 -j REJECT");
    scene::run("sysctl -q net.ipv4.tcp_syn_retries=1");
    for (address, errno) in [("127.0.0.1:9", CONNECTION_REFUSED), ("127.0.0.1:7", TIMED_OUT)] {
        TcpStream::connect(address).unwrap_err();
        let events = scene.until("the failure", |event| matches!(event.kind, EventKind::Failed { .. }));
        assert_eq!(events.last().unwrap().kind, EventKind::Failed { errno });
        assert!(
            events.iter().any(|event| matches!(event.kind, EventKind::Drop(_))),
            "{events:#?}"
        );
    }
    let marker = scene::refuse("127.0.0.1");
    let events = scene.until("the marker", |event| matches!(event.kind, EventKind::Failed { .. }));
    assert!(
        events.iter().all(|event| scene::port(event) == Some(marker)),
        "{events:#?}"
    );
}

#[test]
fn export_of_all_gives_connect_established_and_closed_once_each() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let mut scene = Scene::new(true);
        let listener = TcpListener::bind(address).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let from = client.local_addr().unwrap();
        drop(client);
        drop(listener.accept().unwrap());
        scene::refuse("127.0.0.1");
        let mut events = scene.until("the marker", |event| matches!(event.kind, EventKind::Failed { .. }));
        events.retain(|event| scene::port(event) == Some(listener.local_addr().unwrap().port()));
        let [connect, established, closed] = &events[..] else {
            panic!("{events:#?}")
        };
        assert_eq!(connect.kind, EventKind::Connect);
        assert_eq!(established.kind, EventKind::Established);
        assert_eq!(closed.kind, EventKind::Closed { errno: 0 });
        assert_eq!(established.tuple.unwrap().source, from.into());
        assert_eq!(closed.tuple, established.tuple);
        assert!(connect.socket.is_some() && connect.socket == closed.socket);
        assert_eq!(connect.owner, closed.owner);
    }
}

#[test]
fn an_abort_is_seen_from_both_ends() {
    let mut scene = Scene::new(false);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    scene::abort(server);
    let events = scene.until("the client's end", |event| {
        matches!(event.kind, EventKind::Closed { .. })
    });
    let closed = events.last().unwrap();
    assert_eq!(closed.kind, EventKind::Closed { errno: 104 });
    assert_eq!(closed.tuple.unwrap().source, client.local_addr().unwrap().into());
    assert!(events.iter().any(|event| event.kind
        == EventKind::RstReceived {
            state: Some(TcpState::Established)
        }));
    let more = scene.until(
        "the abort",
        |event| matches!(&event.kind, EventKind::RstSent(rst) if rst.active),
    );
    let sent = more.last().unwrap();
    assert_eq!(sent.tuple.unwrap().inverted(), closed.tuple.unwrap());
}

#[test]
fn a_destroyed_socket_tells_who_did_it_whichever_end_it_is() {
    let mut scene = Scene::new(false);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for connects in [true, false] {
        let client = TcpStream::connect(address).unwrap();
        let _server = listener.accept().unwrap();
        let mut ends = [client.local_addr().unwrap(), address];
        if !connects {
            ends.reverse();
        }
        let [own, other] = ends;
        scene::run(&format!("ss -K --tcp src {own} dst {other}"));
        let events = scene.until("the end", |event| matches!(event.kind, EventKind::Destroyed(_)));
        let event = events.last().unwrap();
        let EventKind::Destroyed(destroyed) = event.kind else {
            panic!("{event:#?}")
        };
        assert_eq!(destroyed.state, Some(TcpState::Established));
        assert_eq!(destroyed.by.unwrap().comm.as_bytes(), b"ss");
        assert_eq!(event.owner.is_some(), connects);
        let tuple = event.tuple.unwrap();
        assert_eq!((tuple.source, tuple.destination), (own.into(), other.into()));
    }
}

#[test]
fn a_mapped_address_is_ipv4() {
    let mut scene = Scene::new(false);
    let port = scene::refuse("[::ffff:127.0.0.1]");
    let events = scene.until("the failure", |event| matches!(event.kind, EventKind::Failed { .. }));
    assert_eq!(
        events.last().unwrap().tuple.unwrap().destination,
        ([127, 0, 0, 1], port).into_endpoint()
    );
}

#[test]
fn drops_beyond_the_limit_are_counted() {
    let mut scene = Scene::limited(1);
    scene::run("iptables -A OUTPUT -p tcp --dport 7 -j DROP");
    let address = "127.0.0.1:7".parse().unwrap();
    for _ in 0..20 {
        TcpStream::connect_timeout(&address, Duration::from_millis(1)).unwrap_err();
    }
    let mut failures = 0;
    let events = scene.until("20 failures", |event| {
        failures += u32::from(matches!(event.kind, EventKind::Failed { errno: 0 }));
        failures == 20
    });
    let drops = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Drop(_)))
        .count();
    assert!(drops < 20, "{drops} drops");
    assert!(scene.suppressed() >= 20 - drops as u64);
}

/// Lets a test write an address where the model wants an endpoint.
trait IntoEndpoint {
    fn into_endpoint(self) -> tracer_user::model::tuple::Endpoint;
}

impl IntoEndpoint for ([u8; 4], u16) {
    fn into_endpoint(self) -> tracer_user::model::tuple::Endpoint {
        SocketAddr::from(self).into()
    }
}

#[test]
fn a_socket_that_connects_to_itself_is_established_and_closed() {
    use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, socket};
    let mut scene = Scene::new(true);
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let own = getsockname(&socket).unwrap();
    connect(&socket, &own).unwrap();
    drop(socket);
    let events = scene.until("the end", |event| matches!(event.kind, EventKind::Closed { .. }));
    let kinds: Vec<_> = events.into_iter().map(|event| event.kind).collect();
    let errno = 0;
    assert_eq!(
        kinds,
        [EventKind::Connect, EventKind::Established, EventKind::Closed { errno }]
    );
}

#[test]
fn the_probes_log_loads_at_its_highest_level() {
    let scene = Scene::with(&Settings {
        log_level: 5,
        ..Settings::default()
    });
    assert_eq!(scene.absent_core_hooks(), [""; 0]);
}
