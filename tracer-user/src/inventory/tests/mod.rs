pub(crate) mod save;

use super::*;
use crate::inspect::socket::{Info, Socket};
use crate::model::rules::{Action, Address, Family, Item, Link};
use crate::model::tcp::{ConntrackState, TcpState};
use crate::model::translation::{Class, Destinations, Listening, Manner};
use crate::model::tuple::{Endpoint, Tuple};
use save::table;

fn endpoint(text: &str) -> Endpoint {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

pub(crate) fn network() -> Network {
    let link = |index, name: &str, loopback| Link {
        index,
        name: name.into(),
        loopback,
    };
    let address = |address: &str, prefix, link| Address {
        address: address.parse().unwrap(),
        prefix,
        link,
    };
    Network {
        links: vec![link(1, "lo", true), link(2, "eth0", false)],
        addresses: vec![
            address("127.0.0.1", 8, 1),
            address("::1", 128, 1),
            address("10.77.0.2", 24, 2),
            address("fd77::2", 64, 2),
        ],
        locals: Vec::new(),
    }
}

fn socket(address: &str, only_v6: bool) -> Socket {
    Socket {
        tuple: Tuple::new(endpoint(address), endpoint("0.0.0.0:0")),
        state: Some(TcpState::Listen),
        receive_queue: 0,
        send_queue: 128,
        info: Info::default(),
        timer: None,
        retransmits: 0,
        uid: 0,
        inode: 4711,
        only_v6,
        transparent: None,
        interface: 0,
        cookie: None,
    }
}

pub(crate) fn listeners(tcp: &[&str]) -> Listeners {
    Listeners {
        tcp: Some(tcp.iter().map(|address| socket(address, false)).collect()),
        udp: Some(Vec::new()),
    }
}

fn rows(ruleset: &Ruleset, listeners: &Listeners, entries: &[Conntrack], all: bool) -> Vec<Translation> {
    let facts = Facts {
        ruleset,
        network: &network(),
        listeners,
        entries: Some(entries),
    };
    let inventory = inventory(&facts, all);
    assert!(!inventory.cut);
    inventory.translations
}

/// One line a row: what it is for, where it leads, who listens, under which conditions.
fn told(rows: &[Translation]) -> Vec<String> {
    rows.iter().map(line).collect()
}

fn line(row: &Translation) -> String {
    let list = |ranges: &[crate::model::translation::AddressRange]| {
        ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let to = match &row.destinations {
        Destinations::Any => String::new(),
        Destinations::These(ranges) => format!(" {}", list(ranges)),
        Destinations::AllBut(ranges) => format!(" !{}", list(ranges)),
    };
    let port = |range: &std::ops::RangeInclusive<u16>| match range.end() - range.start() {
        0 => range.start().to_string(),
        u16::MAX => "all".to_owned(),
        _ => format!("{}-{}", range.start(), range.end()),
    };
    let ports: Vec<_> = row.ports.iter().map(port).collect();
    let address = row
        .target
        .addresses
        .as_ref()
        .map_or("here".to_owned(), |range| range.start().to_string());
    let target = row.target.ports.as_ref().map_or("same".to_owned(), port);
    let listening = match row.listening {
        Listening::By(_) => "listens",
        Listening::Nobody => "nobody",
        Listening::Unknown(_) => "unknown",
        Listening::Elsewhere => "elsewhere",
    };
    let hook = row.hook.map_or("?", crate::model::rules::Hook::name);
    let protocol = row.protocol.map_or("any".to_owned(), |number| number.to_string());
    let conditions = row.conditions.join("; ");
    format!(
        "{} {hook} {protocol}{to} {} {} {address}:{target} {listening} [{conditions}]",
        row.class.name(),
        ports.join(","),
        row.manner.name()
    )
}

const ISTIO: &str = "
    -A PREROUTING -p tcp -j ISTIO_INBOUND
    -A OUTPUT -j ISTIO_OUTPUT
    -A ISTIO_INBOUND -p tcp -m tcp --dport 15008 -j RETURN
    -A ISTIO_INBOUND -p tcp -m multiport --dports 15020,15021,15090 -j RETURN
    -A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
    -A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
    -A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN
    -A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
    -A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
    -A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
    -A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
    -A ISTIO_OUTPUT -j ISTIO_REDIRECT
    -A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001";

#[test]
fn an_istio_sidecar_steals_all_but_its_exceptions() {
    let found = rows(&table("nat", ISTIO), &listeners(&["0.0.0.0:15006"]), &[], false);
    assert_eq!(
        told(&found),
        [
            "stolen prerouting 6 0-15007,15009-15019,15022-15089,15091-65535 redirect here:15006 listens []",
            "stolen output 6 !127.0.0.1 0-15007,15009-65535 redirect here:15006 listens \
             [oifname lo; meta skuid 1337; ip saddr != 127.0.0.6]",
            "stolen output 6 !127.0.0.1 all redirect here:15001 nobody [not (ip saddr 127.0.0.6, oifname lo); \
             not (oifname lo, meta skuid != 1337); meta skuid != 1337]",
        ]
    );
    assert!(!found[0].is_dead() && found[2].is_dead());
    assert_eq!(
        found[0].rule.as_ref().map(|rule| (&*rule.chain, rule.index)),
        Some(("ISTIO_IN_REDIRECT", Some(1)))
    );
    assert_eq!(found[0].rule.as_ref().and_then(|rule| rule.packets), Some(7));
}

#[test]
fn a_rule_behind_two_that_take_everything_between_them_steals_nothing() {
    let rules = table(
        "nat",
        "-A OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
        -A OUTPUT -m owner --uid-owner 1337 -j RETURN
        -A OUTPUT -o lo -p tcp -m owner --gid-owner 1337 -j REDIRECT --to-ports 15006",
    );
    assert_eq!(told(&rows(&rules, &listeners(&[]), &[], false)), [] as [&str; 0]);
}

#[test]
fn mirrord_is_found_under_every_name() {
    for (input, output) in [
        ("MIRRORD_INPUT_x7Kf2", "MIRRORD_STANDARD_x7Kf2"),
        ("MIRRORD_INPUT", "MIRRORD_OUTPUT"),
        ("MRDIN_0123456789abcdef0123", "MRDSTD_0123456789abcdef0123"),
    ] {
        let text = format!(
            "-A PREROUTING -j {input}
             -A {input} -m tcp -p tcp --dport 9000 -j REDIRECT --to-ports 37673
             -A {input} -j RETURN
             -A OUTPUT -j {output}
             -A {output} -m owner --gid-owner 31337 -p tcp -j RETURN
             -A {output} -o lo -m tcp -p tcp --dport 9000 -j REDIRECT --to-ports 37673
             -A {output} -j RETURN"
        );
        let found = rows(&table("nat", &text), &listeners(&["[::]:37673"]), &[], false);
        assert_eq!(
            told(&found),
            [
                "stolen prerouting 6 9000 redirect here:37673 listens []",
                "stolen output 6 9000 redirect here:37673 listens [oifname lo; meta skgid != 31337]",
            ]
        );
    }
}

#[test]
fn what_an_earlier_rule_takes_altogether_is_not_stolen() {
    let text = "-A PREROUTING -j MIRRORD_INPUT
        -A MIRRORD_INPUT -m multiport -p tcp ! --dports 15008 -j RETURN
        -A MIRRORD_INPUT -m tcp -p tcp --dport 9000 -j REDIRECT --to-ports 37673
        -A MIRRORD_INPUT -m tcp -p tcp --dport 15008 -j REDIRECT --to-ports 37673";
    let found = rows(&table("nat", text), &listeners(&[]), &[], false);
    assert_eq!(
        told(&found),
        ["stolen prerouting 6 15008 redirect here:37673 nobody []"]
    );
}

#[test]
fn linkerd_and_kuma_steal_inbound_and_outbound() {
    let text = "-A PREROUTING -j PROXY_INIT_REDIRECT
        -A OUTPUT -j PROXY_INIT_OUTPUT
        -A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN
        -A PROXY_INIT_OUTPUT -o lo -j RETURN
        -A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-ports 4140
        -A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,4191,4567,4568 -j RETURN
        -A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 4143";
    assert_eq!(
        told(&rows(&table("nat", text), &listeners(&["127.0.0.1:4140"]), &[], false)),
        [
            "stolen prerouting 6 0-4189,4192-4566,4569-65535 redirect here:4143 nobody []",
            "stolen output 6 all redirect here:4140 listens [meta skuid != 2102; oifname != lo]",
        ]
    );
    let text = "-A PREROUTING -p tcp -j KUMA_MESH_INBOUND
        -A OUTPUT -p udp -m udp --dport 53 -m owner --uid-owner 5678 -j RETURN
        -A OUTPUT -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053
        -A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND
        -A KUMA_MESH_INBOUND -p tcp -j KUMA_MESH_INBOUND_REDIRECT
        -A KUMA_MESH_INBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15006
        -A KUMA_MESH_OUTBOUND -p tcp -m tcp --dport 53 -j REDIRECT --to-ports 15053
        -A KUMA_MESH_OUTBOUND -d 127.0.0.1/32 -j RETURN
        -A KUMA_MESH_OUTBOUND -j KUMA_MESH_OUTBOUND_REDIRECT
        -A KUMA_MESH_OUTBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15001";
    let mut listeners = listeners(&["[::]:15006"]);
    assert_eq!(
        told(&rows(&table("nat", text), &listeners, &[], false)),
        [
            "stolen prerouting 6 all redirect here:15006 listens []",
            "stolen output 17 53 redirect here:15053 nobody [meta skuid != 5678]",
            "stolen output 6 53 redirect here:15053 nobody []",
            "stolen output 6 !127.0.0.1 0-52,54-65535 redirect here:15001 nobody []",
        ]
    );
    listeners.udp = None;
    let found = rows(&table("nat", text), &listeners, &[], false);
    assert!(matches!(found[1].listening, Listening::Unknown(_)) && !found[1].is_dead());
}

#[test]
fn docker_publishes_and_steals_nothing() {
    let text = "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
        -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
        -A POSTROUTING -s 172.31.0.0/24 ! -o docker0 -j MASQUERADE
        -A DOCKER -i docker0 -j RETURN
        -A DOCKER ! -i docker0 -p tcp -m tcp --dport 9000 -j DNAT --to-destination 172.31.0.2:80";
    let ruleset = table("nat", text);
    assert!(rows(&ruleset, &listeners(&[]), &[], false).is_empty());
    assert_eq!(
        told(&rows(&ruleset, &listeners(&[]), &[], true)),
        [
            "published prerouting 6 9000 dnat 172.31.0.2:80 elsewhere [fib daddr type local; iifname != docker0]",
            "published output 6 !127.0.0.0/8 9000 dnat 172.31.0.2:80 elsewhere \
             [fib daddr type local; iifname != docker0]",
            "egress postrouting any all masquerade here:same elsewhere [ip saddr 172.31.0.0/24; oifname != docker0]",
        ]
    );
}

#[test]
fn kube_proxy_serves_and_steals_nothing() {
    let text = "-A PREROUTING -j KUBE-SERVICES
        -A OUTPUT -j KUBE-SERVICES
        -A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j KUBE-SVC-A
        -A KUBE-SVC-A ! -s 10.244.0.0/16 -d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j KUBE-MARK-MASQ
        -A KUBE-SVC-A -m statistic --mode random --probability 0.5 -j KUBE-SEP-A
        -A KUBE-SVC-A -j KUBE-SEP-B
        -A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 10.244.0.3:53
        -A KUBE-SEP-B -p tcp -m tcp -j DNAT --to-destination 10.244.0.4:53
        -A KUBE-MARK-MASQ -j MARK";
    let ruleset = table("nat", text);
    assert!(rows(&ruleset, &listeners(&[]), &[], false).is_empty());
    let found = told(&rows(&ruleset, &listeners(&[]), &[], true));
    assert_eq!(
        found[..2],
        [
            "service prerouting 6 10.96.0.10 53 dnat 10.244.0.3:53 elsewhere [random probability 0.5]",
            "service prerouting 6 10.96.0.10 53 dnat 10.244.0.4:53 elsewhere []",
        ]
    );
    assert_eq!(found.len(), 4);
}

#[test]
fn a_transparent_proxy_steals_without_a_trace() {
    let text = "-A PREROUTING -p tcp -j ISTIO_INBOUND
        -A ISTIO_INBOUND -m mark --mark 0x539 -j RETURN
        -A ISTIO_INBOUND -p tcp -j ISTIO_TPROXY
        -A ISTIO_TPROXY ! -d 127.0.0.1/32 -p tcp -j TPROXY --on-port 15006";
    let found = rows(&table("mangle", text), &listeners(&[]), &[], false);
    assert_eq!(
        told(&found),
        ["stolen prerouting 6 !127.0.0.1 all tproxy here:15006 nobody [meta mark != 0x539]"]
    );
    assert_eq!((found[0].manner, found[0].connections), (Manner::Tproxy, None));
}

#[test]
fn a_listener_serves_the_addresses_and_families_that_it_is_bound_to() {
    let local = "-A PREROUTING -p tcp --dport 9000 -j REDIRECT --to-ports 8000";
    let out = "-A OUTPUT -p tcp --dport 9000 -j REDIRECT --to-ports 8000";
    let dnat = "-A OUTPUT -p tcp --dport 9000 -j DNAT --to-destination 10.77.0.2:8000";
    for (text, listener, served) in [
        (local, "0.0.0.0:8000", true),
        (local, "[::]:8000", true),
        (local, "10.77.0.2:8000", true),
        (local, "127.0.0.1:8000", false),
        (local, "[fd77::2]:8000", false),
        (out, "127.0.0.1:8000", true),
        (out, "10.77.0.2:8000", false),
        (out, "0.0.0.0:8001", false),
        (dnat, "10.77.0.2:8000", true),
        (dnat, "127.0.0.1:8000", false),
    ] {
        let found = rows(&table("nat", text), &listeners(&[listener]), &[], false);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(
            matches!(found[0].listening, Listening::By(_)),
            served,
            "{listener}: {text}"
        );
        assert_eq!(found[0].is_dead(), !served);
    }
    let only = Listeners {
        tcp: Some(vec![socket("[::]:8000", true)]),
        udp: None,
    };
    assert!(rows(&table("nat", local), &only, &[], false)[0].is_dead());
}

#[test]
fn a_redirect_leads_to_an_address_of_the_device_that_its_rule_names() {
    let mut network = network();
    network.links.push(Link {
        index: 3,
        name: "eth1".into(),
        loopback: false,
    });
    network.addresses.push(Address {
        address: "10.99.0.1".parse().unwrap(),
        prefix: 24,
        link: 3,
    });
    for (asked, listener, served) in [
        ("-i eth0", "10.99.0.1:8080", false),
        ("! -i eth1", "10.99.0.1:8080", false),
        ("-i eth0", "10.77.0.2:8080", true),
        ("-i eth1", "10.99.0.1:8080", true),
        ("! -i eth0", "127.0.0.1:8080", true),
        ("-i lo", "127.0.0.1:8080", true),
        ("-i lo", "10.77.0.2:8080", false),
        ("-m mark --mark 0x1", "10.99.0.1:8080", true),
    ] {
        let text = format!("-A PREROUTING {asked} -p tcp --dport 80 -j REDIRECT --to-ports 8080");
        let facts = Facts {
            ruleset: &table("nat", &text),
            network: &network,
            listeners: &listeners(&[listener]),
            entries: None,
        };
        let row = &inventory(&facts, false).translations[0];
        assert_eq!(row.is_dead(), !served, "{asked}: {listener}");
    }
}

#[test]
fn of_a_range_of_ports_the_first_one_is_taken_unless_the_own_one_is_in_it() {
    for (original, target, listener, listening) in [
        ("80", "8080-8089", "0.0.0.0:8085", "nobody"),
        ("80", "8080-8089", "0.0.0.0:8080", "listens"),
        ("8085", "8080-8089", "0.0.0.0:8085", "listens"),
        ("8085", "8080-8089", "0.0.0.0:8080", "nobody"),
        ("80,8085", "8080-8089", "0.0.0.0:8080", "unknown"),
        ("8085:8086", "8080-8089", "0.0.0.0:8085", "unknown"),
        ("8085:8086", "8080-8089", "0.0.0.0:8080", "nobody"),
    ] {
        let text = format!("-A PREROUTING -p tcp --dports {original} -j REDIRECT --to-ports {target}");
        let mut ruleset = table("nat", &text);
        let line = |ruleset: &Ruleset| told(&rows(ruleset, &listeners(&[listener]), &[], false)).remove(0);
        let found = line(&ruleset);
        assert!(found.contains(listening), "{listener}: {found}");
        for item in &mut ruleset.chains[0].rules[0].items {
            if let Item::Action(Action::Nat(nat)) = item {
                nat.random = true;
            }
        }
        assert!(line(&ruleset).contains("unknown"), "any of ten may be taken");
    }
}

fn entry(source: &str, destination: &str, target: &str, state: ConntrackState) -> Conntrack {
    let original = Tuple::new(endpoint(source), endpoint(destination));
    Conntrack {
        original,
        reply: Tuple::new(endpoint(target), original.source),
        status: 0x2e,
        state: Some(state),
        mark: 0,
        zone: 0,
        id: None,
    }
}

#[test]
fn live_connections_are_counted_with_their_rules() {
    use ConntrackState::{Established, TimeWait};
    let text = "-A PREROUTING -p tcp --dport 9000 -j REDIRECT --to-ports 37673
        -A OUTPUT -p tcp --dport 9000 -j REDIRECT --to-ports 37673";
    let entries = [
        entry("10.77.0.9:4001", "10.77.0.2:9000", "10.77.0.2:37673", Established),
        entry("10.77.0.9:4002", "10.77.0.2:9000", "10.77.0.2:37673", Established),
        entry("10.77.0.9:4003", "10.77.0.2:9000", "10.77.0.2:37673", TimeWait),
        entry("10.77.0.2:4004", "10.77.0.3:9000", "127.0.0.1:37673", Established),
        entry("10.77.0.9:4005", "10.77.0.2:22", "10.77.0.2:22", Established),
    ];
    let found = rows(&table("nat", text), &listeners(&[]), &entries, false);
    let counts: Vec<_> = found.iter().map(|row| row.connections).collect();
    assert_eq!(counts, [Some(2), Some(1)]);
}

#[test]
fn connections_that_no_rule_explains_have_rows_of_their_own() {
    use ConntrackState::{Close, Established};
    let text = "-A OUTPUT -p tcp --dport 9001 -j REDIRECT --to-ports 37673";
    let entries = [
        entry("10.77.0.2:4001", "10.77.0.3:9000", "127.0.0.1:37673", Established),
        entry("10.77.0.2:4002", "10.77.0.4:9000", "127.0.0.1:37673", Established),
        entry("10.77.0.2:4003", "10.77.0.3:9001", "127.0.0.1:4444", Established),
        entry("10.77.0.2:4004", "10.77.0.3:9002", "127.0.0.1:37673", Close),
        // To another host: nobody's port is stolen.
        entry("10.77.0.2:4005", "10.77.0.3:9003", "10.77.0.4:9100", Established),
    ];
    let found = rows(&table("nat", text), &listeners(&["127.0.0.1:4444"]), &entries, false);
    assert_eq!(
        told(&found),
        [
            "stolen output 6 9001 redirect here:37673 nobody []",
            "stolen ? 6 10.77.0.3,10.77.0.4 9000 dnat 127.0.0.1:37673 nobody []",
            "stolen ? 6 10.77.0.3 9001 dnat 127.0.0.1:4444 listens []",
        ]
    );
    assert_eq!((found[1].connections, found[1].rule.clone()), (Some(2), None));
}

#[test]
fn a_dnat_is_of_the_class_that_its_ends_make_it() {
    for (rule, class) in [
        (
            "-A OUTPUT -d 10.77.0.9 -p tcp --dport 80 -j DNAT --to-destination 127.0.0.1:81",
            Class::Stolen,
        ),
        (
            "-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.77.0.2:81",
            Class::Stolen,
        ),
        (
            "-A PREROUTING -d 10.77.0.9 -p tcp --dport 80 -j DNAT --to-destination 10.77.0.2:81",
            Class::Service,
        ),
        (
            "-A PREROUTING -d 10.77.0.9 -p tcp --dport 80 -j DNAT --to-destination 10.9.0.2:81",
            Class::Service,
        ),
        (
            "-A PREROUTING -d 10.77.0.2 -p tcp --dport 80 -j DNAT --to-destination 10.9.0.2:81",
            Class::Published,
        ),
        (
            "-A OUTPUT -d 10.77.0.9 -p tcp --dport 80 -j DNAT --to-destination 10.9.0.2:81",
            Class::Service,
        ),
    ] {
        let found = rows(&table("nat", rule), &listeners(&[]), &[], true);
        assert_eq!(found.iter().map(|row| row.class).collect::<Vec<_>>(), [class], "{rule}");
    }
}

#[test]
fn jumps_in_a_cycle_and_very_many_ways_come_to_an_end() {
    let cycle = "-A OUTPUT -j A\n-A A -j B\n-A B -j A\n-A B -p tcp --dport 1 -j REDIRECT --to-ports 2";
    let facts = |ruleset: &Ruleset| {
        let (network, listeners) = (network(), listeners(&[]));
        inventory(
            &Facts {
                ruleset,
                network: &network,
                listeners: &listeners,
                entries: None,
            },
            true,
        )
    };
    assert!(facts(&table("nat", cycle)).cut);
    // Two jumps to each next chain: 2^14 ways to the last one.
    let jump = |level| {
        [1, 2]
            .map(|mark| format!("-A C{level} -m mark --mark 0x{mark} -j C{}\n", level + 1))
            .concat()
    };
    let mut doubling: String = (0..14).map(jump).collect();
    doubling.insert_str(0, "-A OUTPUT -j C0\n");
    doubling.push_str("-A C14 -p tcp --dport 1 -j REDIRECT --to-ports 2\n");
    assert!(facts(&table("nat", &doubling)).translations.len() <= 16_384);
}

#[test]
fn very_many_services_leave_room_for_a_stolen_port() {
    let service = |number: u16| {
        let [high, low] = number.to_be_bytes();
        format!("-A PREROUTING -d 10.96.{high}.{low} -p tcp --dport 80 -j DNAT --to-destination 10.244.0.3:80\n")
    };
    let mut text: String = (0..16_500).map(service).collect();
    text.push_str("-A OUTPUT -p tcp --dport 9000 -j REDIRECT --to-ports 37673\n");
    let (network, listeners) = (network(), listeners(&[]));
    // Of a service that there is no room for.
    let entries = [entry(
        "10.77.0.9:4001",
        "10.96.64.100:80",
        "10.77.0.2:8080",
        ConntrackState::Established,
    )];
    let facts = Facts {
        ruleset: &table("nat", &text),
        network: &network,
        listeners: &listeners,
        entries: Some(&entries),
    };
    let found = inventory(&facts, false);
    assert!(found.cut);
    assert_eq!(
        told(&found.translations),
        ["stolen output 6 9000 redirect here:37673 nobody []"]
    );
    assert_eq!(found.translations[0].connections, Some(0));
}

mod native;
mod returned;
