//! Tests of the walk, and the little rulesets that they are about.

mod conntrack;
mod journeys;
mod random;
mod rules;
mod translation;

use super::Walker;
use crate::model::rules::{
    Action, Address, Assign, Backend, Base, Chain, ChainId, ChainKind, Data, Effect, Element, End, Fact, Family, Field,
    Hook, Item, Journey, Link, Match, Nat, NatKind, NatTarget, Network, Outcome, Packet, Rule, Ruleset, Set, SetId,
    Source, Target, Tracking, Value, Verdict, Walk,
};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// Rules in a namespace with lo, eth0 (10.0.0.1, fd00::1) and eth1 (10.1.0.1).
#[derive(Debug)]
pub(super) struct Lab {
    pub(super) ruleset: Ruleset,
    pub(super) network: Network,
}

impl Lab {
    pub(super) fn new() -> Self {
        let link = |index, name: &str| Link {
            index,
            name: name.into(),
            loopback: index == 1,
        };
        let own = |text: &str, prefix, link| Address {
            address: ip(text),
            prefix,
            link,
        };
        Self {
            ruleset: Ruleset::default(),
            network: Network {
                links: vec![link(1, "lo"), link(ETH0, "eth0"), link(ETH1, "eth1")],
                addresses: vec![
                    own("127.0.0.1", 8, 1),
                    own("10.0.0.1", 24, ETH0),
                    own("fd00::1", 64, ETH0),
                    own("10.1.0.1", 24, ETH1),
                ],
                locals: Vec::new(),
            },
        }
    }

    /// A chain of table `t` in inet.
    pub(super) fn chain(&mut self, name: &str, base: Option<Base>) -> ChainId {
        self.chain_of(Backend::Nft, Family::Inet, "t", name, base)
    }

    pub(super) fn chain_of(
        &mut self,
        backend: Backend,
        family: Family,
        table: &str,
        name: &str,
        base: Option<Base>,
    ) -> ChainId {
        self.ruleset.chains.push(Chain {
            backend,
            family,
            table: table.into(),
            name: name.into(),
            base,
            rules: Vec::new(),
            dormant: false,
            counters: None,
        });
        ChainId(u32::try_from(self.ruleset.chains.len() - 1).unwrap())
    }

    pub(super) fn rule(&mut self, chain: ChainId, items: impl IntoIterator<Item = Item>) {
        let chain = &mut self.ruleset.chains[chain.0 as usize];
        chain.rules.push(Rule {
            handle: None,
            items: items.into_iter().collect(),
            counters: None,
            comment: None,
            text: "".into(),
        });
    }

    pub(super) fn set(&mut self, elements: impl IntoIterator<Item = Element>) -> SetId {
        self.ruleset.sets.push(Set {
            family: Family::Inet,
            table: "t".into(),
            name: "s".into(),
            anonymous: true,
            dynamic: false,
            incomplete: false,
            elements: elements.into_iter().collect(),
            default: None,
        });
        SetId(u32::try_from(self.ruleset.sets.len() - 1).unwrap())
    }

    pub(super) fn walk(&self, packet: &Packet, journey: Journey) -> Walk {
        Walker::over(&self.ruleset, &self.network).walk(packet, journey)
    }

    /// The only outcome.
    pub(super) fn one(&self, packet: &Packet, journey: Journey) -> Outcome {
        let walk = self.walk(packet, journey);
        assert!(!walk.truncated);
        let [outcome] = walk.outcomes.as_slice() else {
            panic!("one outcome, not {:#?}", walk.outcomes);
        };
        assert!(outcome.certain);
        outcome.clone()
    }
}

pub(super) const ETH0: u32 = 2;
pub(super) const ETH1: u32 = 3;
pub(super) const OUTPUT: Journey = Journey::Output {
    device: Fact::Known(ETH0),
};
pub(super) const ARRIVAL: Journey = Journey::Arrival {
    device: Fact::Known(ETH0),
    leaves_by: Fact::Known(ETH1),
};

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A SYN.
pub(super) fn syn(source: &str, destination: &str, port: u16) -> Packet {
    Packet {
        source: ip(source),
        destination: ip(destination),
        protocol: 6,
        source_port: Fact::Known(40_000),
        destination_port: Fact::Known(port),
        tcp_flags: Fact::Known(2),
        icmp: Fact::Absent,
        length: Fact::Known(60),
        time_to_live: Fact::Known(64),
        dscp: Fact::Known(0),
        mark: Fact::Known(0),
        uid: Fact::Known(1000),
        gid: Fact::Known(1000),
        tracking: Tracking::New,
    }
}

pub(super) fn arriving(destination: &str, port: u16) -> Packet {
    Packet {
        uid: Fact::Absent,
        gid: Fact::Absent,
        ..syn("10.0.0.9", destination, port)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what a chain is made with")]
pub(super) fn base(kind: ChainKind, hook: Hook, priority: i32) -> Option<Base> {
    Some(Base {
        kind,
        hook,
        priority,
        policy: Verdict::Accept,
        devices: Vec::new(),
    })
}

pub(super) fn filter(hook: Hook) -> Option<Base> {
    base(ChainKind::Filter, hook, 0)
}

pub(super) fn nat(hook: Hook) -> Option<Base> {
    let priority = if matches!(hook, Hook::Prerouting | Hook::Output) {
        -100
    } else {
        100
    };
    base(ChainKind::Nat, hook, priority)
}

pub(super) fn is(field: Field, value: u128) -> Item {
    Item::Match(Match::equals(field, value))
}

pub(super) fn not(field: Field, value: u128) -> Item {
    Item::Match(Match::equals(field, value).negate(true))
}

pub(super) fn port(port: u16) -> Item {
    is(Field::DestinationPort, port.into())
}

pub(super) fn then(verdict: Verdict) -> Item {
    Item::Action(Action::Verdict(verdict))
}

pub(super) fn jump(to: ChainId) -> Item {
    then(Verdict::Jump(Some(to)))
}

pub(super) fn count() -> Item {
    Item::Action(Action::Harmless("counter".into()))
}

pub(super) fn chance() -> Item {
    Item::Match(Match::Chance("statistic".into()))
}

pub(super) fn set_mark(target: Target, value: u32) -> Item {
    Item::Action(Action::Assign(Assign {
        target,
        keep: 0,
        source: Source::None,
        value,
    }))
}

/// A translation to an address and ports.
pub(super) fn to(kind: NatKind, address: Option<&str>, ports: Option<RangeInclusive<u16>>) -> Item {
    Item::Action(Action::Nat(Nat {
        kind,
        target: NatTarget::Fixed {
            addresses: address.map(|address| ip(address)..=ip(address)),
            ports,
            netmap: false,
            base_port: None,
        },
        random: false,
        persistent: false,
    }))
}

pub(super) fn element(key: u128, data: Option<Data>) -> Element {
    Element {
        key: vec![Value::Number(key)],
        last: None,
        data,
    }
}

/// The rules and policies that were met: hook, chain and rule (from 0; `None`: the policy).
pub(super) fn met(outcome: &Outcome) -> Vec<(Hook, u32, Option<u32>)> {
    let steps = outcome.steps.iter();
    steps
        .map(|step| (step.hook, step.chain.0, step.rule.map(|rule| rule.index)))
        .collect()
}

pub(super) fn rules_met(outcome: &Outcome) -> Vec<(u32, u32)> {
    let steps = outcome.steps.iter().filter_map(|step| step.rule);
    steps.map(|rule| (rule.chain.0, rule.index)).collect()
}

pub(super) fn ends(walk: &Walk) -> Vec<End> {
    walk.outcomes.iter().map(|outcome| outcome.end).collect()
}

pub(super) fn effects(outcome: &Outcome) -> Vec<Effect> {
    let steps = outcome.steps.iter().filter(|step| step.rule.is_some());
    steps.map(|step| step.effect).collect()
}
