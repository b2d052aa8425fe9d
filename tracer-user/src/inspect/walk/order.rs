//! In which order a hook runs what is registered at it.

use crate::model::rules::{Base, Chain, ChainId, ChainKind, Family, Hook, Ruleset, Verdict};

/// What runs at one hook, in turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) stages: Vec<Stage>,
    /// The other order, where the kernel's cannot be told: equal priorities run the one first that was registered
    /// last, and only within a table is it known which that is.
    pub(super) other: Option<Vec<Stage>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Conntrack,
    Chain(ChainId),
    /// All nat chains of the hook.
    Nat {
        chains: Vec<ChainId>,
        other: Option<Vec<ChainId>>,
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
        let other = turned(&nat).map(|stages| chains(&stages));
        let stages = nat.into_iter().map(|place| place.stage).collect::<Vec<_>>();
        let stage = Stage::Nat {
            chains: chains(&stages),
            other,
        };
        places.insert(0, Place::own(priority, stage));
    }
    places.sort_by_key(|place| place.priority);
    Order {
        other: turned(&places),
        stages: places.into_iter().map(|place| place.stage).collect(),
    }
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

/// The stages with equal priorities turned round where their order is not known; `None`: all of it is known.
fn turned(places: &[Place<'_>]) -> Option<Vec<Stage>> {
    let mut stages = Vec::new();
    let mut differs = false;
    for group in places.chunk_by(|left, right| left.priority == right.priority) {
        let acting = group.iter().filter(|place| !place.is_idle()).collect::<Vec<_>>();
        let unknown = acting.windows(2).any(|pair| match pair {
            [left, right] => !left.is_ordered_with(right),
            _ => false,
        });
        differs |= unknown;
        let group = group.iter().map(|place| place.stage.clone());
        if unknown {
            stages.extend(group.rev());
        } else {
            stages.extend(group);
        }
    }
    differs.then_some(stages)
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
