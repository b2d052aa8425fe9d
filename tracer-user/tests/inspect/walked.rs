//! Packets led through the rules of real namespaces.

use crate::space::{Space, ip};
use crate::{endpoint, inquiry};
use std::time::{Duration, Instant};
use tracer_user::inspect::Examiner;
use tracer_user::model::evidence::Place;
use tracer_user::model::inquiry::{Question, Reply};
use tracer_user::model::rules::End;
use tracer_user::model::tcp;
use tracer_user::model::time::Timestamp;
use tracer_user::model::tuple::Tuple;
use tracer_user::model::walked::{Traveller, Walked};

/// The first packet of a connection that the namespace itself makes.
pub(crate) fn syn(tuple: Tuple) -> Traveller {
    Traveller {
        at: Timestamp::from_nanos(0),
        tuple,
        place: Place::Output,
        ifindex: None,
        tcp_flags: tcp::SYN,
        mark: Some(0),
        uid: Some(0),
        conntrack: None,
        first: true,
        dropped: true,
    }
}

/// Which rules a packet of the namespace meets.
fn walked(examiner: &mut Examiner, space: &Space, packet: Traveller) -> Walked {
    let question = Question::Walk {
        packets: vec![packet],
        connmark: None,
        aspects: Vec::new(),
    };
    let answer = examiner.answer(&inquiry(space, question));
    let Reply::Walked(walked) = answer.reply else {
        panic!("{answer:?}")
    };
    *walked
}

fn texts(walked: &Walked) -> Vec<&str> {
    walked.trails[0].rules.iter().map(|named| &*named.rule.text).collect()
}

#[test]
fn rules_that_change_between_a_packet_and_the_question_are_told_and_both_are_walked() {
    for tool in ["nft", "iptables-legacy"] {
        let space = Space::new();
        drop_port(&space, tool, 9000);
        let tuple = Tuple::new(endpoint("127.0.0.1:4000"), endpoint("127.0.0.1:9000"));
        let mut examiner = Examiner::new().unwrap();
        let first = walked(&mut examiner, &space, syn(tuple));
        assert_eq!((first.changed, texts(&first).len()), (None, 1), "{tool}: {first:?}");
        assert!(first.trails[0].rules[0].certain, "{tool}: {first:?}");

        // A packet after the reading, and nothing changes.
        let packet = Traveller {
            at: first.read_at + Duration::from_nanos(1),
            ..syn(tuple)
        };
        let again = walked(&mut examiner, &space, packet);
        // A legacy rule may have been replaced by one of the same size: nothing would show it.
        let unchanged = (tool == "nft").then_some(false);
        assert_eq!(again.changed, unchanged, "{tool}: {again:?}");
        assert_eq!(texts(&again), texts(&first));

        // The rule that dropped it is gone, another one is there.
        drop_port(&space, tool, 9001);
        let changed = walked_anew(&mut examiner, &space, packet);
        assert_eq!(texts(&changed), texts(&first), "{tool}: {changed:?}");
        assert!(changed.trails[0].agrees && !changed.trails[0].rules[0].certain);
    }
}

#[test]
fn a_rule_added_to_a_legacy_table_is_met_at_once() {
    let space = Space::new();
    drop_port(&space, "iptables-legacy", 9000);
    let tuple = Tuple::new(endpoint("127.0.0.1:4000"), endpoint("127.0.0.1:9001"));
    let mut examiner = Examiner::new().unwrap();
    let first = walked(&mut examiner, &space, syn(tuple));
    assert_eq!(texts(&first), [""; 0], "{first:?}");
    let wait = ["netns", "exec", &space.name, "iptables-legacy", "-w", "20"];
    let rule = ["-A", "OUTPUT", "-p", "tcp", "--dport", "9001", "-j", "REJECT"];
    ip(&[&wait[..], &rule].concat());
    let begin = Instant::now();
    let second = walked(&mut examiner, &space, syn(tuple));
    assert_eq!(texts(&second).len(), 1, "after {:?}: {second:?}", begin.elapsed());
}

#[test]
fn a_transparent_redirect_without_a_listener_certainly_drops() {
    let space = Space::new();
    let tool = ["netns", "exec", &space.name, "iptables-nft", "-t", "mangle"];
    let rule = [
        "-A",
        "PREROUTING",
        "-p",
        "tcp",
        "--dport",
        "80",
        "-j",
        "TPROXY",
        "--on-port",
        "5555",
    ];
    ip(&[&tool[..], &rule].concat());
    let tuple = Tuple::new(endpoint("127.0.0.1:4000"), endpoint("127.0.0.1:80"));
    let walked = walked(&mut Examiner::new().unwrap(), &space, syn(tuple));
    assert_eq!(walked.trails.len(), 1, "{walked:?}");
    let trail = &walked.trails[0];
    assert_eq!((trail.end, trail.certain), (End::Dropped, true), "{walked:?}");
    assert!(texts(&walked).len() == 1 && trail.rules[0].certain, "{walked:?}");
}

/// Until the change was seen: a rule of iptables-legacy that is replaced by one of the same size is not seen at once.
fn walked_anew(examiner: &mut Examiner, space: &Space, packet: Traveller) -> Walked {
    let begin = Instant::now();
    loop {
        let walked = walked(examiner, space, packet);
        if walked.changed == Some(true) {
            return walked;
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{walked:?}");
    }
}

/// The only rule of OUTPUT drops this port.
fn drop_port(space: &Space, tool: &str, port: u16) {
    if tool == "nft" {
        return space.rules(&format!(
            "table ip filter {{\n chain output {{ type filter hook output priority 0; }}\n}}\n\
             flush chain ip filter output\nadd rule ip filter output tcp dport {port} drop\n"
        ));
    }
    let port = port.to_string();
    for words in [
        &["-F", "OUTPUT"][..],
        &["-A", "OUTPUT", "-p", "tcp", "--dport", &port, "-j", "DROP"],
    ] {
        let wait = ["netns", "exec", &space.name, "iptables-legacy", "-w", "20"];
        ip(&[&wait, words].concat());
    }
}
