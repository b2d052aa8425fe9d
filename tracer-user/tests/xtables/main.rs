//! Legacy tables of the real kernel, read by us and by `iptables-legacy-save`. Needs root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../space/mod.rs"]
mod space;

use rustix::net::{AddressFamily, SocketType, netlink, socket};
use space::Space;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tracer_user::inspect::source::{Reader, xt};
use tracer_user::model::rules::{Chain, Family};

/// A rule for each extension and each of its options that the kernel and the tools know.
const RULES: &str = include_str!("rules.txt");
const FAMILIES: [(Family, char, &str); 2] = [(Family::Ip, '4', "iptables"), (Family::Ip6, '6', "ip6tables")];

#[test]
fn every_rule_reads_as_its_own_tool_prints_it() {
    let mut compared = 0;
    for (family, digit, tool) in FAMILIES {
        let space = Space::new();
        restore(&space, tool, &ruleset(digit));
        compared += compare(&space, family, tool);
    }
    assert!(compared > 500, "only {compared} rules");
}

#[test]
fn rulesets_of_real_programs_read_as_they_were_saved() {
    for (file, text) in SAVED {
        let (family, _, tool) = FAMILIES[usize::from(file.contains(".v6."))];
        let space = Space::new();
        restore(&space, tool, text);
        assert!(compare(&space, family, tool) > 0, "{file} has no rules");
    }
}

#[test]
fn reading_creates_no_table() {
    let space = Space::new();
    assert_eq!(space.inside(xt::read), (Vec::new(), Vec::new()));
    assert_eq!(space.inside(names), ["", ""]);
    restore(&space, "iptables", "*raw\nCOMMIT\n");
    let (chains, gaps) = space.inside(xt::read);
    assert_eq!((chains.len(), gaps.len()), (2, 0));
    assert_eq!(space.inside(names), ["raw\n", ""]);
}

#[test]
fn a_changed_table_has_another_key() {
    let space = Space::new();
    restore(&space, "iptables", "*raw\nCOMMIT\n");
    let before = space.inside(xt::keys);
    assert_eq!(before, space.inside(xt::keys));
    restore(&space, "iptables", "*raw\n-A OUTPUT -p tcp\nCOMMIT\n");
    assert_ne!(before, space.inside(xt::keys));
}

#[test]
fn ip_sets_are_shown_by_their_names() {
    let space = Space::new();
    for name in ["first", "blocked"] {
        space.inside(|| create_set(name));
    }
    let rules = [
        "-A INPUT -m set ! --match-set blocked src -j DROP",
        "-A INPUT -j SET --add-set first src",
    ];
    for tool in ["iptables-legacy-restore", "iptables-nft-restore"] {
        space.run(&[tool], &format!("*filter\n{}\nCOMMIT\n", rules.join("\n")));
    }
    let ruleset = Reader::new().unwrap().snapshot(space.netns).unwrap().ruleset;
    let inputs: Vec<_> = ruleset.chains.iter().filter(|chain| &*chain.name == "INPUT").collect();
    assert_eq!(inputs.len(), 2);
    for chain in inputs {
        let texts: Vec<_> = chain.rules.iter().map(|rule| &*rule.text).collect();
        assert_eq!(texts, rules, "{:?}", chain.backend);
    }
}

/// `ipset create name hash:ip`.
fn create_set(name: &str) {
    let attribute = |kind: u16, value: &[u8]| {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let text = |text: &str| [text.as_bytes(), &[0]].concat();
    let body = [
        vec![2, 0, 0, 0],
        attribute(1, &[6]),
        attribute(2, &text(name)),
        attribute(3, &text("hash:ip")),
        attribute(4, &[0]),
        attribute(5, &[2]),
        attribute(7 | NESTED, &[]),
    ]
    .concat();
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>();
    let length = u32::try_from(16 + body.len()).unwrap();
    let message = [words(&[length, CREATE_SET | ACKNOWLEDGED << 16, 1, 0]), body].concat();
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::NETFILTER)).unwrap();
    rustix::io::write(&socket, &message).unwrap();
    let mut answer = [0; 64];
    rustix::io::read(&socket, &mut answer).unwrap();
    assert_eq!(answer[16..20], [0; 4], "no set {name}");
}

/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// `IPSET_CMD_CREATE` of `NFNL_SUBSYS_IPSET`.
const CREATE_SET: u32 = 6 << 8 | 2;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const ACKNOWLEDGED: u32 = 5;

/// The rules of one family, as a file to restore.
fn ruleset(digit: char) -> String {
    let mut tables: BTreeMap<&str, String> = BTreeMap::new();
    for line in RULES.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.splitn(4, ' ');
        let [families, table, chain, rule] = [(); 4].map(|()| words.next().unwrap());
        if families.contains(digit) {
            let text = tables.entry(table).or_default();
            writeln!(text, "-A {chain} {rule}").unwrap();
        }
    }
    let own = |table: &str| match table {
        "filter" => ":USER - [0:0]\n:OTHER - [0:0]\n",
        "nat" => ":CHAIN - [0:0]\n",
        _ => "",
    };
    let file = |(table, rules): (&str, String)| format!("*{table}\n{}{rules}COMMIT\n", own(table));
    tables.into_iter().map(file).collect()
}

/// How many rules were compared, line by line.
fn compare(space: &Space, family: Family, tool: &str) -> usize {
    let saved = space.run(&[&format!("{tool}-legacy-save")], "");
    let (chains, gaps) = space.inside(xt::read);
    assert!(gaps.is_empty(), "{gaps:?}");
    let chains = chains.iter().filter(|chain| chain.family == family).collect::<Vec<_>>();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for table in saved.split('*').skip(1) {
        let name = table.lines().next().unwrap();
        let theirs = table.lines().filter(|line| line.starts_with("-A ")).collect::<Vec<_>>();
        let ours = texts(&chains, name);
        compared += theirs.len();
        wrong.extend(differences(&theirs, &ours));
        assert_eq!(theirs.len(), ours.len(), "{name}: {wrong:#?}");
        let heads = table.lines().filter(|line| line.starts_with(':')).count();
        assert_eq!(heads, chains.iter().filter(|chain| &*chain.table == name).count());
    }
    assert!(wrong.is_empty(), "{} of {compared}: {wrong:#?}", wrong.len());
    compared
}

/// Rules in the order of the chains, which the tools sort otherwise: by chain first.
fn texts<'a>(chains: &[&'a Chain], table: &str) -> Vec<&'a str> {
    let of_table = chains.iter().filter(|chain| &*chain.table == table);
    of_table
        .flat_map(|chain| chain.rules.iter().map(|rule| &*rule.text))
        .collect()
}

fn differences(theirs: &[&str], ours: &[&str]) -> Vec<String> {
    let chain = |line: &&&str| line.split(' ').nth(1).unwrap().to_owned();
    let sorted = |lines: &[&str]| {
        let mut lines = lines
            .iter()
            .map(|line| (chain(&line), (*line).to_owned()))
            .collect::<Vec<_>>();
        lines.sort_by(|(left, _), (right, _)| left.cmp(right));
        lines
    };
    let pairs = sorted(theirs).into_iter().zip(sorted(ours));
    pairs
        .filter(|((_, theirs), (_, ours))| theirs != ours)
        .map(|((_, theirs), (_, ours))| format!("{theirs}\n     {ours}"))
        .collect()
}

fn restore(space: &Space, tool: &str, text: &str) {
    space.run(&[&format!("{tool}-legacy-restore")], text);
}

fn names() -> [String; 2] {
    ["ip_tables_names", "ip6_tables_names"]
        .map(|file| std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap())
}

const SAVED: &[(&str, &str)] = &[
    (
        "cni_iptables_default.legacy.v4.save",
        include_str!("data/cni_iptables_default.legacy.v4.save"),
    ),
    (
        "istio-iptables_capture_dns-uid-gid.legacy.v4.save",
        include_str!("data/istio-iptables_capture_dns-uid-gid.legacy.v4.save"),
    ),
    (
        "istio-iptables_capture_dns-uid-gid.legacy.v6.save",
        include_str!("data/istio-iptables_capture_dns-uid-gid.legacy.v6.save"),
    ),
    (
        "istio-iptables_capture_drop-invalid.legacy.v4.save",
        include_str!("data/istio-iptables_capture_drop-invalid.legacy.v4.save"),
    ),
    (
        "istio-iptables_capture_inbound-ports-wildcard.legacy.v4.save",
        include_str!("data/istio-iptables_capture_inbound-ports-wildcard.legacy.v4.save"),
    ),
    (
        "istio-iptables_capture_ipnets.legacy.v4.save",
        include_str!("data/istio-iptables_capture_ipnets.legacy.v4.save"),
    ),
    (
        "istio-iptables_capture_kube-virt-interfaces.legacy.v4.save",
        include_str!("data/istio-iptables_capture_kube-virt-interfaces.legacy.v4.save"),
    ),
];
