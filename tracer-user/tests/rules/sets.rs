//! Sets and maps as nft loads them.

use crate::space::Space;
use tracer_user::model::rules::{Data, Element, Ruleset, Set, Value, Verdict};

fn number(number: u128) -> Value {
    Value::Number(number)
}

fn name(name: &[u8]) -> Value {
    Value::Name(name.into())
}

fn one(key: &[Value]) -> Element {
    Element {
        key: key.into(),
        last: None,
        data: None,
    }
}

fn many(key: &[Value], last: &[Value]) -> Element {
    Element {
        last: Some(last.into()),
        ..one(key)
    }
}

fn with(element: Element, data: Data) -> Element {
    Element {
        data: Some(data),
        ..element
    }
}

fn set<'a>(ruleset: &'a Ruleset, name: &str) -> &'a Set {
    ruleset.sets.iter().find(|set| &*set.name == name).unwrap()
}

/// In the order of their keys: the kernel's is that of a hash.
fn elements(ruleset: &Ruleset, name: &str) -> Vec<Element> {
    let mut all = set(ruleset, name).elements.clone();
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
}

#[test]
fn keys_are_read_in_the_order_of_their_type() {
    let space = Space::with_nft(
        "table inet t {
            set a-port { type inet_service; elements = { 80, 443 }; }
            set a-mark { type mark; elements = { 0x539 }; }
            set a-marks { type mark; flags interval; elements = { 0x500-0x5ff, 7 }; }
            set a-name { type ifname; elements = { \"eth0\", \"lo\" }; }
            set a-state { type ct_state; elements = { established }; }
            set a-uid { typeof meta skuid; elements = { 1337 }; }
            set a-index { type iface_index; elements = { lo }; }
            set a-zone { typeof ct zone; elements = { 5 }; }
            set a-length { typeof meta length; elements = { 100 }; }
            set a-type { type fib_addrtype; elements = { local }; }
            set a-v6 { type ipv6_addr; flags interval; elements = { fd00::/8 }; }
            set a-mixed { type mark . inet_service . ifname . inet_proto; elements = { 0x10 . 80 . \"lo\" . tcp }; }
            set a-ranges { type mark . inet_service; flags interval; elements = { 0x10-0x20 . 80-90 }; }
        }",
    );
    let ruleset = space.snapshot().ruleset;
    let is = |name: &str, expected: &[Element]| {
        assert_eq!(elements(&ruleset, &format!("a-{name}")), expected, "{name}");
    };
    is("port", &[one(&[number(80)]), one(&[number(443)])]);
    is("mark", &[one(&[number(0x539)])]);
    is("marks", &[one(&[number(7)]), many(&[number(0x500)], &[number(0x5ff)])]);
    is("name", &[one(&[name(b"eth0")]), one(&[name(b"lo")])]);
    is("state", &[one(&[number(2)])]);
    is("uid", &[one(&[number(1337)])]);
    is("index", &[one(&[number(1)])]);
    is("zone", &[one(&[number(5)])]);
    is("length", &[one(&[number(100)])]);
    is("type", &[one(&[number(2)])]);
    is("v6", &[many(&[number(0xfd << 120)], &[number((0xfe << 120) - 1)])]);
    is("mixed", &[one(&[number(0x10), number(80), name(b"lo"), number(6)])]);
    is(
        "ranges",
        &[many(&[number(0x10), number(80)], &[number(0x20), number(90)])],
    );
    assert!(
        ruleset
            .sets
            .iter()
            .all(|set| !set.incomplete && !set.anonymous && !set.dynamic)
    );
}

#[test]
fn intervals_that_touch_and_the_last_address_are_kept_apart() {
    let space = Space::with_nft(
        "table ip t {
            map m { type ipv4_addr : verdict; flags interval; elements = {
                10.0.0.0/8 : accept, 11.0.0.0/8 : drop, 255.255.255.0/24 : return, * : continue }; }
        }",
    );
    let ruleset = space.snapshot().ruleset;
    let range = |from: u128, to: u128, verdict| with(many(&[number(from)], &[number(to)]), Data::Verdict(verdict));
    assert_eq!(
        elements(&ruleset, "m"),
        [
            range(0x0a00_0000, 0x0aff_ffff, Verdict::Accept),
            range(0x0b00_0000, 0x0bff_ffff, Verdict::Drop),
            range(0xffff_ff00, 0xffff_ffff, Verdict::Return),
        ]
    );
    assert_eq!(set(&ruleset, "m").default, Some(Data::Verdict(Verdict::Continue)));
}

#[test]
fn maps_give_values_and_verdicts() {
    let space = Space::with_nft(
        "table ip t {
            chain c { }
            map d { type inet_service : ipv4_addr . inet_service; elements = { 80 : 10.0.0.1 . 8080 }; }
            map m { type inet_service : mark; elements = { 80 : 0x5 }; }
            map v { type ifname : verdict; elements = { \"lo\" : jump c }; }
        }",
    );
    let ruleset = space.snapshot().ruleset;
    let chain = ruleset.numbered().find(|(_, chain)| &*chain.name == "c").unwrap().0;
    let values = |key, values: &[Value]| with(one(&[key]), Data::Values(values.into()));
    assert_eq!(
        elements(&ruleset, "d"),
        [values(number(80), &[number(0x0a00_0001), number(8080)])]
    );
    assert_eq!(elements(&ruleset, "m"), [values(number(80), &[number(5)])]);
    assert_eq!(
        elements(&ruleset, "v"),
        [with(one(&[name(b"lo")]), Data::Verdict(Verdict::Jump(Some(chain))))]
    );
}

#[test]
fn sets_that_packets_change_are_dynamic() {
    let space = Space::with_nft(
        "table ip t {
            set a { type ipv4_addr; flags dynamic; size 10; }
            set b { type ipv4_addr; flags timeout; elements = { 10.0.0.1 timeout 1h }; }
            set c { type ipv4_addr; size 10; }
            chain x { ip saddr { 10.0.0.1, 10.0.0.2 }; }
        }",
    );
    let ruleset = space.snapshot().ruleset;
    assert!(set(&ruleset, "a").dynamic && set(&ruleset, "b").dynamic && !set(&ruleset, "c").dynamic);
    assert_eq!(elements(&ruleset, "b"), [one(&[number(0x0a00_0001)])]);
    let anonymous: Vec<_> = ruleset.sets.iter().filter(|set| set.anonymous).collect();
    assert_eq!((anonymous.len(), anonymous[0].elements.len()), (1, 2));
}
