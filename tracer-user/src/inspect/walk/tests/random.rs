//! What holds of all rulesets.

use super::*;
use crate::model::rules::{Operand, Reject};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Numbers that rules and packets share, so that they meet.
const MARKS: [u32; 4] = [0, 1, 0x11, 0x4000];
const PORTS: [u16; 3] = [80, 81, 443];
const UIDS: [u32; 2] = [0, 1337];
const ADDRESSES: [&str; 3] = ["10.0.0.1", "10.0.0.9", "10.1.0.9"];
const CHAINS: u32 = 8;

fn number_match() -> impl Strategy<Value = Match> {
    let address = |text: &str| Value::from(ip(text)).number().unwrap();
    let one = |field, values: Vec<u128>| select(values).prop_map(move |value| Match::equals(field, value));
    let marks = MARKS.map(u128::from).to_vec();
    let fields = prop_oneof![
        one(Field::DestinationPort, PORTS.map(u128::from).to_vec()),
        one(Field::Ip4Destination, ADDRESSES.map(address).to_vec()),
        one(Field::Ip4Source, ADDRESSES.map(address).to_vec()),
        one(Field::SocketUid, UIDS.map(u128::from).to_vec()),
        one(Field::Mark, marks.clone()),
        one(Field::CtMark, marks),
        one(Field::CtState, vec![1, 2, 8, 64]),
        one(Field::OutputInterface, vec![1, 2, 3]),
        one(Field::FibDestination, vec![1, 2]),
        select(vec![1_u128, 0x10, 0x4000]).prop_map(|bit| Match::masked(Field::Mark, bit, bit)),
        select(vec![1_u128, 0x10]).prop_map(|bit| Match::masked(Field::CtMark, bit, bit)),
        Just(Match::within(Field::DestinationPort, 80..=200)),
    ];
    (fields, any::<bool>()).prop_map(|(wanted, negated)| wanted.negate(negated))
}

fn compound() -> impl Strategy<Value = Match> {
    prop_oneof![
        6 => number_match(),
        1 => vec(number_match(), 0..3).prop_map(Match::Any),
        1 => vec(number_match(), 0..3).prop_map(Match::NotAll),
        1 => any::<bool>().prop_map(|negated| Match::Lookup {
            key: vec![Operand::field(Field::DestinationPort)],
            set: SetId(0),
            negated,
        }),
    ]
}

/// `to`: the chains that may be jumped to.
fn action(to: RangeInclusive<u32>) -> impl Strategy<Value = Action> {
    let verdict = prop_oneof![
        Just(Verdict::Accept),
        Just(Verdict::Drop),
        Just(Verdict::Reject(Reject::TcpReset)),
        Just(Verdict::Return),
        Just(Verdict::Continue),
        to.clone().prop_map(|to| Verdict::Jump(Some(ChainId(to)))),
        to.prop_map(|to| Verdict::Goto(Some(ChainId(to)))),
    ];
    let target = select(vec![Target::Mark, Target::Connmark]);
    let source = prop_oneof![
        Just(Source::None),
        (select(vec![0xff_u32, u32::MAX]), -4_i8..4).prop_map(|(mask, shift)| Source::Mark { mask, shift }),
        (select(vec![0xff_u32, u32::MAX]), -4_i8..4).prop_map(|(mask, shift)| Source::Connmark { mask, shift }),
    ];
    let keep = select(vec![0, u32::MAX, !1, !0x4000]);
    let assign = (target, keep, source, select(MARKS.to_vec()));
    let assign = assign.prop_map(|(target, keep, source, value)| Assign {
        target,
        keep,
        source,
        value,
    });
    let nat = (
        select(ADDRESSES.to_vec()),
        proptest::option::of(select(PORTS.to_vec())),
        any::<bool>(),
    );
    let nat = nat.prop_map(|(address, port, redirect)| {
        let (kind, address) = if redirect {
            (NatKind::Redirect, None)
        } else {
            (NatKind::Destination, Some(address))
        };
        match to_item(kind, address, port) {
            Item::Action(action) => action,
            Item::Match(_) => unreachable!(),
        }
    });
    prop_oneof![
        5 => verdict.prop_map(Action::Verdict),
        2 => assign.prop_map(Action::Assign),
        2 => nat,
        1 => Just(Action::Notrack),
        1 => Just(Action::Harmless("counter".into())),
    ]
}

fn to_item(kind: NatKind, address: Option<&str>, port: Option<u16>) -> Item {
    to(kind, address, port.map(|port| port..=port))
}

fn rule(to: RangeInclusive<u32>) -> impl Strategy<Value = Vec<Item>> {
    let item = prop_oneof![
        2 => compound().prop_map(Item::Match),
        1 => action(to.clone()).prop_map(Item::Action),
    ];
    (vec(item, 0..4), action(to)).prop_map(|(mut items, last)| {
        items.push(Item::Action(last));
        items
    })
}

fn lab(chains: Vec<Vec<Vec<Item>>>) -> Lab {
    let mut lab = Lab::new();
    let bases = [
        base(ChainKind::Filter, Hook::Output, -300),
        nat(Hook::Output),
        filter(Hook::Output),
        filter(Hook::Prerouting),
        filter(Hook::Input),
    ];
    for (number, rules) in chains.into_iter().enumerate() {
        let chain = lab.chain("c", bases.get(number).cloned().flatten());
        for items in rules {
            lab.rule(chain, items);
        }
    }
    lab.set([element(80, None), element(443, None)]);
    lab
}

/// Jumps lead to later chains only, and only to those without a hook: every walk ends.
fn straight() -> impl Strategy<Value = Lab> {
    let chain = |number: u32| vec(rule((number + 1).max(5)..=CHAINS), 0..5).boxed();
    let chains = (0..CHAINS).map(chain).collect::<Vec<_>>();
    chains.prop_map(|chains| {
        let mut lab = lab(chains);
        lab.chain("last", None);
        lab
    })
}

fn tangled() -> impl Strategy<Value = Lab> {
    let unsure = prop_oneof![
        rule(0..=CHAINS),
        rule(0..=CHAINS).prop_map(|mut items| {
            items.insert(0, chance());
            items
        }),
        Just(vec![Item::Action(Action::Unknown("?".into()))]),
        (0..CHAINS).prop_map(|to| vec![chance(), jump(ChainId(to))]),
    ];
    vec(vec(unsure, 0..5), 1..8).prop_map(lab)
}

fn packet() -> impl Strategy<Value = Packet> {
    let addresses = (select(ADDRESSES.to_vec()), select(ADDRESSES.to_vec()));
    let facts = (select(PORTS.to_vec()), select(MARKS.to_vec()), select(UIDS.to_vec()));
    let tracking = select(vec![Tracking::New, Tracking::Invalid, Tracking::Untracked]);
    (addresses, facts, tracking).prop_map(|((source, destination), (port, mark, uid), tracking)| Packet {
        mark: Fact::Known(mark),
        uid: Fact::Known(uid),
        tracking,
        ..syn(source, destination, port)
    })
}

fn covers<T: Copy + PartialEq>(unknown: Fact<T>, known: Fact<T>) -> bool {
    unknown == Fact::Unknown || unknown == known
}

/// Whether what is told of a packet of which less is known takes in what became of one of which all is known.
fn takes_in(vague: &Outcome, outcome: &Outcome) -> bool {
    let (may, is) = (&vague.packet, &outcome.packet);
    vague.end == End::Unknown
        || vague.end == outcome.end
            && (!vague.destination_known || may.destination == is.destination)
            && covers(may.destination_port, is.destination_port)
            && covers(may.mark, is.mark)
            && covers(vague.connmark, outcome.connmark)
}

proptest! {
    #[test]
    fn every_walk_ends_with_something(lab in tangled(), packet in packet(), local: bool) {
        let journey = if local { OUTPUT } else { ARRIVAL };
        let walk = lab.walk(&packet, journey);
        prop_assert!(!walk.outcomes.is_empty() && walk.outcomes.len() <= 256);
        let certain = walk.outcomes.iter().filter(|outcome| outcome.certain).count();
        prop_assert!(certain == 0 || walk.outcomes.len() == 1);
    }

    #[test]
    fn where_all_is_known_there_is_one_certain_outcome(lab in straight(), packet in packet()) {
        let walk = lab.walk(&packet, OUTPUT);
        prop_assert!(!walk.truncated);
        prop_assert_eq!(walk.outcomes.len(), 1);
        prop_assert!(walk.outcomes[0].certain);
        prop_assert!(walk.outcomes[0].steps.iter().all(|step| step.certain));
    }

    #[test]
    fn what_is_unknown_takes_in_what_could_be(lab in straight(), packet in packet(), hidden in 0..5) {
        let outcome = lab.one(&packet, OUTPUT);
        let mut vague = packet;
        let mut journey = OUTPUT;
        match hidden {
            0 => vague.mark = Fact::Unknown,
            1 => vague.destination_port = Fact::Unknown,
            2 => vague.uid = Fact::Unknown,
            3 => vague.tracking = Tracking::Unknown,
            _ => journey = Journey::Output { device: Fact::Unknown },
        }
        // The device of a packet to this namespace is taken to be loopback.
        prop_assume!(hidden != 4 || packet.destination != ip("10.0.0.1"));
        let walk = lab.walk(&vague, journey);
        let found = walk.truncated || walk.outcomes.iter().any(|vague| takes_in(vague, &outcome));
        prop_assert!(found, "{outcome:#?} is not among {:#?}", walk.outcomes);
    }
}
