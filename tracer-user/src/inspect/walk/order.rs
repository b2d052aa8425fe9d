//! In which order a hook runs what is registered at it.

use crate::model::rules::{Base, Chain, ChainId, ChainKind, Family, Hook, Ruleset, Verdict};

/// What runs at one hook, in turn: every order that the kernel may have. Of equal priorities it runs the one first that
/// was registered last, and only within a table is it known which that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) ways: Vec<Vec<Stage>>,
    /// There are more orders.
    pub(super) more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Conntrack,
    Chain(ChainId),
    /// All nat chains of the hook, in every order that the kernel may have.
    Nat {
        ways: Vec<Vec<ChainId>>,
        more: bool,
    },
}

/// One that has a place in the order.
struct Place<'a> {
    priority: i32,
    stage: Stage,
    /// `None`: the kernel's own.
    chain: Option<&'a Chain>,
}

/// The orders of one address family's hooks.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    prerouting: Order,
    input: Order,
    forward: Order,
    output: Order,
    postrouting: Order,
    /// The kernel translates: there is a nat chain.
    pub(super) translates: bool,
}

impl Orders {
    pub(super) fn new(ruleset: &Ruleset, ipv6: bool) -> Self {
        let translates = bases(ruleset, ipv6).any(|(_, _, base)| base.kind == ChainKind::Nat);
        let order = |hook| order(ruleset, ipv6, hook, translates);
        Self {
            prerouting: order(Hook::Prerouting),
            input: order(Hook::Input),
            forward: order(Hook::Forward),
            output: order(Hook::Output),
            postrouting: order(Hook::Postrouting),
            translates,
        }
    }

    /// `None`: a hook that packets of IP do not pass.
    pub(super) fn at(&self, hook: Hook) -> Option<&Order> {
        match hook {
            Hook::Prerouting => Some(&self.prerouting),
            Hook::Input => Some(&self.input),
            Hook::Forward => Some(&self.forward),
            Hook::Output => Some(&self.output),
            Hook::Postrouting => Some(&self.postrouting),
            Hook::Ingress | Hook::Egress => None,
        }
    }
}

fn bases(ruleset: &Ruleset, ipv6: bool) -> impl DoubleEndedIterator<Item = (ChainId, &Chain, &Base)> {
    let families = [Family::Inet, if ipv6 { Family::Ip6 } else { Family::Ip }];
    let numbered = (0..).map(ChainId).zip(&ruleset.chains).collect::<Vec<_>>();
    let acting = numbered
        .into_iter()
        .filter(move |(_, chain)| families.contains(&chain.family) && !chain.dormant);
    acting.filter_map(|(id, chain)| Some((id, chain, chain.base.as_ref()?)))
}

fn order(ruleset: &Ruleset, ipv6: bool, hook: Hook, translates: bool) -> Order {
    let (mut places, mut nat) = (Vec::new(), Vec::new());
    for (id, chain, base) in bases(ruleset, ipv6).rev().filter(|(_, _, base)| base.hook == hook) {
        let place = Place {
            priority: base.priority,
            stage: Stage::Chain(id),
            chain: Some(chain),
        };
        match base.kind {
            ChainKind::Nat => nat.push(place),
            ChainKind::Filter | ChainKind::Route => places.push(place),
        }
    }
    if let Some(priority) = conntrack_priority(hook) {
        places.insert(0, Place::own(priority, Stage::Conntrack));
    }
    if translates && let Some(priority) = nat_priority(hook) {
        nat.sort_by_key(|place| place.priority);
        let (ways, more) = arrangements(&nat);
        let ways = ways.iter().map(|stages| chains(stages)).collect();
        places.insert(0, Place::own(priority, Stage::Nat { ways, more }));
    }
    places.sort_by_key(|place| place.priority);
    let (ways, more) = arrangements(&places);
    Order { ways, more }
}

impl Place<'_> {
    fn own(priority: i32, stage: Stage) -> Self {
        Self {
            priority,
            stage,
            chain: None,
        }
    }

    /// Neither order nor presence matters.
    fn is_idle(&self) -> bool {
        let accepts = |chain: &Chain| matches!(&chain.base, Some(base) if base.policy == Verdict::Accept);
        self.chain.is_some_and(|chain| chain.rules.is_empty() && accepts(chain))
    }

    /// It is known which of two was registered first.
    fn is_ordered_with(&self, other: &Self) -> bool {
        match (self.chain, other.chain) {
            (Some(chain), Some(other)) => {
                (chain.backend, chain.family, &chain.table) == (other.backend, other.family, &other.table)
            }
            (None, _) | (_, None) => false,
        }
    }
}

/// Every order in which the kernel may run these, which are sorted by priority, and whether there are more than are told.
fn arrangements(places: &[Place<'_>]) -> (Vec<Vec<Stage>>, bool) {
    let (mut ways, mut more) = (vec![Vec::new()], false);
    for group in places.chunk_by(|left, right| left.priority == right.priority) {
        let (idle, acting): (Vec<&Place<'_>>, Vec<_>) = group.iter().partition(|place| place.is_idle());
        let first: Vec<Stage> = idle.iter().map(|place| place.stage.clone()).collect();
        let mut orders = Vec::new();
        interleave(&acting, first, &mut orders);
        let all = ways
            .iter()
            .flat_map(|way: &Vec<Stage>| orders.iter().map(move |order| [&**way, order].concat()));
        let all: Vec<Vec<Stage>> = all.take(ORDERS + 1).collect();
        more |= all.len() > ORDERS;
        ways = all;
        ways.truncate(ORDERS);
    }
    (ways, more)
}

/// Every order of `rest` after `begun` that keeps those in order whose order is known.
fn interleave(rest: &[&Place<'_>], begun: Vec<Stage>, orders: &mut Vec<Vec<Stage>>) {
    if rest.is_empty() {
        return orders.push(begun);
    }
    for (index, place) in rest.iter().enumerate() {
        let waits = rest.iter().take(index).any(|other| other.is_ordered_with(place));
        if !waits && orders.len() <= ORDERS {
            let others: Vec<&Place<'_>> = rest
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index)
                .map(|(_, place)| *place)
                .collect();
            interleave(&others, [&*begun, std::slice::from_ref(&place.stage)].concat(), orders);
        }
    }
}

fn chains(stages: &[Stage]) -> Vec<ChainId> {
    let chains = stages.iter().filter_map(|stage| match stage {
        Stage::Chain(id) => Some(*id),
        Stage::Conntrack | Stage::Nat { .. } => None,
    });
    chains.collect()
}

/// `NF_IP_PRI_CONNTRACK`.
fn conntrack_priority(hook: Hook) -> Option<i32> {
    matches!(hook, Hook::Prerouting | Hook::Output).then_some(-200)
}

/// `NF_IP_PRI_NAT_DST` and `NF_IP_PRI_NAT_SRC`, whatever the priorities of the chains.
fn nat_priority(hook: Hook) -> Option<i32> {
    match hook {
        Hook::Prerouting | Hook::Output => Some(-100),
        Hook::Input | Hook::Postrouting => Some(100),
        Hook::Ingress | Hook::Forward | Hook::Egress => None,
    }
}

/// Orders of one hook that are told: all of four tables' chains at one priority.
const ORDERS: usize = 24;
