//! Connections that fail within their own namespace, and services without endpoints.

use super::rules::{located, named, told, trail};
use super::world::*;
use crate::model::aspect::{Aspect, Seen, SocketsTo};
use crate::model::event::{Event, EventKind};
use crate::model::finding::{Cause, Confidence, Finding, RuleRole};
use crate::model::identity::{Comm, Process};
use crate::model::inquiry::{Examined, Inquiry, Question, Reply, Waiting};
use crate::model::rules::{Component, End, Reject};
use crate::model::tcp::TcpState;
use crate::model::tuple::{Endpoint, Tuple};
use crate::model::walked::Walked;
use crate::track::Config;

const LOOPBACK: &str = "127.0.0.1:9000";

fn proxy() -> Process {
    Process {
        pid: 811,
        comm: Comm::new(b"envoy"),
    }
}

fn sockets(taken: u32, held: u32) -> Seen {
    Seen::SocketsTo(Box::new(SocketsTo {
        destination: connection().destination,
        sockets: held,
        time_wait: 0,
        holder: Some((proxy(), held)),
        range: Some(40_000..=40_019),
        taken,
    }))
}

fn looked_at(target: Endpoint, seen: Vec<Seen>) -> Examined {
    Examined {
        conntrack: None,
        socket: None,
        target,
        target_is_local: true,
        listeners: Vec::new(),
        seen,
    }
}

/// A connect that failed without an error on its socket.
fn silent_failure(millis: u64, port: u16) -> Event {
    let source = Endpoint::new(connection().source.address, port);
    Event {
        tuple: Some(Tuple::new(source, connection().destination)),
        ..failed(millis, 0)
    }
}

fn without_port(seen: Vec<Seen>) -> World {
    let mut world = World::finding(looked_at(connection().destination, seen));
    world.play(vec![silent_failure(0, 0)], 10_000);
    world
}

#[test]
fn a_connect_that_found_no_port_is_explained_as_far_as_the_ports_are_seen_to_be_taken() {
    for (seen, confidence) in [
        (vec![sockets(20, 20)], Confidence::Proved),
        (vec![sockets(15, 15)], Confidence::Likely),
        (vec![sockets(1, 1)], Confidence::Possible),
        (vec![], Confidence::Possible),
    ] {
        let world = without_port(seen);
        let finding = world.only();
        assert_eq!((finding.cause, finding.confidence), (Cause::PortExhausted, confidence));
    }
}

#[test]
fn a_connect_that_was_given_up_at_once_had_a_port() {
    let mut world = World::finding(looked_at(connection().destination, vec![sockets(20, 20)]));
    world.play(vec![silent_failure(0, 40_000), silent_failure(1, 0).late()], 10_000);
    assert!(world.findings.is_empty());
    assert!(world.inquiries.is_empty());
}

/// Fails long after it was started.
trait Late {
    fn late(self) -> Self;
}

impl Late for Event {
    fn late(mut self) -> Self {
        self.at = at(1_500);
        self
    }
}

fn refused(port: u16) -> Vec<Event> {
    let source = Endpoint::new([127, 0, 0, 1].into(), port);
    let tuple = Tuple::new(source, end(LOOPBACK));
    let own = |event: Event| Event {
        tuple: Some(tuple),
        ..event
    };
    vec![
        no_socket(1, POD, packet(tuple, Some(1), None)),
        own(rst_received(1, TcpState::SynSent)),
        own(failed(1, 111)),
    ]
}

fn refused_with(seen: Vec<Seen>) -> World {
    let mut world = World::finding(looked_at(end(LOOPBACK), seen));
    world.play(refused(40_000), 10_000);
    world
}

#[test]
fn a_refusal_on_loopback_is_explained_by_a_listener_at_another_address() {
    let elsewhere = Seen::Listening(listener("10.77.0.2:9000", 0, 128));
    let world = refused_with(vec![elsewhere]);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::LoopbackOnlyMismatch, Confidence::Proved)
    );
}

#[test]
fn an_ordinary_refusal_within_the_namespace_is_looked_at_once_in_ten_seconds() {
    let mut world = refused_with(Vec::new());
    assert!(world.findings.is_empty());
    assert_eq!(world.inquiries.len(), 1);
    let Question::Connection { aspects, .. } = &world.inquiries[0].question else {
        panic!("not asked for the connection");
    };
    assert_eq!(*aspects, [Aspect::Listeners(9000)]);
    world.play(refused(40_001), 20_000);
    assert_eq!(world.inquiries.len(), 1);
    assert_eq!(world.tracker.totals().refused, 2);
}

#[test]
fn a_refusal_whose_reset_was_lost_accuses_nobody() {
    let mut world = World::finding(looked_at(
        end(LOOPBACK),
        vec![Seen::Listening(listener("10.77.0.2:9000", 0, 128))],
    ));
    world.play(refused(40_000).split_off(1), 10_000);
    assert!(world.findings.is_empty() && world.inquiries.is_empty());
}

#[test]
fn a_name_that_is_tried_as_ipv6_first_is_no_mismatch() {
    let tuple = tuple("[::1]:40000", "[::1]:9000");
    let own = |event: Event| Event {
        tuple: Some(tuple),
        ..event
    };
    let seen = vec![Seen::Listening(listener(LOOPBACK, 0, 128))];
    let mut world = World::finding(looked_at(tuple.destination, seen));
    let events = vec![no_socket(1, POD, packet(tuple, Some(1), None)), own(failed(1, 111))];
    world.play(events, 10_000);
    assert!(world.findings.is_empty());
}

/// A connection that waits for the proxy; `own`: the proxy opened it.
fn waiting_for_proxy(own: bool) -> Waiting {
    let mut client = socket(TcpState::Established, 0, 0);
    client.process = own.then(proxy);
    let mut proxys = listener("0.0.0.0:37673", 1, 128);
    proxys.process = Some(proxy());
    Waiting {
        netns: POD,
        enter: None,
        listener: proxys,
        tuple: redirected().reply,
        receive_queue: 0,
        conntrack: Some(redirected()),
        client: Some(client),
    }
}

fn proxied(own: bool, held: Option<u32>) -> Finding {
    let config = Config {
        census: false,
        ..Config::default()
    };
    let mut world = World::with(config, move |inquiry| match &inquiry.question {
        Question::Sweep => Some(Reply::Swept(vec![waiting_for_proxy(own)])),
        Question::Walk { aspects, .. } => {
            assert_eq!(!aspects.is_empty(), own, "asked only where it loops");
            let Reply::Walked(walked) = told(vec![trail(End::Delivered, Vec::new())]) else {
                return None;
            };
            let seen = held.filter(|_| own).map(|held| sockets(0, held)).into_iter().collect();
            Some(Reply::Walked(Box::new(Walked { seen, ..*walked })))
        }
        Question::Connection { .. } | Question::Link { .. } | Question::Stalled | Question::Who(_) => None,
    });
    world.run_until(8_000);
    world.only().clone()
}

#[test]
fn a_proxy_whose_own_connections_wait_for_it_loops_where_they_recur() {
    let looped = proxied(true, Some(30));
    assert_eq!(
        (looped.cause, looped.confidence),
        (Cause::RedirectLoop, Confidence::Proved)
    );
    for (own, held) in [(true, Some(1)), (true, None), (false, Some(30))] {
        assert_eq!(proxied(own, held).cause, Cause::RedirectTargetStalled, "{own} {held:?}");
    }
}

fn rejected_by(comment: &'static str, owner: Option<Component>) -> Finding {
    let config = Config {
        sweep: false,
        census: false,
        ..Config::default()
    };
    let answer = move |inquiry: &Inquiry| match inquiry.question {
        Question::Walk { .. } => {
            let mut rule = named(RuleRole::Rejects, "KUBE-SERVICES");
            rule.rule = crate::model::rules::Located {
                comment: Some(comment.into()),
                owner,
                ..located("KUBE-SERVICES")
            };
            Some(told(vec![trail(End::Rejected(Reject::Icmp), vec![rule])]))
        }
        Question::Connection { .. } => Some(Reply::Connection(Box::new(waiting()))),
        Question::Link { .. } | Question::Sweep | Question::Stalled | Question::Who(_) => None,
    };
    let mut world = World::with(config, answer);
    world.play(
        vec![dropped_leaving(0), event(1, EventKind::Failed { errno: 111 })],
        10_000,
    );
    world.only().clone()
}

#[test]
fn a_rejecting_rule_of_kube_proxy_tells_that_a_service_has_no_endpoint() {
    let proxy = Some(Component::KubeProxy);
    let cause = |comment, owner| rejected_by(comment, owner).cause;
    assert_eq!(cause("default/web:http has no endpoints", proxy), Cause::NoEndpoints);
    assert_eq!(cause("default/web:http has no endpoints", None), Cause::RejectedByRule);
    assert_eq!(cause("kubernetes firewall", proxy), Cause::RejectedByRule);
}
