//! In which order one packet can meet two rules, by the hooks and priorities of the base chains that lead to them.
//!
//! A packet that goes over loopback begins anew: what OUTPUT does to it is not set against PREROUTING.

use crate::model::rules::{ChainId, Family, Hook, RuleId, Ruleset};
use std::collections::{BTreeMap, BTreeSet};

/// From which base chains each chain is reached.
pub(super) struct Order<'a> {
    ruleset: &'a Ruleset,
    places: BTreeMap<ChainId, Vec<Place>>,
}

#[derive(Clone, Copy)]
struct Place {
    base: ChainId,
    hook: Hook,
    priority: i32,
}

impl<'a> Order<'a> {
    pub(super) fn new(ruleset: &'a Ruleset) -> Self {
        let mut places: BTreeMap<ChainId, Vec<Place>> = BTreeMap::new();
        for (base, chain) in ruleset.numbered().filter(|(_, chain)| !chain.dormant) {
            let Some(hooked) = &chain.base else {
                continue;
            };
            let place = Place {
                base,
                hook: hooked.hook,
                priority: hooked.priority,
            };
            let (mut seen, mut open) = (BTreeSet::from([base]), vec![base]);
            while let Some(id) = open.pop() {
                places.entry(id).or_default().push(place);
                let called = ruleset.chain(id).map(|chain| ruleset.leads_to(chain));
                open.extend(called.unwrap_or_default().into_iter().filter(|id| seen.insert(*id)));
            }
        }
        Self { ruleset, places }
    }

    /// Some packet is of the families of both.
    pub(super) fn share_family(&self, one: RuleId, other: RuleId) -> bool {
        let family = |rule: RuleId| self.ruleset.chain(rule.chain).map(|chain| chain.family);
        match (family(one), family(other)) {
            (Some(one), Some(other)) if one == other => true,
            (Some(Family::Inet), Some(Family::Ip | Family::Ip6))
            | (Some(Family::Ip | Family::Ip6), Some(Family::Inet)) => true,
            _ => false,
        }
    }

    /// One packet may meet the one and then the other.
    pub(super) fn may_precede(&self, one: RuleId, other: RuleId) -> bool {
        self.pairs(one, other)
            .any(|(first, second)| is_before(first, second) || (first.base == second.base && !is_behind(one, other)))
    }

    /// The second is met between the first and the third.
    pub(super) fn is_between(&self, first: RuleId, second: RuleId, third: RuleId) -> bool {
        self.pairs(first, second).any(|(before, at)| {
            let after = self.at(third);
            let follows = |(one, here): (RuleId, Place), (other, there): (RuleId, Place)| {
                is_before(here, there)
                    || (here.base == there.base && one.chain == other.chain && one.index < other.index)
            };
            follows((first, before), (second, at)) && after.iter().any(|after| follows((second, at), (third, *after)))
        })
    }

    fn pairs(&self, one: RuleId, other: RuleId) -> impl Iterator<Item = (Place, Place)> {
        let others = self.at(other);
        self.at(one)
            .iter()
            .flat_map(move |first| others.iter().map(move |second| (*first, *second)))
    }

    fn at(&self, rule: RuleId) -> &[Place] {
        self.places.get(&rule.chain).map_or(&[], Vec::as_slice)
    }
}

fn is_behind(one: RuleId, other: RuleId) -> bool {
    one.chain == other.chain && one.index >= other.index
}

fn is_before(one: Place, other: Place) -> bool {
    let earlier = match one.hook {
        Hook::Ingress => other.hook != Hook::Output,
        Hook::Prerouting => matches!(
            other.hook,
            Hook::Input | Hook::Forward | Hook::Postrouting | Hook::Egress
        ),
        Hook::Forward | Hook::Output => matches!(other.hook, Hook::Postrouting | Hook::Egress),
        Hook::Postrouting => other.hook == Hook::Egress,
        Hook::Input | Hook::Egress => false,
    };
    if one.hook == other.hook {
        one.priority < other.priority
    } else {
        earlier
    }
}
