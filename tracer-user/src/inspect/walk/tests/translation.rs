//! Addresses and ports that rules change.

use super::*;
use crate::model::rules::Operand;

fn tuple(outcome: &Outcome) -> (String, Option<u16>, String, Option<u16>) {
    let packet = &outcome.packet;
    (
        packet.source.to_string(),
        packet.source_port.known(),
        packet.destination.to_string(),
        packet.destination_port.known(),
    )
}

fn target(outcome: &Outcome) -> (String, Option<u16>) {
    let (_, _, address, port) = tuple(outcome);
    (address, port)
}

#[test]
fn a_redirect_in_output_leads_to_loopback_and_meets_no_nat_chain_again() {
    let mut lab = Lab::new();
    let out = lab.chain("out", nat(Hook::Output));
    let pre = lab.chain("pre", nat(Hook::Prerouting));
    let inp = lab.chain("in", nat(Hook::Input));
    let post = lab.chain("post", nat(Hook::Postrouting));
    let late = lab.chain("late", filter(Hook::Output));
    let through = lab.chain("through", filter(Hook::Prerouting));
    lab.rule(out, [port(9000), to(NatKind::Redirect, None, Some(15001..=15001))]);
    lab.rule(pre, [then(Verdict::Drop)]);
    lab.rule(inp, [then(Verdict::Drop)]);
    lab.rule(post, [is(Field::OutputInterface, 1)]);
    // The device is the one that the packet was routed to first.
    lab.rule(late, [is(Field::OutputInterface, ETH0.into()), port(15001)]);
    lab.rule(
        through,
        [is(Field::InputInterface, 1), is(Field::CtOriginalDestinationPort, 9000)],
    );
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 9000), OUTPUT);
    assert_eq!(outcome.end, End::Delivered);
    assert_eq!(target(&outcome), ("127.0.0.1".into(), Some(15001)));
    assert_eq!(rules_met(&outcome), [(0, 0), (4, 0), (3, 0), (5, 0)]);
    let outcome = lab.one(&syn("fd00::1", "fd00::9", 9000), OUTPUT);
    assert_eq!(target(&outcome), ("::1".into(), Some(15001)));
}

#[test]
fn a_redirect_in_prerouting_leads_to_the_devices_first_address() {
    let mut lab = Lab::new();
    let pre = lab.chain("pre", nat(Hook::Prerouting));
    lab.rule(pre, [to(NatKind::Redirect, None, Some(15006..=15006))]);
    let outcome = lab.one(&arriving("10.1.0.1", 80), ARRIVAL);
    assert_eq!(
        (outcome.end, target(&outcome)),
        (End::Delivered, ("10.0.0.1".into(), Some(15006)))
    );
    let unknown = Journey::Arrival {
        device: Fact::Unknown,
        leaves_by: Fact::Unknown,
    };
    let outcome = lab.one(&arriving("10.7.0.1", 80), unknown);
    assert_eq!((outcome.end, outcome.destination_known), (End::Delivered, false));
    lab.network.addresses.retain(|own| own.link != ETH0);
    assert_eq!(lab.one(&arriving("10.1.0.1", 80), ARRIVAL).end, End::Dropped);
}

#[test]
fn a_destination_that_becomes_remote_is_forwarded() {
    let mut lab = Lab::new();
    let pre = lab.chain("pre", nat(Hook::Prerouting));
    let forward = lab.chain("forward", filter(Hook::Forward));
    lab.rule(
        pre,
        [port(80), to(NatKind::Destination, Some("10.1.0.7"), Some(8080..=8080))],
    );
    lab.rule(forward, [port(8080), is(Field::TimeToLive, 63), is(Field::CtStatus, 0)]);
    lab.rule(
        forward,
        [
            Item::Match(Match::masked(Field::CtStatus, 32, 32)),
            then(Verdict::Accept),
        ],
    );
    let outcome = lab.one(&arriving("10.0.0.1", 80), ARRIVAL);
    assert_eq!(
        (outcome.end, target(&outcome)),
        (End::Left, ("10.1.0.7".into(), Some(8080)))
    );
    assert_eq!(rules_met(&outcome), [(0, 0), (1, 1)]);
}

#[test]
fn the_first_nat_chain_that_translates_ends_and_an_accept_goes_on() {
    let mut lab = Lab::new();
    let first = lab.chain("first", base(ChainKind::Nat, Hook::Output, -150));
    let second = lab.chain("second", nat(Hook::Output));
    let third = lab.chain("third", base(ChainKind::Nat, Hook::Output, -50));
    lab.rule(first, [then(Verdict::Accept)]);
    lab.rule(second, [to(NatKind::Destination, Some("10.0.0.8"), None)]);
    lab.rule(third, [then(Verdict::Drop)]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!(rules_met(&outcome), [(0, 0), (1, 0)]);
    assert_eq!(
        effects(&outcome),
        [Effect::Accepted, Effect::Translated(NatKind::Destination)]
    );
    assert_eq!(target(&outcome), ("10.0.0.8".into(), Some(80)));
}

#[test]
fn ports_in_the_range_stay_and_others_are_unknown() {
    let mut lab = Lab::new();
    let out = lab.chain("out", nat(Hook::Output));
    lab.rule(out, [to(NatKind::Destination, Some("10.0.0.8"), Some(2000..=3000))]);
    let port = |port| {
        lab.one(&syn("10.0.0.1", "10.0.0.9", port), OUTPUT)
            .packet
            .destination_port
    };
    assert_eq!(port(2500), Fact::Known(2500));
    assert_eq!(port(80), Fact::Unknown);
    let target = NatTarget::Fixed {
        addresses: Some(ip("10.0.0.8")..=ip("10.0.0.8")),
        ports: Some(80..=90),
        netmap: false,
        base_port: Some(8080),
    };
    lab.ruleset.chains[0].rules.clear();
    lab.rule(
        out,
        [Item::Action(Action::Nat(Nat {
            kind: NatKind::Destination,
            target,
            random: false,
            persistent: false,
        }))],
    );
    let port = |port| {
        lab.one(&syn("10.0.0.1", "10.0.0.9", port), OUTPUT)
            .packet
            .destination_port
    };
    assert_eq!((port(8083), port(8092)), (Fact::Known(83), Fact::Known(81)));
}

#[test]
fn sources_change_in_postrouting_and_keep_their_port() {
    let mut lab = Lab::new();
    let post = lab.chain("post", nat(Hook::Postrouting));
    let late = lab.chain("late", base(ChainKind::Filter, Hook::Postrouting, 200));
    lab.rule(
        post,
        [
            is(Field::OutputInterface, ETH1.into()),
            to(NatKind::Masquerade, None, None),
        ],
    );
    lab.rule(late, [is(Field::Ip4Source, 0x0a01_0001)]);
    let outcome = lab.one(&arriving("10.1.0.9", 80), ARRIVAL);
    assert_eq!(
        tuple(&outcome),
        ("10.1.0.1".into(), Some(40_000), "10.1.0.9".into(), Some(80))
    );
    assert_eq!(rules_met(&outcome), [(0, 0), (1, 0)]);
}

#[test]
fn prefixes_are_replaced_and_ranges_are_followed_one_by_one() {
    let mut lab = Lab::new();
    let pre = lab.chain("pre", nat(Hook::Prerouting));
    let nat = |addresses: RangeInclusive<IpAddr>, netmap| {
        Item::Action(Action::Nat(Nat {
            kind: NatKind::Destination,
            target: NatTarget::Fixed {
                addresses: Some(addresses),
                ports: None,
                netmap,
                base_port: None,
            },
            random: false,
            persistent: false,
        }))
    };
    lab.rule(pre, [nat(ip("10.1.0.0")..=ip("10.1.0.255"), true)]);
    let outcome = lab.one(&arriving("10.3.3.77", 80), ARRIVAL);
    assert_eq!(target(&outcome), ("10.1.0.77".into(), Some(80)));
    lab.ruleset.chains[0].rules.clear();
    lab.rule(pre, [nat(ip("10.1.0.1")..=ip("10.1.0.3"), false)]);
    let walk = lab.walk(&arriving("10.3.3.77", 80), ARRIVAL);
    let mut found = walk
        .outcomes
        .iter()
        .map(|one| (target(one).0, one.end))
        .collect::<Vec<_>>();
    found.sort_by(|left, right| left.0.cmp(&right.0));
    let expected = [
        ("10.1.0.1", End::Delivered),
        ("10.1.0.2", End::Left),
        ("10.1.0.3", End::Left),
    ];
    assert_eq!(found, expected.map(|(address, end)| (address.to_owned(), end)));
    lab.ruleset.chains[0].rules.clear();
    lab.rule(pre, [nat(ip("10.1.0.1")..=ip("10.1.9.3"), false)]);
    let walk = lab.walk(&arriving("10.3.3.77", 80), ARRIVAL);
    assert_eq!(walk.outcomes.len(), 2);
    assert!(walk.outcomes.iter().all(|outcome| !outcome.destination_known));
}

#[test]
fn a_service_of_fifty_endpoints_has_fifty_outcomes() {
    let mut lab = Lab::new();
    let out = lab.chain("out", nat(Hook::Output));
    let service = lab.chain("service", None);
    lab.rule(out, [is(Field::Ip4Destination, 0x0a60_0001), jump(service)]);
    for number in 0..50_u128 {
        let endpoint = lab.chain("endpoint", None);
        let address = format!("10.5.0.{number}");
        lab.rule(endpoint, [to(NatKind::Destination, Some(&address), Some(8080..=8080))]);
        if number < 49 {
            lab.rule(service, [chance(), jump(endpoint)]);
        } else {
            lab.rule(service, [jump(endpoint)]);
        }
    }
    let walk = lab.walk(&syn("10.0.0.1", "10.96.0.1", 80), OUTPUT);
    assert_eq!((walk.outcomes.len(), walk.truncated), (50, false));
}

#[test]
fn maps_give_address_and_port_and_a_miss_goes_on() {
    let mut lab = Lab::new();
    let out = lab.chain("out", nat(Hook::Output));
    let data = |address: u128, port: u128| Some(Data::Values(vec![Value::Number(address), Value::Number(port)]));
    let map = lab.set([element(0, data(0x0a00_0007, 81)), element(1, data(0x0a00_0008, 82))]);
    let nat = |key| {
        Item::Action(Action::Nat(Nat {
            kind: NatKind::Destination,
            target: NatTarget::Map {
                key: vec![key],
                map,
                address: true,
                port: true,
                fixed_port: None,
            },
            random: false,
            persistent: false,
        }))
    };
    lab.rule(out, [nat(Operand::field(Field::DestinationPort))]);
    lab.rule(out, [nat(Operand::Random { modulus: 2, offset: 0 })]);
    let walk = lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    let mut found = walk.outcomes.iter().map(target).collect::<Vec<_>>();
    found.sort();
    assert_eq!(found, [("10.0.0.7".into(), Some(81)), ("10.0.0.8".into(), Some(82))]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 1), OUTPUT);
    assert_eq!(target(&outcome), ("10.0.0.8".into(), Some(82)));
}

#[test]
fn an_address_of_the_other_family_translates_nothing() {
    let mut lab = Lab::new();
    let out = lab.chain("out", nat(Hook::Output));
    lab.rule(out, [to(NatKind::Destination, Some("10.0.0.8"), None)]);
    let outcome = lab.one(&syn("fd00::1", "fd00::9", 80), OUTPUT);
    assert_eq!(target(&outcome), ("fd00::9".into(), Some(80)));
}
