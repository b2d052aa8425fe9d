use super::*;
use crate::model::rules::{Assign, Chain, Field, Nat, NatKind, NatTarget, Source, Target, Tproxy};
use proptest::prelude::*;
use std::net::Ipv4Addr;

fn matching(name: &str, revision: u8, data: &[u8], family: Family) -> Extension {
    super::matching(name, revision, data, family, &SetNames::default())
}

fn target(name: &str, revision: u8, data: &[u8], family: Family) -> Extension {
    super::target(name, revision, data, family, &SetNames::default())
}

fn table(family: Family, name: &str, info: &[u8], entries: &[u8]) -> Result<Vec<Chain>, XtError> {
    super::table(family, name, info, entries, &SetNames::default())
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn only_match(extension: Extension) -> Match {
    match <[Item; 1]>::try_from(extension.items).unwrap() {
        [Item::Match(only)] => only,
        [Item::Action(other)] => panic!("{other:?}"),
    }
}

fn only_action(extension: Extension) -> Action {
    match <[Item; 1]>::try_from(extension.items).unwrap() {
        [Item::Action(only)] => only,
        [Item::Match(other)] => panic!("{other:?}"),
    }
}

#[test]
fn a_mark_is_compared_under_its_mask() {
    let extension = matching("mark", 1, &words(&[1, 0xff, 1]), Family::Ip);
    assert_eq!(extension.text, "-m mark ! --mark 0x1/0xff");
    let wanted = Match::masked(Field::Mark, 0xff, 1).negate(true);
    assert_eq!(only_match(extension), wanted);
}

#[test]
fn a_mark_is_saved_to_and_restored_from_the_connection() {
    let save = target("CONNMARK", 1, &words(&[0, 0xff00, 0xff, 1]), Family::Ip);
    let assign = |target, keep, source| {
        Action::Assign(Assign {
            target,
            keep,
            source,
            value: 0,
        })
    };
    let source = Source::Mark { mask: 0xff, shift: 0 };
    assert_eq!(only_action(save), assign(Target::Connmark, !0xff00, source));
    // Shifted to the right by 8, mode 2.
    let mut data = words(&[0, 0xff00, 0xff]);
    data.extend([1, 8, 2, 0]);
    let restore = target("CONNMARK", 2, &data, Family::Ip);
    let source = Source::Connmark {
        mask: 0xff00,
        shift: -8,
    };
    assert_eq!(only_action(restore), assign(Target::Mark, !0xff, source));
}

#[test]
fn an_inverted_owner_also_fits_packets_without_a_socket() {
    let mut data = words(&[1337, 1337, 0, 0]);
    data.extend([1, 1, 0, 0]);
    let extension = matching("owner", 1, &data, Family::Ip);
    assert_eq!(extension.text, "-m owner ! --uid-owner 1337");
    let wanted = Match::NotAll(vec![Match::equals(Field::SocketUid, 1337)]);
    assert_eq!(only_match(extension), wanted);
}

/// `struct xt_conntrack_mtinfo3` with these flags, inverted flags, states and status.
fn conntrack(flags: u16, inverted: u16, state: u16, status: u16) -> Vec<u8> {
    let mut data = vec![0; 168];
    for (at, value) in [(146, flags), (148, inverted), (150, state), (152, status)] {
        data[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    }
    data
}

#[test]
fn states_become_the_bits_of_nftables() {
    let any = |field, mask| Match::Number {
        field,
        mask,
        within: vec![1..=u128::MAX],
        negated: false,
    };
    let untracked = matching("conntrack", 3, &conntrack(1, 0, 1 << 8 | 8, 0), Family::Ip);
    assert_eq!(untracked.text, "-m conntrack --ctstate NEW,UNTRACKED");
    assert_eq!(only_match(untracked), any(Field::CtState, 64 | 8));
    let translated = matching("conntrack", 3, &conntrack(1, 1, 2 | 1 << 7, 0), Family::Ip);
    let either = Match::Any(vec![any(Field::CtState, 2), any(Field::CtStatus, 32)]);
    assert_eq!(only_match(translated), Match::NotAll(vec![either]));
}

#[test]
fn without_an_entry_only_the_state_counts() {
    let extension = matching("conntrack", 3, &conntrack(1 | 1 << 6, 0, 1, 4), Family::Ip);
    let [Item::Match(_), Item::Match(Match::Any(either))] = extension.items.as_slice() else {
        panic!("{extension:?}");
    };
    assert_eq!(either.len(), 2);
}

#[test]
fn ports_of_either_side_are_listed() {
    let mut data = vec![2, 3];
    data.extend([80_u16, 90, 91].into_iter().flat_map(u16::to_ne_bytes));
    data.resize(48, 0);
    data[33] = 1;
    let extension = matching("multiport", 1, &data, Family::Ip);
    assert_eq!(extension.text, "-m multiport --ports 80,90:91");
    let Match::Any(sides) = only_match(extension) else {
        panic!("both sides");
    };
    assert_eq!(sides.len(), 2);
}

#[test]
fn a_range_is_translated_by_its_base_port() {
    let mut data = words(&[1 | 2 | 32]);
    data.extend([10, 0, 0, 1]);
    data.resize(20, 0);
    data.extend([10, 0, 0, 1]);
    data.resize(36, 0);
    data.extend([80_u16, 90, 8080].into_iter().flat_map(u16::to_be_bytes));
    let extension = target("DNAT", 2, &data, Family::Ip);
    assert_eq!(extension.text, "-j DNAT --to-destination 10.0.0.1:80-90/8080");
    let address = Ipv4Addr::new(10, 0, 0, 1).into();
    let wanted = Action::Nat(Nat {
        kind: NatKind::Destination,
        target: NatTarget::Fixed {
            addresses: Some(address..=address),
            ports: Some(80..=90),
            netmap: false,
            base_port: Some(8080),
        },
        random: false,
        persistent: false,
    });
    assert_eq!(only_action(extension), wanted);
}

#[test]
fn a_transparent_proxy_marks_and_drops() {
    let mut data = words(&[0xff, 1, 0, 0, 0, 0]);
    data.extend(15006_u16.to_be_bytes());
    let wanted = Action::Tproxy(Tproxy {
        address: None,
        port: Some(15006),
        mark: Some((0xff, 1)),
        drops: true,
    });
    assert_eq!(only_action(target("TPROXY", 1, &data, Family::Ip6)), wanted);
}

#[test]
fn what_is_cut_or_new_is_unknown() {
    assert_eq!(matching("mark", 1, &[0; 8], Family::Ip).text, "-m mark [unknown]");
    assert_eq!(matching("mark", 9, &[0; 12], Family::Ip).text, "-m mark [unknown]");
    assert_eq!(target("NEW", 0, &[], Family::Ip).text, "-j NEW [unknown]");
}

/// A table of raw: two hooks with their policies alone, and the end.
fn raw_table() -> (Vec<u8>, Vec<u8>) {
    let mut entries = Vec::new();
    for _ in 0..2 {
        entries.extend(entry(40, b"", -2));
    }
    entries.extend(entry(64, b"ERROR", i32::from_ne_bytes(*b"ERRO")));
    let last = entries.len() - 28;
    entries[last] = b'R';
    let mut info = vec![0; 32];
    let size = u32::try_from(entries.len()).unwrap();
    info.extend(words(&[1 | 8, 0, 0, 0, 152, 0, 0, 0, 0, 152, 0, 3, size]));
    (info, entries)
}

fn entry(target: u16, name: &[u8], verdict: i32) -> Vec<u8> {
    let mut entry = vec![0; usize::from(112 + target)];
    entry[88..90].copy_from_slice(&112_u16.to_ne_bytes());
    entry[90..92].copy_from_slice(&(112 + target).to_ne_bytes());
    entry[112..114].copy_from_slice(&target.to_ne_bytes());
    entry[114..114 + name.len()].copy_from_slice(name);
    entry[144..148].copy_from_slice(&verdict.to_ne_bytes());
    entry
}

#[test]
fn a_table_that_cannot_be_is_an_error() {
    let (info, entries) = raw_table();
    let chains = table(Family::Ip, "raw", &info, &entries).unwrap();
    assert_eq!(chains.len(), 2);
    assert_eq!(chains[1].base.as_ref().unwrap().priority, -300);
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = entries.clone();
        change(&mut changed);
        table(Family::Ip, "raw", &info, &changed).unwrap_err()
    };
    assert_eq!(error(&|bytes| bytes.truncate(200)), XtError::Entry(152));
    // An entry that leads to itself.
    assert_eq!(error(&|bytes| bytes[90..92].fill(0)), XtError::Entry(0));
    assert_eq!(error(&|bytes| bytes[144..148].fill(0)), XtError::Policy(0));
    assert_eq!(
        table(Family::Ip, "raw", &info[..80], &entries),
        Err(XtError::ShortInfo(80))
    );
}

#[test]
fn a_chain_without_an_end_to_its_name_is_read() {
    let (info, mut entries) = raw_table();
    let head = entries.len() - 176;
    let mut chain = entry(64, b"ERROR", 0);
    chain[144..174].fill(b'x');
    entries.splice(head..head, chain);
    let chains = table(Family::Ip, "raw", &info, &entries).unwrap();
    assert_eq!(chains[2].name.len(), 30);
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "tcp",
        "sctp",
        "dccp",
        "icmp",
        "multiport",
        "mark",
        "owner",
        "socket",
        "cgroup",
        "conntrack",
        "state",
        "addrtype",
        "iprange",
        "set",
        "hashlimit",
        "recent",
        "statistic",
        "connlimit",
        "u32",
        "bpf",
        "string",
        "time",
        "policy",
        "ipvs",
        "rt",
        "hbh",
        "limit",
        "physdev",
        "REJECT",
        "NFQUEUE",
        "DNAT",
        "NETMAP",
        "TPROXY",
        "CT",
        "MARK",
        "CONNMARK",
        "HMARK",
        "LOG",
        "RATEEST",
        "SET",
        "TCPOPTSTRIP",
        "SECMARK",
        "ECN",
    ])
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_unknown(
        name in names(),
        revision in 0..5_u8,
        data in prop::collection::vec(any::<u8>(), 0..2200),
        ipv6 in any::<bool>(),
    ) {
        let family = if ipv6 { Family::Ip6 } else { Family::Ip };
        prop_assert!(!matching(name, revision, &data, family).text.is_empty());
        prop_assert!(!target(name, revision, &data, family).text.is_empty());
    }

    #[test]
    fn a_damaged_table_is_an_error_or_chains(at in 0..480_usize, byte in any::<u8>(), cut in 0..481_usize) {
        let (mut info, mut entries) = raw_table();
        if let Some(slot) = entries.get_mut(at) {
            *slot = byte;
        }
        entries.truncate(cut);
        let _ = table(Family::Ip, "raw", &info, &entries);
        let _ = table(Family::Ip6, "nat", &info, &entries);
        info[32 + at % 52] = byte;
        let _ = table(Family::Ip, "raw", &info, &entries);
    }
}
