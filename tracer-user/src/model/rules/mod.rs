//! The rules of one network namespace, of all back ends in one form.
//!
//! A rule is a list of matches and actions that a packet meets in order, as in nf_tables; xt rules are brought into the
//! same form. What is not understood is kept as text and stands for "may match" or "may do anything".

mod action;
mod field;
mod located;
mod matching;
mod network;
mod service;
mod set;
mod snapshot;
mod value;
mod walk;

pub use action::{Action, Assign, Nat, NatKind, NatTarget, Reject, Source, Target, Tproxy, Verdict};
pub use field::Field;
pub use located::{Component, Located};
pub use matching::{Match, Operand};
pub use network::{Address, Link, LocalRoute, Network};
pub use service::{Service, Unserved};
pub use set::{Data, Element, Set};
pub use snapshot::Snapshot;
pub use value::Value;
pub use walk::{Effect, End, Fact, Journey, Outcome, Packet, Step, Tracking, Walk};

use crate::model::named::named;
use std::sync::Arc;

/// Everything that was read of one namespace's rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// nf_tables' generation: it grows by one with every change. `None`: nf_tables could not be read.
    pub generation: Option<u32>,
    /// Base chains and the others, of every back end and family; a chain's number is its place here.
    pub chains: Vec<Chain>,
    /// Sets and maps of nf_tables, the anonymous ones included; a set's number is its place here.
    pub sets: Vec<Set>,
    /// What leads packets around the rules.
    pub bypasses: Vec<Bypass>,
    /// What could not be read, one sentence each: the rest stands, but a walk proves nothing.
    pub gaps: Vec<Arc<str>>,
}

impl Ruleset {
    pub fn chain(&self, id: ChainId) -> Option<&Chain> {
        self.chains.get(usize::try_from(id.0).ok()?)
    }

    pub fn set(&self, id: SetId) -> Option<&Set> {
        self.sets.get(usize::try_from(id.0).ok()?)
    }

    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.chain(id.chain)?.rules.get(usize::try_from(id.index).ok()?)
    }

    /// The chains that the rules of this one lead to, by jumps, gotos and verdict maps.
    pub fn leads_to(&self, chain: &Chain) -> Vec<ChainId> {
        let mut chains = Vec::new();
        for item in chain.rules.iter().flat_map(|rule| &rule.items) {
            match item {
                Item::Action(Action::Verdict(verdict)) => chains.extend(verdict.target()),
                Item::Action(Action::VerdictMap { map, .. }) => {
                    let data = self.set(*map).into_iter().flat_map(|map| {
                        let elements = map.elements.iter().filter_map(|element| element.data.as_ref());
                        elements.chain(&map.default)
                    });
                    chains.extend(data.filter_map(|data| match data {
                        Data::Verdict(verdict) => verdict.target(),
                        Data::Values(_) => None,
                    }));
                }
                Item::Action(_) | Item::Match(_) => {}
            }
        }
        chains
    }

    /// All chains with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (ChainId, &Chain)> {
        (0..).map(ChainId).zip(&self.chains)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.chains.iter().map(|chain| chain.rules.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.chains.iter().all(|chain| chain.rules.is_empty())
    }
}

/// A chain's place in its [`Ruleset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub u32);

/// A set's place in its [`Ruleset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub u32);

/// A rule's place in its [`Ruleset`]; `index` counts from 0 within the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    pub chain: ChainId,
    pub index: u32,
}

named! {
    /// Who holds a rule, and so which tool shows and changes it.
    Backend {
        Nft = "nft",
        IptablesNft = "iptables-nft",
        IptablesLegacy = "iptables-legacy",
    }
}

named! {
    /// The family of a table, in nft's words.
    Family {
        Ip = "ip",
        Ip6 = "ip6",
        Inet = "inet",
        Bridge = "bridge",
        Netdev = "netdev",
        Arp = "arp",
    }
}

named! {
    /// Where packets meet rules, in nft's words.
    Hook {
        Ingress = "ingress",
        Prerouting = "prerouting",
        Input = "input",
        Forward = "forward",
        Output = "output",
        Postrouting = "postrouting",
        Egress = "egress",
    }
}

named! {
    /// The type of a base chain.
    ChainKind {
        Filter = "filter",
        /// Met by the first packet of a connection only.
        Nat = "nat",
        /// A packet whose mark, addresses or TOS it changes is routed again.
        Route = "route",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub backend: Backend,
    pub family: Family,
    pub table: Arc<str>,
    pub name: Arc<str>,
    /// Where it is hooked; `None`: only jumps lead to it.
    pub base: Option<Base>,
    pub rules: Vec<Rule>,
    /// The table is switched off (nft's `flags dormant`): nothing in it acts.
    pub dormant: bool,
    /// The chain's own packet counter (of the policy), where it counts.
    pub counters: Option<Counters>,
}

/// How a base chain is hooked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    pub kind: ChainKind,
    pub hook: Hook,
    /// Lower ones come first.
    pub priority: i32,
    /// What happens to a packet that no rule decides: [`Verdict::Accept`] or [`Verdict::Drop`].
    pub policy: Verdict,
    /// Of ingress and egress chains.
    pub devices: Vec<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// nf_tables' number of the rule, of this table, never reused; legacy rules have none.
    pub handle: Option<u64>,
    /// In the order in which a packet meets them. The first match that fails ends the rule.
    pub items: Vec<Item>,
    pub counters: Option<Counters>,
    /// The user's remark (`-m comment`, nft's `comment`): untrusted.
    pub comment: Option<Arc<str>>,
    /// As the rule's own tool prints it: from `-A` on for iptables, without the handle for nft. Untrusted.
    pub text: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Match(Match),
    Action(Action),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub packets: u64,
    pub bytes: u64,
}

/// Something that leads packets around the rules, or decides before or after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bypass {
    /// An nf_flowtable: established connections that a rule put into it pass no FORWARD chain.
    Flowtable {
        family: Family,
        table: Arc<str>,
        name: Arc<str>,
    },
    /// br_netfilter: bridged packets meet the rules of ip and ip6 as well (`bridge-nf-call-iptables`).
    BridgeNetfilter,
    /// IPVS has virtual services in this namespace.
    Ipvs,
    /// A BPF program is attached to a netfilter hook, in whichever namespace: links do not tell.
    BpfNetfilter,
    /// A cgroup program may rewrite the destination of connect (socket-level load balancing).
    CgroupConnect,
}
