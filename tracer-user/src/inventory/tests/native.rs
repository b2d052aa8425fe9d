//! Rules as only nf_tables has them: maps, and both families at once.

use super::save::nat;
use super::*;
use crate::model::rules::{
    Action, Backend, Base, Chain, ChainId, ChainKind, Data, Element, Field, Hook, Item, Match, NatKind, Operand, Rule,
    Set, SetId, Value, Verdict,
};

fn chain(name: &str, hook: Option<Hook>, rules: Vec<Vec<Item>>) -> Chain {
    let rule = |items| Rule {
        handle: Some(12),
        items,
        counters: None,
        comment: None,
        text: name.into(),
    };
    Chain {
        backend: Backend::Nft,
        family: Family::Inet,
        table: "t".into(),
        name: name.into(),
        base: hook.map(|hook| Base {
            kind: ChainKind::Nat,
            hook,
            priority: -100,
            policy: Verdict::Accept,
            devices: Vec::new(),
        }),
        rules: rules.into_iter().map(rule).collect(),
        dormant: false,
        counters: None,
    }
}

fn map(elements: Vec<(Vec<u128>, Data)>) -> Set {
    let element = |(key, data): (Vec<u128>, Data)| Element {
        key: key.into_iter().map(Value::Number).collect(),
        last: None,
        data: Some(data),
    };
    Set {
        family: Family::Inet,
        table: "t".into(),
        name: "__map0".into(),
        anonymous: true,
        dynamic: false,
        incomplete: false,
        elements: elements.into_iter().map(element).collect(),
        default: None,
    }
}

fn asked(field: Field, value: u128) -> Item {
    Item::Match(Match::equals(field, value))
}

#[test]
fn a_redirect_of_inet_is_one_row_for_both_families() {
    let redirect = Item::Action(nat(NatKind::Redirect, None, Some(15006..=15006)));
    let ruleset = Ruleset {
        chains: vec![chain(
            "prerouting",
            Some(Hook::Prerouting),
            vec![
                vec![
                    asked(Field::Ip4Destination, 0x7f00_0001),
                    Item::Action(Action::Verdict(Verdict::Return)),
                ],
                vec![asked(Field::L4Proto, 6), redirect],
            ],
        )],
        ..Ruleset::default()
    };
    let found = rows(&ruleset, &listeners(&["[::]:15006"]), &[], false);
    assert_eq!(
        told(&found),
        ["stolen prerouting 6 !127.0.0.1 all redirect here:15006 listens []"]
    );
    assert_eq!(
        (found[0].family, found[0].rule.as_ref().unwrap().handle),
        (Family::Inet, Some(12))
    );
}

#[test]
fn the_maps_of_kube_proxy_are_followed() {
    let services = vec![
        Operand::field(Field::Ip4Destination),
        Operand::field(Field::L4Proto),
        Operand::field(Field::DestinationPort),
    ];
    let random = Operand::Random { modulus: 2, offset: 0 };
    let go = |chain| Data::Verdict(Verdict::Goto(Some(ChainId(chain))));
    let endpoint = |address: &str| {
        vec![
            asked(Field::Ip4Protocol, 6),
            Item::Action(nat(NatKind::Destination, address.parse().ok(), Some(53..=53))),
        ]
    };
    let ruleset = Ruleset {
        chains: vec![
            chain(
                "nat-output",
                Some(Hook::Output),
                vec![vec![Item::Action(Action::VerdictMap {
                    key: services,
                    map: SetId(0),
                })]],
            ),
            chain(
                "service-A",
                None,
                vec![vec![Item::Action(Action::VerdictMap {
                    key: vec![random],
                    map: SetId(1),
                })]],
            ),
            chain("endpoint-A", None, vec![endpoint("10.244.0.3")]),
            chain("endpoint-B", None, vec![endpoint("10.77.0.2")]),
        ],
        sets: vec![
            map(vec![(vec![0x0a60_000a, 6, 53], go(1))]),
            map(vec![(vec![0], go(2)), (vec![1], go(3))]),
        ],
        ..Ruleset::default()
    };
    // A service whose backend is this host; kube-proxy's name would make it one of the services.
    assert_eq!(
        told(&rows(&ruleset, &listeners(&[]), &[], true)),
        [
            "service output 6 10.96.0.10 53 dnat 10.244.0.3:53 elsewhere [random mod 2]",
            "stolen output 6 10.96.0.10 53 dnat 10.77.0.2:53 nobody [random mod 2]",
        ]
    );
}

#[test]
fn ports_of_a_set_and_targets_of_a_map_are_told() {
    let target = |port| Data::Values(vec![Value::Number(port)]);
    let redirect = Action::Nat(crate::model::rules::Nat {
        kind: NatKind::Redirect,
        target: crate::model::rules::NatTarget::Map {
            key: vec![Operand::field(Field::DestinationPort)],
            map: SetId(0),
            address: false,
            port: true,
            fixed_port: None,
        },
        random: false,
        persistent: false,
    });
    let ports = Match::Lookup {
        key: vec![Operand::field(Field::DestinationPort)],
        set: SetId(1),
        negated: false,
    };
    let number = |port| (vec![port], Data::Values(Vec::new()));
    let ruleset = Ruleset {
        chains: vec![chain(
            "output",
            Some(Hook::Output),
            vec![vec![
                asked(Field::L4Proto, 6),
                Item::Match(ports),
                Item::Action(redirect),
            ]],
        )],
        sets: vec![
            map(vec![
                (vec![80], target(8080)),
                (vec![443], target(8443)),
                (vec![22], target(2222)),
            ]),
            map(vec![number(80), number(443)]),
        ],
        ..Ruleset::default()
    };
    assert_eq!(
        told(&rows(&ruleset, &listeners(&["127.0.0.1:8443"]), &[], false)),
        [
            "stolen output 6 80 redirect here:8080 nobody []",
            "stolen output 6 443 redirect here:8443 listens []",
        ]
    );
}

#[test]
fn what_a_map_has_no_element_for_goes_on_with_the_next_rule() {
    let translate = |target| {
        Item::Action(Action::Nat(crate::model::rules::Nat {
            kind: NatKind::Destination,
            target,
            random: false,
            persistent: false,
        }))
    };
    let of_map = |key| crate::model::rules::NatTarget::Map {
        key,
        map: SetId(0),
        address: true,
        port: false,
        fixed_port: None,
    };
    let redirect = Item::Action(nat(NatKind::Redirect, None, Some(41000..=41000)));
    let mut ruleset = Ruleset {
        chains: vec![chain(
            "prerouting",
            Some(Hook::Prerouting),
            vec![
                vec![
                    asked(Field::L4Proto, 6),
                    translate(of_map(vec![Operand::field(Field::DestinationPort)])),
                ],
                vec![asked(Field::L4Proto, 6), asked(Field::DestinationPort, 8081), redirect],
            ],
        )],
        sets: vec![map(vec![(vec![443], Data::Values(vec![Value::Number(0x0a4d_0002)]))])],
        ..Ruleset::default()
    };
    ruleset.chains[0].family = Family::Ip;
    let lines = |ruleset: &Ruleset| told(&rows(ruleset, &listeners(&[]), &[], false));
    let redirected = "stolen prerouting 6 8081 redirect here:41000 nobody []".to_owned();
    assert_eq!(
        lines(&ruleset),
        [
            "stolen prerouting 6 443 dnat 10.77.0.2:same nobody []",
            redirected.as_str()
        ]
    );
    // With an element for all other keys nothing goes on.
    ruleset.sets[0].default = Some(Data::Values(vec![Value::Number(0x0a4d_0002)]));
    assert!(!lines(&ruleset).contains(&redirected));
    ruleset.sets[0].default = None;
    // Nor does anything where every number has its element, and which one comes up is chance.
    let halves = |modulus| of_map(vec![Operand::Random { modulus, offset: 443 }]);
    ruleset.chains[0].rules[0].items[1] = translate(halves(1));
    assert!(!lines(&ruleset).contains(&redirected));
    ruleset.chains[0].rules[0].items[1] = translate(halves(2));
    assert!(lines(&ruleset).contains(&redirected));
}
