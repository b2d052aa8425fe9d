//! What a rule sees of conntrack, before and after it, and what an entry does to a packet.

use super::*;
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::tuple::{Endpoint, Tuple};

const RAW: i32 = -300;
const INVALID: u128 = 1;
const ESTABLISHED: u128 = 2;
const NEW: u128 = 8;
const UNTRACKED: u128 = 64;

fn tuple(source: (&str, u16), destination: (&str, u16)) -> Tuple {
    let end = |(address, port)| Endpoint::new(ip(address), port);
    Tuple::new(end(source), end(destination))
}

/// 10.0.0.1:40000 to 10.96.0.1:80, which is 10.0.0.9:8080, as 10.0.0.2:1000.
fn entry(direction: Direction) -> Tracking {
    Tracking::Entry {
        entry: Conntrack {
            original: tuple(("10.0.0.1", 40_000), ("10.96.0.1", 80)),
            reply: tuple(("10.0.0.9", 8080), ("10.0.0.2", 1000)),
            status: 0x1be,
            state: None,
            mark: 0x111,
            zone: 0,
            id: None,
        },
        direction,
        established: true,
    }
}

fn state(bit: u128) -> Item {
    Item::Match(Match::masked(Field::CtState, bit, bit))
}

fn raw(hook: Hook) -> Option<Base> {
    base(ChainKind::Filter, hook, RAW)
}

#[test]
fn ahead_of_conntrack_a_packet_is_invalid_and_has_no_entry() {
    let mut lab = Lab::new();
    let raw = lab.chain("raw", raw(Hook::Output));
    let out = lab.chain("out", filter(Hook::Output));
    lab.rule(raw, [state(INVALID)]);
    lab.rule(raw, [not(Field::CtMark, 5)]);
    lab.rule(raw, [set_mark(Target::Connmark, 7), state(INVALID)]);
    lab.rule(out, [state(NEW), is(Field::CtMark, 0), is(Field::CtDirection, 0)]);
    lab.rule(out, [set_mark(Target::Connmark, 7)]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!(rules_met(&outcome), [(0, 0), (0, 2), (1, 0), (1, 1)]);
    assert_eq!(outcome.connmark, Fact::Known(7));
}

#[test]
fn over_loopback_the_entry_is_there_from_the_first_chain_on() {
    let mut lab = Lab::new();
    let pre = lab.chain("pre", raw(Hook::Prerouting));
    let confirmed = Item::Match(Match::masked(Field::CtStatus, 8, 8));
    lab.rule(pre, [state(NEW), confirmed]);
    lab.rule(pre, [not(Field::SocketUid, 5), then(Verdict::Drop)]);
    let outcome = lab.one(&syn("10.0.0.1", "127.0.0.1", 80), OUTPUT);
    assert_eq!((rules_met(&outcome), outcome.end), (vec![(0, 0)], End::Delivered));
}

#[test]
fn untracked_packets_have_no_entry_and_meet_no_nat_chain() {
    let mut lab = Lab::new();
    let raw = lab.chain("raw", raw(Hook::Output));
    let translate = lab.chain("nat", nat(Hook::Output));
    let out = lab.chain("out", filter(Hook::Output));
    lab.rule(raw, [Item::Action(Action::Notrack)]);
    lab.rule(translate, [then(Verdict::Drop)]);
    lab.rule(out, [state(UNTRACKED)]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!(rules_met(&outcome), [(0, 0), (2, 0)]);
    assert_eq!(outcome.connmark, Fact::Absent);
}

#[test]
fn nfts_zone_takes_back_what_notrack_said_and_xts_does_not() {
    for (backend, seen) in [(Backend::Nft, NEW), (Backend::IptablesNft, UNTRACKED)] {
        let mut lab = Lab::new();
        let raw = lab.chain_of(backend, Family::Ip, "raw", "OUTPUT", raw(Hook::Output));
        let out = lab.chain("out", filter(Hook::Output));
        lab.rule(raw, [Item::Action(Action::Notrack)]);
        lab.rule(
            raw,
            [Item::Action(Action::Zone {
                zone: 3,
                direction: None,
            })],
        );
        lab.rule(out, [state(seen), then(Verdict::Drop)]);
        assert_eq!(lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT).end, End::Dropped);
    }
}

#[test]
fn between_a_zone_and_conntrack_only_the_state_is_known() {
    let mut lab = Lab::new();
    let raw = lab.chain("raw", raw(Hook::Output));
    lab.rule(
        raw,
        [Item::Action(Action::Zone {
            zone: 3,
            direction: None,
        })],
    );
    lab.rule(raw, [state(NEW)]);
    lab.rule(raw, [is(Field::CtZone, 3), then(Verdict::Drop)]);
    let walk = lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    let found = ends(&walk);
    assert!(found.contains(&End::Left) && found.contains(&End::Dropped));
    let met = |outcome: &Outcome| rules_met(outcome).contains(&(0, 1));
    assert!(walk.outcomes.iter().all(met));
}

#[test]
fn an_entry_translates_both_directions_and_meets_no_nat_chain() {
    let mut lab = Lab::new();
    for (name, hook) in [
        ("o", Hook::Output),
        ("p", Hook::Postrouting),
        ("i", Hook::Prerouting),
        ("n", Hook::Input),
    ] {
        let chain = lab.chain(name, nat(hook));
        lab.rule(chain, [then(Verdict::Drop)]);
    }
    let inp = lab.chain("in", filter(Hook::Input));
    lab.rule(
        inp,
        [
            state(ESTABLISHED),
            is(Field::CtMark, 0x111),
            is(Field::Ip4Destination, 0x0a00_0001),
        ],
    );
    let mut packet = syn("10.0.0.1", "10.96.0.1", 80);
    packet.tracking = entry(Direction::Original);
    let outcome = lab.one(&packet, OUTPUT);
    assert_eq!(outcome.packet.destination, ip("10.0.0.9"));
    assert_eq!(
        (outcome.packet.source, outcome.packet.source_port),
        (ip("10.0.0.2"), Fact::Known(1000))
    );
    assert!(rules_met(&outcome).is_empty());
    let mut packet = syn("10.0.0.9", "10.0.0.2", 1000);
    (packet.source_port, packet.uid) = (Fact::Known(8080), Fact::Absent);
    packet.tracking = entry(Direction::Reply);
    let outcome = lab.one(&packet, ARRIVAL);
    assert_eq!((outcome.end, rules_met(&outcome)), (End::Delivered, vec![(4, 0)]));
    assert_eq!(
        (outcome.packet.source, outcome.packet.source_port),
        (ip("10.96.0.1"), Fact::Known(80))
    );
    assert_eq!(outcome.packet.destination_port, Fact::Known(40_000));
}

#[test]
fn without_a_nat_chain_an_entrys_translation_does_not_act() {
    let lab = Lab::new();
    let mut packet = syn("10.0.0.1", "10.96.0.1", 80);
    packet.tracking = entry(Direction::Original);
    assert_eq!(lab.one(&packet, OUTPUT).packet.destination, ip("10.96.0.1"));
}

#[test]
fn of_an_unknown_entry_any_mark_and_any_translation_may_be() {
    let mut lab = Lab::new();
    let inp = lab.chain("in", filter(Hook::Input));
    lab.rule(
        inp,
        [
            is(Field::CtMark, 1),
            then(Verdict::Reject(crate::model::rules::Reject::TcpReset)),
        ],
    );
    let mut packet = arriving("10.0.0.1", 80);
    packet.tracking = Tracking::Established;
    assert_eq!(lab.walk(&packet, ARRIVAL).outcomes.len(), 2);
    lab.ruleset.chains[0].rules.clear();
    assert_eq!(lab.one(&packet, ARRIVAL).end, End::Delivered);
    lab.chain("nat", nat(Hook::Prerouting));
    let found = ends(&lab.walk(&packet, ARRIVAL));
    assert!(found.contains(&End::Left) && found.contains(&End::Delivered));
}

#[test]
fn a_zone_hides_the_entry_of_another() {
    let mut lab = Lab::new();
    let raw = lab.chain("raw", raw(Hook::Output));
    let out = lab.chain("out", filter(Hook::Output));
    let zone = |zone| Item::Action(Action::Zone { zone, direction: None });
    lab.rule(raw, [zone(3)]);
    lab.rule(out, [state(NEW), is(Field::CtZone, 3), then(Verdict::Drop)]);
    assert_eq!(lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT).end, End::Dropped);
    let mut packet = syn("10.0.0.1", "10.96.0.1", 80);
    packet.tracking = entry(Direction::Original);
    let found = ends(&lab.walk(&packet, OUTPUT));
    assert!(found.contains(&End::Left) && found.contains(&End::Dropped));
}

#[test]
fn where_no_rule_needs_conntrack_it_does_not_matter_that_nothing_is_known() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    lab.rule(out, [port(80), then(Verdict::Drop)]);
    let mut packet = syn("10.0.0.1", "10.0.0.9", 80);
    packet.tracking = Tracking::Unknown;
    assert_eq!(lab.one(&packet, OUTPUT).end, End::Dropped);
    lab.rule(out, [state(NEW), then(Verdict::Drop)]);
    packet.destination_port = Fact::Known(81);
    assert!(lab.walk(&packet, OUTPUT).outcomes.len() > 1);
}

#[test]
fn a_nat_chain_is_met_where_a_rule_of_the_family_needs_conntrack() {
    let mut lab = Lab::new();
    let nat = lab.chain("nat", nat(Hook::Output));
    lab.rule(nat, [count()]);
    let ip = lab.chain_of(Backend::Nft, Family::Ip, "t", "user", None);
    let steps = |lab: &Lab, source, to| rules_met(&lab.one(&syn(source, to, 80), OUTPUT)).len();
    assert_eq!(steps(&lab, "10.0.0.1", "10.0.0.9"), 0);
    lab.rule(ip, [to(NatKind::Redirect, None, None)]);
    assert_eq!(steps(&lab, "10.0.0.1", "10.0.0.9"), 1);
    assert_eq!(steps(&lab, "fd00::1", "fd00::9"), 0);
}

#[test]
fn neighbour_discovery_is_not_tracked() {
    let mut lab = Lab::new();
    let inp = lab.chain("in", filter(Hook::Input));
    lab.rule(inp, [state(UNTRACKED)]);
    let mut packet = syn("fd00::9", "fd00::1", 0);
    packet.protocol = 58;
    packet.icmp = Fact::Known((135, 0));
    (packet.source_port, packet.destination_port) = (Fact::Absent, Fact::Absent);
    assert_eq!(rules_met(&lab.one(&packet, ARRIVAL)), [(0, 0)]);
}
