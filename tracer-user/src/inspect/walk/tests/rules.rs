//! One chain after another, one rule after another.

use super::*;
use crate::inspect::walk::culprit::{asked, deciding, setters};
use crate::model::rules::{Operand, Reject};

#[test]
fn the_first_match_that_fails_ends_the_rule_and_a_policy_ends_the_chain() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    lab.rule(out, [port(81), then(Verdict::Drop)]);
    lab.rule(out, [count()]);
    lab.rule(out, [port(80), then(Verdict::Reject(Reject::TcpReset))]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!(outcome.end, End::Rejected(Reject::TcpReset));
    assert_eq!(rules_met(&outcome), [(0, 1), (0, 2)]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 82), OUTPUT);
    assert_eq!(outcome.end, End::Left);
    assert_eq!(met(&outcome), [(Hook::Output, 0, Some(1)), (Hook::Output, 0, None)]);
    lab.ruleset.chains[0].base.as_mut().unwrap().policy = Verdict::Drop;
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 82), OUTPUT);
    assert_eq!(outcome.end, End::Dropped);
    assert_eq!(deciding(&outcome).map(|step| step.rule), Some(None));
}

#[test]
fn a_dormant_table_does_nothing() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    lab.rule(out, [then(Verdict::Drop)]);
    lab.ruleset.chains[0].dormant = true;
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!((outcome.end, outcome.steps.len()), (End::Left, 0));
}

#[test]
fn jumps_come_back_and_gotos_go_to_the_caller_of_their_caller() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    let (jumped, gone) = (lab.chain("jumped", None), lab.chain("gone", None));
    lab.rule(out, [jump(jumped)]);
    lab.rule(out, [count()]);
    lab.rule(jumped, [then(Verdict::Goto(Some(gone)))]);
    lab.rule(jumped, [then(Verdict::Drop)]);
    lab.rule(gone, [count(), then(Verdict::Return)]);
    lab.rule(gone, [then(Verdict::Drop)]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!(rules_met(&outcome), [(0, 0), (1, 0), (2, 0), (0, 1)]);
    assert_eq!(outcome.end, End::Left);
}

#[test]
fn return_in_a_base_chain_is_its_policy() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    lab.rule(out, [then(Verdict::Return)]);
    lab.rule(out, [then(Verdict::Accept)]);
    lab.ruleset.chains[0].base.as_mut().unwrap().policy = Verdict::Drop;
    assert_eq!(lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT).end, End::Dropped);
}

#[test]
fn circles_end_as_unknown() {
    for verdict in [Verdict::Jump, Verdict::Goto] {
        let mut lab = Lab::new();
        let out = lab.chain("out", filter(Hook::Output));
        let circle = lab.chain("circle", None);
        lab.rule(out, [jump(circle)]);
        lab.rule(circle, [then(verdict(Some(circle)))]);
        lab.rule(circle, [then(verdict(Some(circle)))]);
        let walk = lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
        assert_eq!(ends(&walk), [End::Unknown]);
        assert!(!walk.outcomes[0].certain);
    }
}

#[test]
fn chains_run_by_priority_and_accept_ends_only_one() {
    let mut lab = Lab::new();
    let late = lab.chain("late", base(ChainKind::Filter, Hook::Output, 10));
    let early = lab.chain("early", base(ChainKind::Filter, Hook::Output, -10));
    lab.rule(late, [then(Verdict::Drop)]);
    lab.rule(early, [then(Verdict::Accept)]);
    lab.rule(early, [then(Verdict::Drop)]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!(rules_met(&outcome), [(1, 0), (0, 0)]);
    assert_eq!(outcome.end, End::Dropped);
}

#[test]
fn of_one_table_and_priority_the_newer_chain_comes_first() {
    let mut lab = Lab::new();
    let old = lab.chain("old", filter(Hook::Output));
    let new = lab.chain("new", filter(Hook::Output));
    lab.rule(old, [count()]);
    lab.rule(new, [count()]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!(rules_met(&outcome), [(1, 0), (0, 0)]);
}

#[test]
fn an_unknown_order_is_two_outcomes_where_it_matters_and_one_where_not() {
    let mut lab = Lab::new();
    let nft = lab.chain("nft", filter(Hook::Output));
    let legacy = lab.chain_of(
        Backend::IptablesLegacy,
        Family::Ip,
        "filter",
        "OUTPUT",
        filter(Hook::Output),
    );
    lab.rule(nft, [port(80), then(Verdict::Drop)]);
    lab.rule(legacy, [then(Verdict::Reject(Reject::Icmp))]);
    let mut found = ends(&lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT));
    found.sort_by_key(|end| *end == End::Dropped);
    assert_eq!(found, [End::Rejected(Reject::Icmp), End::Dropped]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 81), OUTPUT);
    assert_eq!(outcome.end, End::Rejected(Reject::Icmp));
}

#[test]
fn of_three_tables_at_one_priority_any_may_come_between_the_others() {
    let mut lab = Lab::new();
    let tables = ["a", "b", "c"];
    let [a, b, c] = tables.map(|table| lab.chain_of(Backend::Nft, Family::Ip, table, "out", filter(Hook::Output)));
    // The middle one ends the walk: either neighbour may have been met, both or neither.
    lab.rule(a, [set_mark(Target::Mark, 1)]);
    lab.rule(b, [then(Verdict::Drop)]);
    lab.rule(c, [set_mark(Target::Connmark, 1)]);
    let outcomes = lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT).outcomes;
    let mut found: Vec<_> = outcomes
        .iter()
        .map(|outcome| (outcome.packet.mark, outcome.connmark))
        .collect();
    found.sort_by_key(|(mark, connmark)| (mark.known(), connmark.known()));
    let known = |mark, connmark| (Fact::Known(mark), Fact::Known(connmark));
    assert_eq!(found, [known(0, 0), known(0, 1), known(1, 0), known(1, 1)]);
}

#[test]
fn a_chain_that_is_met_once_for_sure_and_once_perhaps_is_two_steps() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    let user = lab.chain("user", None);
    lab.rule(user, [count()]);
    lab.rule(out, [chance(), jump(user)]);
    lab.rule(out, [jump(user)]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    let rules = outcome.steps.iter().filter(|step| step.rule.is_some());
    let sure: Vec<bool> = rules.map(|step| step.certain).collect();
    assert_eq!(rules_met(&outcome), [(0, 0), (1, 0), (0, 1), (1, 0)]);
    assert_eq!(sure, [false, false, true, true]);
}

#[test]
fn a_rule_that_has_counted_was_met_even_if_it_ends_early() {
    let mut lab = Lab::new();
    let early = lab.chain("early", base(ChainKind::Filter, Hook::Output, -300));
    let restore = Action::Assign(Assign {
        target: Target::Mark,
        keep: 0,
        source: Source::Connmark { mask: 0xff, shift: 0 },
        value: 0,
    });
    lab.rule(early, [count(), Item::Action(restore), then(Verdict::Drop)]);
    lab.rule(early, [port(81), count()]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!((outcome.end, rules_met(&outcome)), (End::Left, vec![(0, 0)]));
}

#[test]
fn a_match_after_a_counter_undoes_no_count() {
    let mut lab = Lab::new();
    let early = lab.chain("early", base(ChainKind::Filter, Hook::Output, -300));
    lab.rule(early, [count(), port(81), then(Verdict::Drop)]);
    lab.rule(early, [chance(), count(), port(81), then(Verdict::Drop)]);
    lab.rule(early, [port(80), count(), chance(), then(Verdict::Drop)]);
    let walk = lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!(ends(&walk), [End::Dropped, End::Left]);
    for outcome in &walk.outcomes {
        let steps = outcome.steps.iter().filter(|step| step.rule.is_some());
        let met: Vec<_> = steps.map(|step| (step.rule.unwrap().index, step.certain)).collect();
        assert_eq!(met, [(0, true), (1, false), (2, outcome.end == End::Left)]);
    }
}

#[test]
fn families_meet_their_own_chains_and_inet() {
    let mut lab = Lab::new();
    for family in [Family::Ip, Family::Ip6, Family::Inet, Family::Bridge] {
        let chain = lab.chain_of(
            Backend::Nft,
            family,
            "t",
            "out",
            base(ChainKind::Filter, Hook::Output, 0),
        );
        lab.rule(chain, [count()]);
    }
    let chains = |outcome: &Outcome| {
        let mut chains = rules_met(outcome).iter().map(|met| met.0).collect::<Vec<_>>();
        chains.sort_unstable();
        chains
    };
    assert_eq!(chains(&lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT)), [0, 2]);
    assert_eq!(chains(&lab.one(&syn("fd00::1", "fd00::9", 80), OUTPUT)), [1, 2]);
}

#[test]
fn what_a_packet_lacks_fits_no_native_match_but_the_opposite_of_one() {
    let mut lab = Lab::new();
    let inp = lab.chain("in", filter(Hook::Input));
    lab.rule(inp, [not(Field::SocketUid, 5), then(Verdict::Drop)]);
    lab.rule(inp, [not(Field::IcmpType, 8), then(Verdict::Drop)]);
    assert_eq!(lab.one(&arriving("10.0.0.1", 80), ARRIVAL).end, End::Delivered);
    let owner = Match::NotAll(vec![Match::equals(Field::SocketUid, 5)]);
    lab.rule(inp, [Item::Match(owner), then(Verdict::Drop)]);
    assert_eq!(lab.one(&arriving("10.0.0.1", 80), ARRIVAL).end, End::Dropped);
}

#[test]
fn there_is_no_input_device_in_output_and_its_name_is_empty() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    let name = |name: &str, negated| {
        Item::Match(Match::Name {
            field: Field::InputName,
            name: name.as_bytes().into(),
            prefix: false,
            negated,
        })
    };
    lab.rule(out, [name("lo", false), then(Verdict::Drop)]);
    lab.rule(out, [name("lo", true), is(Field::InputInterface, 0)]);
    assert_eq!(rules_met(&lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT)), [(0, 1)]);
}

#[test]
fn an_unknown_device_is_none_that_it_cannot_be() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    let name = |name: &str, prefix| {
        Item::Match(Match::Name {
            field: Field::OutputName,
            name: name.as_bytes().into(),
            prefix,
            negated: false,
        })
    };
    lab.rule(out, [name("lo", false), then(Verdict::Drop)]);
    lab.rule(out, [name("eth", true), count()]);
    let unknown = Journey::Output { device: Fact::Unknown };
    assert_eq!(rules_met(&lab.one(&syn("10.0.0.1", "10.9.0.9", 80), unknown)), [(0, 1)]);
    lab.rule(out, [name("eth0", false), then(Verdict::Drop)]);
    let walk = lab.walk(&syn("10.0.0.1", "10.9.0.9", 80), unknown);
    assert_eq!(walk.outcomes.len(), 2);
    assert!(walk.outcomes.iter().all(|outcome| !outcome.certain));
}

#[test]
fn chance_and_what_is_not_understood_make_two_outcomes() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    lab.rule(out, [Item::Match(Match::Unknown("u32".into())), then(Verdict::Drop)]);
    let walk = lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!(walk.outcomes.len(), 2);
    for outcome in &walk.outcomes {
        assert!(!outcome.certain);
        let dropped = outcome.end == End::Dropped;
        assert_eq!(
            outcome.steps.iter().any(|step| step.rule.is_some() && !step.certain),
            dropped
        );
    }
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    lab.rule(out, [Item::Action(Action::Unknown("SYNPROXY".into()))]);
    let found = ends(&lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT));
    assert!(found.contains(&End::Unknown) && found.contains(&End::Left));
}

#[test]
fn what_may_fit_and_changes_nothing_stays_one_certain_outcome() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    let idle = lab.chain("idle", None);
    for _ in 0..40 {
        lab.rule(out, [chance(), count()]);
    }
    lab.rule(out, [chance(), jump(idle)]);
    lab.rule(idle, [count()]);
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert!(outcome.steps.iter().all(|step| step.rule.is_none() == step.certain));
    assert_eq!(rules_met(&outcome).last(), Some(&(1, 0)));
}

#[test]
fn too_many_ways_are_cut_and_said() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    for bit in 0..20 {
        let mut mark = Assign {
            target: Target::Mark,
            keep: !(1 << bit),
            source: Source::None,
            value: 1 << bit,
        };
        mark.keep = !mark.value;
        lab.rule(out, [chance(), Item::Action(Action::Assign(mark))]);
    }
    let walk = lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert!(walk.truncated && !walk.outcomes.is_empty() && walk.outcomes.len() <= 256);
    assert!(walk.outcomes.iter().all(|outcome| !outcome.certain));
}

#[test]
fn queues_with_bypass_may_go_on() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    let queue = |bypass| Verdict::Queue { queues: 0..=0, bypass };
    lab.rule(out, [then(queue(false))]);
    assert_eq!(lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT).end, End::Queued);
    lab.ruleset.chains[0].rules.clear();
    lab.rule(out, [then(queue(true))]);
    lab.rule(out, [then(Verdict::Drop)]);
    let found = ends(&lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT));
    assert_eq!(found.len(), 2);
    assert!(found.contains(&End::Queued) && found.contains(&End::Left));
}

#[test]
fn sets_and_verdict_maps_are_looked_up_with_intervals_and_concatenations() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    let number = |number: u128| Value::Number(number);
    let ranges = (0..50).map(|n| Element {
        key: vec![number(n * 10), number(5)],
        last: Some(vec![number(n * 10 + 1000), number(6)]),
        data: None,
    });
    let pairs = lab.set(ranges);
    let verdicts = lab.set([
        element(80, Some(Data::Verdict(Verdict::Drop))),
        element(81, Some(Data::Verdict(Verdict::Accept))),
    ]);
    let key = |field| Operand::field(field);
    lab.rule(
        out,
        [
            Item::Match(Match::Lookup {
                key: vec![key(Field::DestinationPort), key(Field::L4Proto)],
                set: pairs,
                negated: true,
            }),
            then(Verdict::Reject(Reject::Icmp)),
        ],
    );
    lab.rule(
        out,
        [Item::Action(Action::VerdictMap {
            key: vec![key(Field::DestinationPort)],
            map: verdicts,
        })],
    );
    lab.rule(out, [count()]);
    let end = |port| lab.one(&syn("10.0.0.1", "10.0.0.9", port), OUTPUT);
    assert_eq!(end(80).end, End::Dropped);
    assert_eq!(rules_met(&end(81)), [(0, 1)]);
    assert_eq!(rules_met(&end(1490)), [(0, 2)]);
    assert_eq!(end(1491).end, End::Rejected(Reject::Icmp));
    lab.ruleset.sets[0].dynamic = true;
    assert_eq!(lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT).outcomes.len(), 2);
}

#[test]
fn a_random_map_has_an_outcome_for_each_element_and_none_for_a_miss() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    let chains = (0..3).map(|n| lab.chain(&n.to_string(), None)).collect::<Vec<_>>();
    for (chain, mark) in chains.iter().zip(1..) {
        lab.rule(*chain, [set_mark(Target::Mark, mark)]);
    }
    let elements = (0..).zip(&chains);
    let elements = elements.map(|(n, chain)| element(n, Some(Data::Verdict(Verdict::Jump(Some(*chain))))));
    let map = lab.set(elements.collect::<Vec<_>>());
    let key = vec![Operand::Random { modulus: 3, offset: 0 }];
    lab.rule(out, [Item::Action(Action::VerdictMap { key, map })]);
    let walk = lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    let mut marks = walk
        .outcomes
        .iter()
        .map(|outcome| outcome.packet.mark.known())
        .collect::<Vec<_>>();
    marks.sort_unstable();
    assert_eq!(marks, [Some(1), Some(2), Some(3)]);
}

#[test]
fn where_a_socket_is_looked_for_there_may_be_none() {
    let mut lab = Lab::new();
    let pre = lab.chain("pre", filter(Hook::Prerouting));
    lab.rule(
        pre,
        [
            Item::Match(Match::within(Field::SocketWildcard, 0..=1)),
            then(Verdict::Drop),
        ],
    );
    let found = ends(&lab.walk(&arriving("10.0.0.1", 80), ARRIVAL));
    assert_eq!(found, [End::Dropped, End::Delivered]);
}

#[test]
fn unknown_marks_are_known_bit_by_bit() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    let set = Assign {
        target: Target::Mark,
        keep: !0x4000,
        source: Source::None,
        value: 0x4000,
    };
    let bit = |bit: u128| Item::Match(Match::masked(Field::Mark, bit, bit));
    lab.rule(out, [Item::Action(Action::Assign(set))]);
    lab.rule(out, [bit(0x4000), count()]);
    let mut packet = syn("10.0.0.1", "10.0.0.9", 80);
    packet.mark = Fact::Unknown;
    assert_eq!(rules_met(&lab.one(&packet, OUTPUT)), [(0, 0), (0, 1)]);
    // What one rule found out the next one knows.
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    lab.rule(out, [bit(8), then(Verdict::Accept)]);
    lab.rule(out, [bit(8), then(Verdict::Drop)]);
    assert_eq!(lab.one(&packet, OUTPUT).end, End::Left);
}

#[test]
fn the_rules_that_set_a_mark_are_found_by_the_rule_that_asks_for_it() {
    let mut lab = Lab::new();
    let out = lab.chain("out", filter(Hook::Output));
    let assign = |target, keep, source, value| {
        Item::Action(Action::Assign(Assign {
            target,
            keep,
            source,
            value,
        }))
    };
    let save = Source::Mark { mask: 0xff, shift: 0 };
    lab.rule(out, [assign(Target::Connmark, 0, Source::None, 0x111)]);
    lab.rule(out, [assign(Target::Connmark, !1, Source::None, 1)]);
    lab.rule(out, [assign(Target::Connmark, 0, save, 0)]);
    lab.rule(out, [assign(Target::Mark, 0, Source::None, 1)]);
    lab.rule(out, [assign(Target::Connmark, !0xff00, Source::None, 0x100)]);
    lab.rule(out, [Item::Match(Match::equals(Field::CtMark, 1)), then(Verdict::Drop)]);
    let wanted = asked(&lab.ruleset.chains[0].rules[5]);
    assert_eq!(wanted, [(Target::Connmark, u32::MAX, 1)]);
    let found = |mask| {
        let found = setters(&lab.ruleset, Target::Connmark, mask, 1);
        found.iter().map(|rule| rule.index).collect::<Vec<_>>()
    };
    assert_eq!(found(u32::MAX), [1, 2]);
    assert_eq!(found(1), [0, 1, 2]);
}
