//! What each kind of expression becomes, as nft and this kernel make it of a rule's text.

use crate::space::Space;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use tracer_user::model::rules::{
    Action, Assign, Field, Item, Match, Nat, NatKind, NatTarget, Operand, Reject, Ruleset, SetId, Source, Target,
    Tproxy, Verdict,
};

const ACCEPT: Item = Item::Action(Action::Verdict(Verdict::Accept));
const V4: fn() -> Item = || is(Field::Nfproto, 2);
const V6: fn() -> Item = || is(Field::Nfproto, 10);
const TCP: fn() -> Item = || is(Field::L4Proto, 6);

fn is(field: Field, value: u128) -> Item {
    Item::Match(Match::equals(field, value))
}

fn isnt(field: Field, value: u128) -> Item {
    Item::Match(Match::equals(field, value).negate(true))
}

fn within(field: Field, range: RangeInclusive<u128>) -> Item {
    Item::Match(Match::within(field, range))
}

fn masked(field: Field, mask: u128, value: u128) -> Item {
    Item::Match(Match::masked(field, mask, value))
}

/// Any of the mask's bits is set.
fn any(field: Field, mask: u128) -> Item {
    Item::Match(Match::masked(field, mask, 0).negate(true))
}

fn named(field: Field, name: &[u8], prefix: bool) -> Item {
    Item::Match(Match::Name {
        field,
        name: name.into(),
        prefix,
        negated: false,
    })
}

fn chance(text: &str) -> Item {
    Item::Match(Match::Chance(text.into()))
}

fn unknown(text: &str) -> Item {
    Item::Match(Match::Unknown(text.into()))
}

fn act(action: Action) -> Item {
    Item::Action(action)
}

fn harmless(text: &str) -> Item {
    act(Action::Harmless(text.into()))
}

fn ends(verdict: Verdict) -> Item {
    act(Action::Verdict(verdict))
}

fn assign(target: Target, keep: u32, source: Source, value: u32) -> Item {
    act(Action::Assign(Assign {
        target,
        keep,
        source,
        value,
    }))
}

fn nat(kind: NatKind, addresses: Option<RangeInclusive<IpAddr>>, ports: Option<RangeInclusive<u16>>) -> Nat {
    Nat {
        kind,
        target: NatTarget::Fixed {
            addresses,
            ports,
            netmap: false,
            base_port: None,
        },
        random: false,
        persistent: false,
    }
}

/// Handed to whoever listens at the packet's own address.
fn anyones(port: u16) -> Item {
    act(Action::Tproxy(Tproxy {
        address: None,
        port: Some(port),
        mark: None,
        drops: false,
    }))
}

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

/// Loads each rule's text and compares what is read of it.
fn check(chain: &str, rules: Vec<(&str, Vec<Item>)>) -> Ruleset {
    let lines: Vec<_> = rules.iter().map(|(text, _)| *text).collect();
    let space = Space::with_nft(&format!(
        "table inet t {{
            counter k {{ }}
            quota q {{ over 10 mbytes; }}
            limit l {{ rate 5/second; }}
            ct helper ftp {{ type \"ftp\" protocol tcp; l3proto ip; }}
            set seen {{ type ipv4_addr; flags dynamic; size 10; }}
            chain user {{ }}
            chain x {{ {chain}
                {}
            }}
        }}",
        lines.join("\n")
    ));
    let ruleset = space.snapshot().ruleset;
    let chain = ruleset.chains.iter().find(|chain| &*chain.name == "x").unwrap();
    assert_eq!(chain.rules.len(), rules.len());
    for (rule, (text, items)) in chain.rules.iter().zip(rules) {
        assert_eq!(rule.items, items, "{text}");
    }
    ruleset
}

const INPUT: &str = "type filter hook input priority 0;";

#[test]
fn addresses_ports_and_protocols() {
    let fd = 0xfd_u128 << 120;
    check(
        INPUT,
        vec![
            (
                "ip saddr 10.0.0.1 accept",
                vec![V4(), is(Field::Ip4Source, 0x0a00_0001), ACCEPT],
            ),
            (
                "ip saddr 10.0.0.0/8",
                vec![V4(), masked(Field::Ip4Source, 0xff00_0000, 0x0a00_0000)],
            ),
            (
                "ip daddr 10.128.0.0/9",
                vec![V4(), masked(Field::Ip4Destination, 0xff80_0000, 0x0a80_0000)],
            ),
            ("ip saddr != 10.0.0.1", vec![V4(), isnt(Field::Ip4Source, 0x0a00_0001)]),
            (
                "ip saddr 10.0.0.1-10.0.0.9",
                vec![V4(), within(Field::Ip4Source, 0x0a00_0001..=0x0a00_0009)],
            ),
            (
                "ip saddr 10.0.0.1 ip daddr 10.0.0.2",
                vec![
                    V4(),
                    is(Field::Ip4Source, 0x0a00_0001),
                    is(Field::Ip4Destination, 0x0a00_0002),
                ],
            ),
            (
                "ip6 saddr fd00::/8",
                vec![V6(), masked(Field::Ip6Source, 0xff << 120, fd)],
            ),
            (
                "ip6 saddr fd00::1 ip6 daddr fd00::2",
                vec![V6(), is(Field::Ip6Source, fd + 1), is(Field::Ip6Destination, fd + 2)],
            ),
            ("tcp dport 80", vec![TCP(), is(Field::DestinationPort, 80)]),
            ("tcp dport != 80", vec![TCP(), isnt(Field::DestinationPort, 80)]),
            (
                "tcp dport > 1024",
                vec![TCP(), within(Field::DestinationPort, 1025..=65535)],
            ),
            (
                "tcp dport < 1024",
                vec![TCP(), within(Field::DestinationPort, 0..=1023)],
            ),
            (
                "tcp sport 1-9 tcp dport 80-90",
                vec![
                    TCP(),
                    within(Field::SourcePort, 1..=9),
                    within(Field::DestinationPort, 80..=90),
                ],
            ),
            (
                "tcp sport 99 tcp dport 22",
                vec![TCP(), is(Field::SourcePort, 99), is(Field::DestinationPort, 22)],
            ),
        ],
    );
}

#[test]
fn fields_of_headers() {
    check(
        INPUT,
        vec![
            (
                "udp dport 53",
                vec![is(Field::L4Proto, 17), is(Field::DestinationPort, 53)],
            ),
            ("th dport 53", vec![is(Field::DestinationPort, 53)]),
            (
                "udp length 5",
                vec![is(Field::L4Proto, 17), unknown("@th,32,16 == 0x0005")],
            ),
            (
                "tcp flags syn / fin,syn,rst,ack",
                vec![TCP(), masked(Field::TcpFlags, 0x17, 2)],
            ),
            ("tcp flags syn", vec![TCP(), any(Field::TcpFlags, 2)]),
            (
                "icmp type echo-request",
                vec![V4(), is(Field::L4Proto, 1), is(Field::IcmpType, 8)],
            ),
            (
                "icmp type 3 icmp code 4",
                vec![
                    V4(),
                    is(Field::L4Proto, 1),
                    is(Field::IcmpType, 3),
                    is(Field::IcmpCode, 4),
                ],
            ),
            (
                "icmpv6 code 0",
                vec![V6(), is(Field::L4Proto, 58), is(Field::Icmp6Code, 0)],
            ),
            ("ip protocol icmp", vec![V4(), is(Field::Ip4Protocol, 1)]),
            ("ip6 nexthdr tcp", vec![V6(), is(Field::Ip6NextHeader, 6)]),
            ("meta nfproto ipv6", vec![V6()]),
            ("meta protocol ip", vec![V4()]),
            ("ip ttl 64", vec![V4(), is(Field::TimeToLive, 64)]),
            ("ip6 hoplimit < 5", vec![V6(), within(Field::TimeToLive, 0..=4)]),
            ("ip length > 100", vec![V4(), within(Field::Ip4Length, 101..=65535)]),
            ("ip dscp cs1", vec![V4(), is(Field::Dscp, 8)]),
            ("ip dscp > 5", vec![V4(), within(Field::Dscp, 6..=63)]),
            ("ip6 dscp cs1", vec![V6(), is(Field::Dscp, 8)]),
            ("ip frag-off & 0x1fff != 0", vec![V4(), any(Field::Ip4Fragment, 0x1fff)]),
            ("meta length 100-200", vec![within(Field::Length, 100..=200)]),
        ],
    );
}

#[test]
fn devices_marks_connections_routes_and_sockets() {
    check(
        "type filter hook prerouting priority 0;",
        vec![
            ("iifname \"eth0\"", vec![named(Field::InputName, b"eth0", false)]),
            ("iifname \"eth*\"", vec![named(Field::InputName, b"eth", true)]),
            ("iif lo", vec![is(Field::InputInterface, 1)]),
            ("meta pkttype broadcast", vec![is(Field::PacketType, 1)]),
            ("meta mark 0x539", vec![is(Field::Mark, 0x539)]),
            ("meta mark & 0xfff == 0x539", vec![masked(Field::Mark, 0xfff, 0x539)]),
            ("meta mark & 0xff != 0", vec![any(Field::Mark, 0xff)]),
            ("meta mark > 5", vec![within(Field::Mark, 6..=0xffff_ffff)]),
            ("ct mark 1", vec![is(Field::CtMark, 1)]),
            ("ct state new,established", vec![any(Field::CtState, 10)]),
            ("ct state != invalid", vec![isnt(Field::CtState, 1)]),
            ("ct status dnat", vec![any(Field::CtStatus, 32)]),
            ("ct status & (snat|dnat) == dnat", vec![masked(Field::CtStatus, 48, 32)]),
            ("ct direction reply", vec![is(Field::CtDirection, 1)]),
            ("ct zone 5", vec![is(Field::CtZone, 5)]),
            (
                "ct original ip saddr 10.0.0.1",
                vec![is(Field::CtOriginalSource, 0x0a00_0001)],
            ),
            (
                "ct reply ip daddr 10.0.0.1",
                vec![is(Field::CtReplyDestination, 0x0a00_0001)],
            ),
            ("ct original ip6 daddr ::1", vec![is(Field::CtOriginalDestination, 1)]),
            ("ct original protocol tcp", vec![is(Field::CtL4Proto, 6)]),
            ("ct bytes > 5", vec![unknown("ct bytes > 0x0000000000000005")]),
            ("fib daddr type local", vec![is(Field::FibDestination, 2)]),
            ("fib saddr type != unicast", vec![isnt(Field::FibSource, 1)]),
            ("fib daddr . iif type local", vec![is(Field::FibDestinationInput, 2)]),
            ("fib saddr . iif oif missing", vec![is(Field::FibReversePath, 0)]),
            ("fib saddr . iif oif exists", vec![isnt(Field::FibReversePath, 0)]),
            ("socket transparent 1", vec![is(Field::SocketTransparent, 1)]),
            ("socket wildcard 0", vec![is(Field::SocketWildcard, 0)]),
            ("socket mark 1", vec![is(Field::SocketMark, 1)]),
            ("meta skuid 1337", vec![is(Field::SocketUid, 1337)]),
            ("meta skgid != 1337", vec![isnt(Field::SocketGid, 1337)]),
            ("numgen random mod 10 < 5", vec![chance("numgen mod 10 < 5")]),
            ("numgen inc mod 2 != 0", vec![chance("numgen mod 2 != 0")]),
            ("symhash mod 4 offset 1 2", vec![chance("hash mod 4 offset 1 == 2")]),
            (
                "tcp option maxseg size 1000",
                vec![unknown("tcp option maxseg size == 0x03e8")],
            ),
            ("ipsec in reqid 5", vec![unknown("xfrm == 0x05000000")]),
        ],
    );
}

#[test]
fn verdicts_and_what_counts_limits_and_logs() {
    let ruleset = check(
        INPUT,
        vec![
            ("drop", vec![ends(Verdict::Drop)]),
            ("return", vec![ends(Verdict::Return)]),
            ("continue", vec![ends(Verdict::Continue)]),
            ("reject", vec![ends(Verdict::Reject(Reject::Icmp))]),
            (
                "reject with tcp reset",
                vec![TCP(), ends(Verdict::Reject(Reject::TcpReset))],
            ),
            (
                "reject with icmpx type host-unreachable",
                vec![ends(Verdict::Reject(Reject::Icmp))],
            ),
            ("counter accept", vec![harmless("counter"), ACCEPT]),
            ("counter name \"k\"", vec![harmless("counter name \"k\"")]),
            ("limit rate 3/minute", vec![chance("limit rate 3/minute")]),
            (
                "limit rate over 10 kbytes/second",
                vec![chance("limit rate over 10 kbytes/second")],
            ),
            ("limit name \"l\"", vec![chance("limit name \"l\"")]),
            ("quota over 25 mbytes", vec![chance("quota over 25 mbytes")]),
            ("quota name \"q\"", vec![chance("quota name \"q\"")]),
            ("ct count over 10", vec![chance("ct count over 10")]),
            (
                "log prefix \"x y\" level info",
                vec![harmless("log prefix \"x y\" level info")],
            ),
            ("log prefix \"x\" group 5", vec![harmless("log prefix \"x\" group 5")]),
            ("log flags all", vec![harmless("log flags all")]),
            ("ct helper set \"ftp\"", vec![harmless("ct helper set \"ftp\"")]),
            ("ct label set 5", vec![harmless("ct label set")]),
            ("meta priority set 1:2", vec![harmless("meta priority set 1:2")]),
            ("ip dscp set cs1", vec![V4(), harmless("@nh,0,16 set")]),
            ("ip ttl set 5", vec![V4(), harmless("@nh,64,16 set")]),
            (
                "tcp dport set 90",
                vec![TCP(), act(Action::Unknown("@th,16,16 set".into()))],
            ),
            ("add @seen { ip saddr }", vec![V4(), chance("add @seen { ip saddr }")]),
            ("synproxy mss 1460", vec![act(Action::Unknown("synproxy".into()))]),
            ("accept comment \"why\"", vec![ACCEPT]),
        ],
    );
    let rules = &ruleset.chains.iter().find(|chain| &*chain.name == "x").unwrap().rules;
    assert_eq!(rules.last().unwrap().comment.as_deref(), Some("why"));
    assert!(rules.iter().all(|rule| rule.handle.is_some()));
    assert!(rules[6].counters.is_some() && rules[0].counters.is_none());
}

#[test]
fn marks_are_computed() {
    use Target::{Connmark, Mark};
    let connmark = |mask, shift| Source::Connmark { mask, shift };
    let mark = |mask, shift| Source::Mark { mask, shift };
    let random = Source::Operand(Operand::Random { modulus: 4, offset: 16 });
    check(
        "type filter hook prerouting priority mangle;",
        vec![
            ("meta mark set 5", vec![assign(Mark, 0, Source::None, 5)]),
            (
                "meta mark set meta mark | 0x2000",
                vec![assign(Mark, !0x2000, Source::None, 0x2000)],
            ),
            (
                "meta mark set meta mark & 0xff ^ 3",
                vec![assign(Mark, 0xff, Source::None, 3)],
            ),
            ("meta mark set ct mark", vec![assign(Mark, 0, connmark(!0, 0), 0)]),
            (
                "meta mark set ct mark & 0xff",
                vec![assign(Mark, 0, connmark(0xff, 0), 0)],
            ),
            ("ct mark set meta mark", vec![assign(Connmark, 0, mark(!0, 0), 0)]),
            (
                "ct mark set meta mark & 0xff | 0x100",
                vec![assign(Connmark, 0, mark(0xff, 0), 0x100)],
            ),
            ("ct mark set 7", vec![assign(Connmark, 0, Source::None, 7)]),
            ("ct mark set ct mark | 1", vec![assign(Connmark, !1, Source::None, 1)]),
            ("meta mark set ct mark << 8", vec![assign(Mark, 0, connmark(!0, 8), 0)]),
            ("ct mark set meta mark >> 4", vec![assign(Connmark, 0, mark(!0, -4), 0)]),
            (
                "meta mark set numgen inc mod 4 offset 16",
                vec![assign(Mark, 0, random, 0)],
            ),
            (
                "ct zone set 5",
                vec![act(Action::Zone {
                    zone: 5,
                    direction: None,
                })],
            ),
            (
                "ct original zone set 6",
                vec![act(Action::Zone {
                    zone: 6,
                    direction: Some(0),
                })],
            ),
            ("notrack", vec![act(Action::Notrack)]),
            (
                "meta l4proto tcp tproxy ip to 127.0.0.1:15006",
                vec![
                    TCP(),
                    V4(),
                    act(Action::Tproxy(Tproxy {
                        address: Some(Ipv4Addr::LOCALHOST.into()),
                        port: Some(15006),
                        mark: None,
                        drops: false,
                    })),
                ],
            ),
            ("meta l4proto tcp tproxy ip6 to :90", vec![TCP(), V6(), anyones(90)]),
            ("meta l4proto tcp tproxy to :90", vec![TCP(), anyones(90)]),
        ],
    );
}

#[test]
fn translations_have_their_targets() {
    use NatKind::{Destination, Redirect};
    let fixed = |kind, addresses, ports| act(Action::Nat(nat(kind, addresses, ports)));
    let random = Nat {
        random: true,
        ..nat(Redirect, None, Some(100..=200))
    };
    let persistent = Nat {
        persistent: true,
        ..nat(Destination, Some(v4(1)..=v4(1)), Some(8080..=8080))
    };
    let mapped = |kind, key: Operand, map, address, port| {
        act(Action::Nat(Nat {
            target: NatTarget::Map {
                key: vec![key],
                map: SetId(map),
                address,
                port,
                fixed_port: None,
            },
            ..nat(kind, None, None)
        }))
    };
    let port = || Operand::field(Field::DestinationPort);
    check(
        "type nat hook prerouting priority dstnat;",
        vec![
            ("redirect", vec![fixed(Redirect, None, None)]),
            (
                "tcp dport 80 redirect to :15001",
                vec![
                    TCP(),
                    is(Field::DestinationPort, 80),
                    fixed(Redirect, None, Some(15001..=15001)),
                ],
            ),
            (
                "meta l4proto tcp redirect to :100-200 fully-random",
                vec![TCP(), act(Action::Nat(random))],
            ),
            (
                "meta l4proto tcp dnat ip to 10.0.0.1:8080 persistent",
                vec![TCP(), V4(), act(Action::Nat(persistent))],
            ),
            (
                "dnat ip to 10.0.0.1-10.0.0.5",
                vec![V4(), fixed(Destination, Some(v4(1)..=v4(5)), None)],
            ),
            (
                "dnat ip to tcp dport map { 80 : 10.0.0.1 }",
                vec![TCP(), V4(), mapped(Destination, port(), 1, true, false)],
            ),
            (
                "dnat ip addr . port to tcp dport map { 80 : 10.0.0.1 . 8080 }",
                vec![TCP(), V4(), mapped(Destination, port(), 2, true, true)],
            ),
            (
                "meta l4proto tcp redirect to :tcp dport map { 80 : 8080 }",
                vec![TCP(), mapped(Redirect, port(), 3, false, true)],
            ),
            (
                "dnat ip to numgen random mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }",
                vec![
                    V4(),
                    mapped(Destination, Operand::Random { modulus: 2, offset: 0 }, 4, true, false),
                ],
            ),
        ],
    );
    let netmap = Nat {
        target: NatTarget::Fixed {
            addresses: Some(v4(0)..=v4(255)),
            ports: None,
            netmap: true,
            base_port: None,
        },
        ..nat(NatKind::Source, None, None)
    };
    check(
        "type nat hook postrouting priority srcnat;",
        vec![
            ("masquerade", vec![fixed(NatKind::Masquerade, None, None)]),
            (
                "meta l4proto tcp masquerade to :1000-2000",
                vec![TCP(), fixed(NatKind::Masquerade, None, Some(1000..=2000))],
            ),
            (
                "snat ip to 10.0.0.1",
                vec![V4(), fixed(NatKind::Source, Some(v4(1)..=v4(1)), None)],
            ),
            ("snat ip prefix to 10.0.0.0/24", vec![V4(), act(Action::Nat(netmap))]),
        ],
    );
}

#[test]
fn keys_of_lookups_are_the_fields_that_were_loaded() {
    let lookup = |key: &[Operand], set, negated| {
        Item::Match(Match::Lookup {
            key: key.to_vec(),
            set: SetId(set),
            negated,
        })
    };
    let vmap = |key: &[Operand], map| {
        act(Action::VerdictMap {
            key: key.to_vec(),
            map: SetId(map),
        })
    };
    let field = Operand::field;
    check(
        INPUT,
        vec![
            (
                "tcp dport { 80, 443 }",
                vec![TCP(), lookup(&[field(Field::DestinationPort)], 1, false)],
            ),
            (
                "tcp dport != { 80-90, 443 }",
                vec![TCP(), lookup(&[field(Field::DestinationPort)], 2, true)],
            ),
            (
                "ip saddr . tcp dport { 10.0.0.1 . 80 }",
                vec![
                    V4(),
                    TCP(),
                    lookup(&[field(Field::Ip4Source), field(Field::DestinationPort)], 3, false),
                ],
            ),
            ("ct mark { 1-5, 9 }", vec![lookup(&[field(Field::CtMark)], 4, false)]),
            (
                "iifname . meta mark { \"lo\" . 5 }",
                vec![lookup(&[field(Field::InputName), field(Field::Mark)], 5, false)],
            ),
            (
                "ct state vmap { established : accept, invalid : drop }",
                vec![vmap(&[field(Field::CtState)], 6)],
            ),
            (
                "numgen inc mod 2 vmap { 0 : jump user, 1 : goto user }",
                vec![vmap(&[Operand::Random { modulus: 2, offset: 0 }], 7)],
            ),
            (
                "meta mark set tcp dport map { 80 : 1 }",
                vec![
                    TCP(),
                    assign(
                        Target::Mark,
                        0,
                        Source::Operand(Operand::Map {
                            key: vec![field(Field::DestinationPort)],
                            map: SetId(8),
                        }),
                        0,
                    ),
                ],
            ),
            (
                "meta mark & 0xf { 1, 2 }",
                vec![lookup(
                    &[Operand::Field {
                        field: Field::Mark,
                        mask: 0xf,
                        xor: 0,
                    }],
                    9,
                    false,
                )],
            ),
        ],
    );
}
