use super::*;
use crate::inspect::rules::{Comparison, Detail, Extension, Part};
use crate::model::rules::{
    Action, Assign, Backend, Chain, Counters, Data, Element, Family, Field, Item, Match, Nat, NatKind, NatTarget,
    Operand, Reject, Source, Target, Tproxy, Value, Verdict,
};

#[test]
fn what_a_later_match_implies_is_left_out() {
    let tcp = || asks(Match::equals(Field::L4Proto, 6));
    let port = || asks(Match::equals(Field::DestinationPort, 80));
    let source = || asks(Match::equals(Field::Ip4Source, 0x0a00_0001));
    let four = || asks(Match::equals(Field::Nfproto, 2));
    let header = || asks(Match::equals(Field::Ip4Protocol, 6));
    let reset = || does(Action::Verdict(Verdict::Reject(Reject::TcpReset)));
    for (family, parts, text) in [
        (Family::Inet, vec![tcp(), port()], "tcp dport 80"),
        (Family::Inet, vec![tcp(), accept()], "meta l4proto tcp accept"),
        (
            Family::Inet,
            vec![tcp(), source(), port()],
            "ip saddr 10.0.0.1 tcp dport 80",
        ),
        (Family::Inet, vec![four(), source()], "ip saddr 10.0.0.1"),
        (
            Family::Inet,
            vec![four(), tcp(), port()],
            "meta nfproto ipv4 tcp dport 80",
        ),
        (
            Family::Inet,
            vec![four(), header(), port()],
            "ip protocol tcp tcp dport 80",
        ),
        (Family::Ip, vec![header(), port()], "tcp dport 80"),
        (
            Family::Inet,
            vec![tcp(), reset()],
            "meta l4proto tcp reject with tcp reset",
        ),
        (Family::Ip, vec![tcp(), reset()], "reject with tcp reset"),
        (Family::Netdev, vec![four(), accept()], "meta protocol ip accept"),
        (Family::Inet, vec![port()], "th dport 80"),
    ] {
        assert_eq!(nft(family, &parts), text);
    }
}

#[test]
fn ranges_are_printed_as_they_were_asked_for() {
    let port = |first, last| Item::Match(Match::within(Field::DestinationPort, first..=last));
    let how = |item, comparison| Part::Detailed(item, Detail::Comparison(comparison));
    let all = u128::MAX;
    for (parts, text) in [
        (vec![Part::Native(port(80, 90))], "th dport 80-90"),
        (vec![how(port(0, 1023), Comparison::Less)], "th dport < 1024"),
        (vec![how(port(0, 1024), Comparison::LessOrEqual)], "th dport <= 1024"),
        (vec![how(port(1025, all), Comparison::Greater)], "th dport > 1024"),
        (
            vec![how(port(1024, all), Comparison::GreaterOrEqual)],
            "th dport >= 1024",
        ),
        (
            vec![
                how(port(80, all), Comparison::GreaterOrEqual),
                how(port(0, 90), Comparison::LessOrEqual),
            ],
            "th dport 80-90",
        ),
        (
            vec![asks(Match::within(Field::DestinationPort, 80..=90).negate(true))],
            "th dport != 80-90",
        ),
    ] {
        assert_eq!(nft(Family::Inet, &parts), text);
    }
}

#[test]
fn masks_are_prefixes_flags_or_numbers() {
    let masked = |field, mask, value| Match::masked(field, mask, value);
    for (one, text) in [
        (
            masked(Field::Ip4Source, 0xff00_0000, 0x0a00_0000),
            "ip saddr 10.0.0.0/8",
        ),
        (
            masked(Field::Ip4Source, 0xff00_0000, 0x0a00_0000).negate(true),
            "ip saddr != 10.0.0.0/8",
        ),
        (
            masked(Field::Ip4Source, 0xff00_ff00, 0x0a00_0300),
            "ip saddr & 255.0.255.0 == 10.0.3.0",
        ),
        (
            masked(Field::Ip6Source, 0xffc0 << 112, 0xfe80 << 112),
            "ip6 saddr fe80::/10",
        ),
        (
            masked(Field::Mark, 0xfff, 0x539),
            "meta mark & 0x00000fff == 0x00000539",
        ),
        (
            masked(Field::CtMark, 1, 0).negate(true),
            "ct mark & 0x00000001 != 0x00000000",
        ),
        (
            masked(Field::CtState, 6, 0).negate(true),
            "ct state established,related",
        ),
        (masked(Field::CtState, 8, 0), "ct state ! new"),
        (Match::equals(Field::CtState, 8), "ct state == new"),
        (
            Match::equals(Field::CtState, 6).negate(true),
            "ct state != established | related",
        ),
        (masked(Field::CtStatus, 0x30, 0).negate(true), "ct status snat,dnat"),
        (masked(Field::TcpFlags, 0x17, 2), "tcp flags syn / fin,syn,rst,ack"),
        (masked(Field::TcpFlags, 3, 2).negate(true), "tcp flags != syn / fin,syn"),
        (masked(Field::TcpFlags, 2, 2), "tcp flags & syn == syn"),
        (Match::equals(Field::TcpFlags, 0), "tcp flags 0x0"),
        (Match::equals(Field::InputInterface, 1), "iif \"lo\""),
        (Match::equals(Field::OutputInterface, 7).negate(true), "oif != 7"),
        (
            Match::equals(Field::CtOriginalSource, 0x0a00_0001),
            "ct original ip saddr 10.0.0.1",
        ),
        (
            Match::equals(Field::CtReplySource, 0xfd << 120),
            "ct reply ip6 saddr fd00::",
        ),
        (Match::equals(Field::FibReversePath, 1), "fib saddr . iif oif \"lo\""),
        (Match::equals(Field::FibReversePath, 0), "fib saddr . iif oif 0"),
        (Match::within(Field::Ip4Source, 0..=u128::MAX), "ip saddr 0.0.0.0/0"),
        (
            Match::within(Field::Ip6Source, 0..=u128::MAX).negate(true),
            "ip6 saddr != ::/0",
        ),
        (
            Match::within(Field::TcpFlags, 0..=u128::MAX).negate(true),
            "tcp flags 0x0",
        ),
        (Match::equals(Field::FibDestination, 2), "fib daddr type local"),
        (Match::Unknown("meta cpu == 1".into()), "[unknown: meta cpu == 1]"),
    ] {
        assert_eq!(nft(Family::Inet, &[asks(one)]), text);
    }
}

#[test]
fn a_detail_tells_what_was_asked_for_in_which_words() {
    let detailed = |item, detail| nft(Family::Inet, &[Part::Detailed(item, detail)]);
    let path = |negated| Item::Match(Match::equals(Field::FibReversePath, 0).negate(negated));
    assert_eq!(detailed(path(false), Detail::Presence), "fib saddr . iif oif missing");
    assert_eq!(detailed(path(true), Detail::Presence), "fib saddr . iif oif exists");
    let four = Item::Match(Match::equals(Field::Nfproto, 2));
    assert_eq!(detailed(four, Detail::EtherType), "meta protocol ip");
    let label = Item::Action(Action::Harmless("ct label set".into()));
    assert_eq!(detailed(label, Detail::Partial), "[unknown: ct label set]");
    let key = vec![Operand::Unknown("ip dscp".into())];
    let lookup = Item::Match(Match::Lookup {
        key,
        set: SetId(7),
        negated: false,
    });
    assert_eq!(
        nft(Family::Inet, &[Part::Native(lookup)]),
        "[unknown: ip dscp] [unknown: set]"
    );
}

#[test]
fn names_of_devices_are_quoted_with_their_stars_told_apart() {
    let named = |name: &[u8], prefix| {
        asks(Match::Name {
            field: Field::InputName,
            name: name.into(),
            prefix,
            negated: false,
        })
    };
    assert_eq!(nft(Family::Ip, &[named(b"eth0", false)]), "iifname \"eth0\"");
    assert_eq!(nft(Family::Ip, &[named(b"eth", true)]), "iifname \"eth*\"");
    assert_eq!(nft(Family::Ip, &[named(b"a*", false)]), "iifname \"a\\*\"");
}

#[test]
fn marks_are_written_in_nfts_arithmetic() {
    let assign = |target, keep, source, value| {
        let assign = Assign {
            target,
            keep,
            source,
            value,
        };
        nft(Family::Ip, &[does(Action::Assign(assign))])
    };
    let connmark = Source::Connmark {
        mask: u32::MAX,
        shift: 0,
    };
    let mark = Source::Mark { mask: 0xff, shift: 0 };
    assert_eq!(assign(Target::Mark, 0, Source::None, 0x539), "meta mark set 0x00000539");
    assert_eq!(assign(Target::Mark, 0, connmark, 0), "meta mark set ct mark");
    assert_eq!(
        assign(Target::Connmark, 0, mark, 0x100),
        "ct mark set meta mark & 0x000001ff | 0x00000100"
    );
    assert_eq!(
        assign(Target::Mark, !0x2000, Source::None, 0x2000),
        "meta mark set meta mark | 0x00002000"
    );
    assert_eq!(
        assign(Target::Mark, 0xffff_00ff, Source::None, 0x1101),
        "meta mark set meta mark & 0xffff11ff ^ 0x00000001 | 0x00001100"
    );
    assert!(assign(Target::Mark, 1, Source::Mark { mask: 1, shift: 0 }, 0).contains("[unknown: "));
}

#[test]
fn translations_say_their_family_where_the_table_does_not() {
    let nat = |kind, addresses: Option<(&str, &str)>, ports, random| {
        let addresses = addresses.map(|(first, last)| first.parse().unwrap()..=last.parse().unwrap());
        Action::Nat(Nat {
            kind,
            target: NatTarget::Fixed {
                addresses,
                ports,
                netmap: false,
                base_port: None,
            },
            random,
            persistent: false,
        })
    };
    let fixed = nat(
        NatKind::Destination,
        Some(("10.0.0.1", "10.0.0.1")),
        Some(80..=80),
        false,
    );
    assert_eq!(nft(Family::Ip, &[does(fixed.clone())]), "dnat to 10.0.0.1:80");
    assert_eq!(nft(Family::Inet, &[does(fixed)]), "dnat ip to 10.0.0.1:80");
    let six = nat(NatKind::Source, Some(("fd00::1", "fd00::1")), Some(1..=9), false);
    assert_eq!(nft(Family::Ip6, &[does(six)]), "snat to [fd00::1]:1-9");
    let redirect = nat(NatKind::Redirect, None, Some(15001..=15001), false);
    assert_eq!(nft(Family::Inet, &[does(redirect)]), "redirect to :15001");
    let masquerade = Item::Action(nat(NatKind::Masquerade, None, None, true));
    assert_eq!(
        nft(Family::Ip, &[Part::Native(masquerade.clone())]),
        "masquerade random"
    );
    let fully = Part::Detailed(masquerade, Detail::FullyRandom);
    assert_eq!(nft(Family::Ip, &[fully]), "masquerade fully-random");
    let tproxy = Action::Tproxy(Tproxy {
        address: Some("::1".parse().unwrap()),
        port: Some(15001),
        mark: None,
        drops: false,
    });
    assert_eq!(nft(Family::Inet, &[does(tproxy)]), "tproxy ip6 to [::1]:15001");
}

#[test]
fn a_tproxy_without_an_address_says_the_family_that_it_is_of() {
    let tproxy = does(Action::Tproxy(Tproxy {
        address: None,
        port: Some(90),
        mark: None,
        drops: false,
    }));
    let ipv6 = Match::equals(Field::Nfproto, 10);
    let stated = Part::Detailed(Item::Match(ipv6.clone()), Detail::Family);
    let rule = |parts: &[Part]| nft(Family::Inet, parts);
    assert_eq!(rule(&[stated.clone(), tproxy.clone()]), "tproxy ip6 to :90");
    assert_eq!(
        rule(&[asks(ipv6.clone()), stated, tproxy.clone()]),
        "meta nfproto ipv6 tproxy ip6 to :90"
    );
    assert_eq!(rule(&[asks(ipv6), tproxy]), "meta nfproto ipv6 tproxy to :90");
}

#[test]
fn a_reject_is_bare_where_its_code_is_the_usual_one() {
    let reject = |family, kind, code| {
        let item = Item::Action(Action::Verdict(Verdict::Reject(Reject::Icmp)));
        nft(family, &[Part::Detailed(item, Detail::Reject { kind, code })])
    };
    assert_eq!(reject(Family::Inet, 2, 1), "reject");
    assert_eq!(reject(Family::Inet, 2, 3), "reject with icmpx admin-prohibited");
    assert_eq!(reject(Family::Ip, 0, 3), "reject");
    assert_eq!(reject(Family::Ip, 0, 13), "reject with icmp admin-prohibited");
    assert_eq!(reject(Family::Ip6, 0, 4), "reject");
    assert_eq!(reject(Family::Inet, 0, 3), "reject with icmp port-unreachable");
}

#[test]
fn queues_zones_and_counters_are_printed() {
    let queue = |queues, bypass| Item::Action(Action::Verdict(Verdict::Queue { queues, bypass }));
    assert_eq!(nft(Family::Ip, &[Part::Native(queue(3..=3, false))]), "queue to 3");
    let fanout = Part::Detailed(queue(1..=4, true), Detail::Fanout);
    assert_eq!(nft(Family::Ip, &[fanout]), "queue flags bypass,fanout to 1-4");
    let zone = |direction| does(Action::Zone { zone: 2, direction });
    assert_eq!(nft(Family::Ip, &[zone(None)]), "ct zone set 2");
    assert_eq!(nft(Family::Ip, &[zone(Some(1))]), "ct reply zone set 2");
    let counter = does(Action::Harmless("counter".into()));
    let counters = Counters { packets: 5, bytes: 300 };
    let text = nft_rule(Family::Ip, &[counter, jump(0)], Some(counters), Some("hi"), &ruleset());
    assert_eq!(text, "counter packets 5 bytes 300 jump C comment \"hi\"");
    assert_eq!(nft(Family::Ip, &[jump(9)]), "jump [unknown: chain]");
}

#[test]
fn sets_are_printed_in_order_with_prefixes_and_verdicts() {
    let mut ruleset = ruleset();
    let one = |first: u128, last: Option<u128>, data| Element {
        key: vec![Value::Number(first)],
        last: last.map(|last| vec![Value::Number(last)]),
        data,
    };
    let verdict = |verdict| Some(Data::Verdict(verdict));
    let addresses = vec![one(0x0a00_0000, Some(0x0aff_ffff), None), one(1, Some(2), None)];
    let verdicts = vec![
        one(81, None, verdict(Verdict::Jump(Some(ChainId(0))))),
        one(80, None, verdict(Verdict::Accept)),
    ];
    ruleset.sets = vec![set(true, addresses), set(true, verdicts), set(false, Vec::new())];
    ruleset.sets[1].default = verdict(Verdict::Drop);
    let lookup = |field, id, negated| {
        let key = vec![Operand::field(field)];
        let set = SetId(id);
        let parts = [asks(Match::Lookup { key, set, negated })];
        nft_rule(Family::Ip, &parts, None, None, &ruleset)
    };
    assert_eq!(
        lookup(Field::Ip4Source, 0, false),
        "ip saddr { 0.0.0.1-0.0.0.2, 10.0.0.0/8 }"
    );
    assert_eq!(lookup(Field::Ip4Source, 2, true), "ip saddr != @named");
    assert_eq!(lookup(Field::Ip4Source, 3, false), "ip saddr [unknown: set]");
    let key = vec![Operand::field(Field::DestinationPort)];
    let map = does(Action::VerdictMap { key, map: SetId(1) });
    let text = nft_rule(Family::Ip, &[map], None, None, &ruleset);
    assert_eq!(text, "th dport vmap { 80 : accept, 81 : jump C, * : drop }");
}

#[test]
fn iptables_gathers_native_parts_under_their_match() {
    let mark = Extension {
        name: "connmark".into(),
        items: Vec::new(),
        text: "-m connmark --mark 0x1".into(),
    };
    let parts = [
        asks(Match::masked(Field::Ip4Source, 0xff00_0000, 0x0a00_0000).negate(true)),
        asks(Match::equals(Field::L4Proto, 6)),
        asks(Match::masked(Field::Mark, 0xff, 1)),
        asks(Match::equals(Field::DestinationPort, 80).negate(true)),
        Part::Extension(mark),
        asks(Match::within(Field::SourcePort, 1..=5)),
        asks(Match::Chance("limit rate 3/minute burst 10 packets".into())),
        does(Action::Harmless("counter".into())),
        jump(0),
    ];
    assert_eq!(
        iptables(&parts, Some("a b")).unwrap(),
        "-A X ! -s 10.0.0.0/8 -p tcp -m mark --mark 0x1/0xff -m tcp --sport 1:5 ! --dport 80 -m connmark --mark 0x1 \
         -m limit --limit 3/min --limit-burst 10 -m comment --comment \"a b\" -j C"
    );
}

#[test]
fn iptables_has_words_for_flags_and_fragments_and_one_log() {
    let flags = [
        asks(Match::equals(Field::L4Proto, 6)),
        asks(Match::masked(Field::TcpFlags, 0x12, 0)),
        asks(Match::masked(Field::Ip4Fragment, 0x1fff, 0).negate(true)),
    ];
    assert_eq!(
        iptables(&flags, None).unwrap(),
        "-A X -p tcp -f -m tcp --tcp-flags SYN,ACK NONE"
    );
    let log = [does(Action::Harmless("log prefix \"a b\" group 3".into()))];
    assert_eq!(
        iptables(&log, None).unwrap(),
        "-A X -j NFLOG --nflog-prefix \"a b\" --nflog-group 3"
    );
}

#[test]
fn iptables_cannot_have_written_what_it_has_no_words_for() {
    let tcp = || asks(Match::equals(Field::L4Proto, 6));
    let source = || asks(Match::masked(Field::Ip4Source, 0xff00_0000, 0x0a00_0000));
    let port = |mask| asks(Match::masked(Field::DestinationPort, mask, 80));
    let harmless = |text: &str| does(Action::Harmless(text.into()));
    let lookup = Match::Lookup {
        key: vec![Operand::field(Field::Ip4Source)],
        set: SetId(0),
        negated: false,
    };
    for parts in [
        vec![asks(Match::Unknown("meta cpu == 1".into())), accept()],
        vec![asks(lookup)],
        vec![asks(Match::equals(Field::CtState, 2))],
        vec![source(), source()],
        vec![accept(), source()],
        vec![port(u128::MAX)],
        vec![tcp(), port(0xff)],
        vec![tcp(), asks(Match::equals(Field::TcpFlags, 2))],
        vec![asks(Match::within(Field::Ip4Source, 1..=3))],
        vec![harmless("log prefix \"a\"")],
        vec![harmless("counter name \"a\"")],
        vec![harmless("log group 1"), accept()],
        vec![asks(Match::Chance("numgen mod 2 == 0".into()))],
        vec![does(Action::Verdict(Verdict::Reject(Reject::Icmp)))],
        vec![does(Action::Notrack)],
    ] {
        assert_eq!(iptables(&parts, None), None, "{parts:?}");
    }
    assert!(iptables(&[tcp(), port(u128::MAX)], None).is_some());
}

fn nft(family: Family, parts: &[Part]) -> String {
    nft_rule(family, parts, None, None, &ruleset())
}

fn iptables(parts: &[Part], comment: Option<&str>) -> Option<String> {
    iptables_rule(Family::Ip, "X", parts, comment, &ruleset())
}

fn asks(one: Match) -> Part {
    Part::Native(Item::Match(one))
}

fn does(action: Action) -> Part {
    Part::Native(Item::Action(action))
}

fn accept() -> Part {
    does(Action::Verdict(Verdict::Accept))
}

fn jump(chain: u32) -> Part {
    does(Action::Verdict(Verdict::Jump(Some(ChainId(chain)))))
}

/// A ruleset of one chain, where device 1 is lo.
#[derive(Default)]
struct Named {
    chains: Vec<Chain>,
    sets: Vec<Set>,
}

impl Lookup for Named {
    fn chain(&self, id: ChainId) -> Option<&str> {
        self.chains.get(usize::try_from(id.0).ok()?).map(|chain| &*chain.name)
    }

    fn set(&self, id: SetId) -> Option<&Set> {
        self.sets.get(usize::try_from(id.0).ok()?)
    }

    fn link(&self, index: u32) -> Option<&str> {
        (index == 1).then_some("lo")
    }
}

fn ruleset() -> Named {
    let chain = Chain {
        backend: Backend::Nft,
        family: Family::Ip,
        table: "t".into(),
        name: "C".into(),
        base: None,
        rules: Vec::new(),
        dormant: false,
        counters: None,
    };
    Named {
        chains: vec![chain],
        sets: Vec::new(),
    }
}

fn set(anonymous: bool, elements: Vec<Element>) -> Set {
    Set {
        family: Family::Ip,
        table: "t".into(),
        name: "named".into(),
        anonymous,
        dynamic: false,
        incomplete: false,
        elements,
        default: None,
    }
}
