//! What an earlier rule let go is still there for the rules behind its chain.

use super::*;
use crate::model::rules::{Assign, Match, Source, Target, Verdict};

fn lines(text: &str) -> Vec<String> {
    told(&rows(&table("nat", text), &listeners(&[]), &[], false))
}

#[test]
fn a_port_that_a_chain_exempts_is_stolen_by_the_next_chain() {
    let found = lines(
        "-A PREROUTING -p tcp -j A
        -A PREROUTING -p tcp -j B
        -A A -p tcp --dport 9090 -j RETURN
        -A A -p tcp -j REDIRECT --to-ports 15006
        -A B -p tcp --dport 9090 -j REDIRECT --to-ports 41001
        -A B -p tcp --dport 9091 -j REDIRECT --to-ports 41002",
    );
    assert_eq!(
        found,
        [
            "stolen prerouting 6 0-9089,9091-65535 redirect here:15006 nobody []",
            "stolen prerouting 6 9090 redirect here:41001 nobody []",
        ]
    );
}

#[test]
fn what_a_condition_exempts_is_told_with_that_condition() {
    let found = lines(
        "-A PREROUTING -p tcp -j A
        -A PREROUTING -p tcp -j B
        -A A -p tcp --dport 9090 -s 10.77.0.9 -j RETURN
        -A A -p tcp -j REDIRECT --to-ports 15006
        -A B -p tcp --dport 9090:9091 -j REDIRECT --to-ports 41001",
    );
    assert_eq!(
        found[1..],
        ["stolen prerouting 6 9090 redirect here:41001 nobody [ip saddr 10.77.0.9]"]
    );
}

#[test]
fn a_chain_left_by_goto_exempts_as_one_that_was_jumped_to() {
    let mut rules = table(
        "nat",
        "-A PREROUTING -p tcp -j A
        -A PREROUTING -p tcp --dport 9090 -j REDIRECT --to-ports 41001
        -A A -p tcp -j C
        -A A -p tcp -j REDIRECT --to-ports 15001
        -A C -p tcp --dport 9090 -j RETURN
        -A C -p tcp -j REDIRECT --to-ports 15006",
    );
    for chain in &mut rules.chains {
        if &*chain.name == "A"
            && let Item::Action(Action::Verdict(verdict)) = &mut chain.rules[0].items[1]
            && let Verdict::Jump(to) = verdict
        {
            *verdict = Verdict::Goto(*to);
        }
    }
    let found = told(&rows(&rules, &listeners(&[]), &[], false));
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[1], "stolen prerouting 6 9090 redirect here:41001 nobody []");
}

#[test]
fn what_chance_exempts_is_not_hidden() {
    let found = lines(
        "-A PREROUTING -p tcp -j A
        -A PREROUTING -p tcp -j REDIRECT --to-ports 41001
        -A A -m statistic --mode random --probability 0.5 -j RETURN
        -A A -p tcp -j REDIRECT --to-ports 15006",
    );
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn mirrord_beside_istio_is_seen_on_the_ways_that_istio_leaves_to_it() {
    let found = lines(
        "-A PREROUTING -p tcp -j ISTIO_INBOUND
        -A OUTPUT -j ISTIO_OUTPUT
        -A ISTIO_INBOUND -p tcp -m tcp --dport 15008 -j RETURN
        -A ISTIO_INBOUND -p tcp -m tcp --dport 9090 -j RETURN
        -A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
        -A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
        -A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN
        -A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
        -A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
        -A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
        -A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT
        -A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN
        -A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
        -A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
        -A ISTIO_OUTPUT -j ISTIO_REDIRECT
        -A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
        -A PREROUTING -j MRDIN_x
        -A MRDIN_x -p tcp -m tcp --dport 9090 -j REDIRECT --to-ports 41001
        -A MRDIN_x -p tcp -m tcp --dport 9091 -j REDIRECT --to-ports 41001
        -A OUTPUT -j MRDOUT_x
        -A MRDOUT_x -m owner --gid-owner 31337 -p tcp -j RETURN
        -A MRDOUT_x -o lo -p tcp -m tcp --dport 9090 -j REDIRECT --to-ports 41001",
    );
    let mirrord: Vec<_> = found.iter().filter(|line| line.contains(":41001")).collect();
    assert_eq!(
        mirrord,
        [
            "stolen prerouting 6 9090 redirect here:41001 nobody []",
            "stolen output 6 9090 redirect here:41001 nobody [oifname lo; \
             not (daddr != 127.0.0.1, meta skuid 1337, ip saddr != 127.0.0.6); meta skgid != 31337]",
        ]
    );
}

#[test]
fn a_mark_that_is_set_on_the_way_is_not_taken_for_the_one_before() {
    let set = |value| {
        Item::Action(Action::Assign(Assign {
            target: Target::Mark,
            keep: 0,
            source: Source::None,
            value,
        }))
    };
    let mut jumped = table(
        "nat",
        "-A PREROUTING -m mark ! --mark 0x5 -j A
        -A A -p tcp
        -A A -m mark --mark 0x5 -p tcp --dport 8080 -j REDIRECT --to-ports 41000",
    );
    jumped.chains[1].rules[0].items.push(set(5));
    assert_eq!(
        told(&rows(&jumped, &listeners(&[]), &[], false)),
        ["stolen prerouting 6 8080 redirect here:41000 nobody \
          [meta mark != 0x5 (before a rule changes it); meta mark 0x5]"]
    );
    // Set in a chain that does nothing else.
    let mut excepted = table(
        "nat",
        "-A PREROUTING -m mark --mark 0x1 -j ACCEPT
        -A PREROUTING -j A
        -A PREROUTING -m mark --mark 0x1 -p tcp --dport 8080 -j REDIRECT --to-ports 41000
        -A A -p tcp",
    );
    excepted.chains[1].rules[0].items.push(set(1));
    let found = told(&rows(&excepted, &listeners(&[]), &[], false));
    assert_eq!(found.len(), 1);
    excepted.chains[1].rules.clear();
    assert_eq!(told(&rows(&excepted, &listeners(&[]), &[], false)), [] as [&str; 0]);
}

#[test]
fn a_question_that_is_not_understood_takes_nothing_away_when_it_is_asked_again() {
    let mut rules = table(
        "nat",
        "-A PREROUTING -p tcp -j ACCEPT
        -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 41000",
    );
    for rule in &mut rules.chains[0].rules {
        rule.items.insert(0, Item::Match(Match::Unknown("xt recent".into())));
    }
    assert_eq!(rows(&rules, &listeners(&[]), &[], false).len(), 1);
}
