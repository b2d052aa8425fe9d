//! A legacy table: from the kernel's two structures to chains.
//!
//! Offsets are checked, not trusted. Does not read anything itself (`inspect::source::xt`).

use super::entry::{self, Entry, Layout};
use super::sets::SetNames;
use crate::inspect::rules::bytes::{text, until_nul};
use crate::model::rules::{
    Action, Backend, Base, Chain, ChainId, ChainKind, Family, Hook, Item, NatKind, NatTarget, Rule, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum XtError {
    #[error("a table's description of {0} bytes")]
    ShortInfo(usize),
    #[error("the entry at byte {0} does not fit its table")]
    Entry(usize),
    #[error("the entry at byte {0} is in no chain")]
    Stray(usize),
    #[error("a chain's hook or end is at byte {0}, where no entry begins")]
    Hook(usize),
    #[error("the chain's policy at byte {0} is neither ACCEPT nor DROP")]
    Policy(usize),
}

/// `struct ipt_getinfo`: enough to see that a table was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub entries: u32,
    /// Of all entries, in bytes.
    pub size: u32,
    valid_hooks: u32,
    hook_entry: [u32; 5],
    underflow: [u32; 5],
}

impl Shape {
    pub fn parse(info: &[u8]) -> Result<Self, XtError> {
        let short = XtError::ShortInfo(info.len());
        let (words, _) = info.get(NAME..INFO).ok_or(short)?.as_chunks::<4>();
        let mut words = words.iter().copied().map(u32::from_ne_bytes);
        let mut next = || words.next().ok_or(short);
        let valid_hooks = next()?;
        let mut places = [[0; 5]; 2];
        for place in places.iter_mut().flatten() {
            *place = next()?;
        }
        let [hook_entry, underflow] = places;
        Ok(Self {
            valid_hooks,
            hook_entry,
            underflow,
            entries: next()?,
            size: next()?,
        })
    }

    /// The hooks of the table: where each begins and where its policy is.
    fn hooks(&self) -> impl Iterator<Item = (Hook, usize, usize)> {
        let places = self.hook_entry.into_iter().zip(self.underflow);
        let hooks = (0..).zip(HOOKS).zip(places);
        hooks.filter_map(|((bit, hook), (first, last))| {
            let valid = self.valid_hooks & (1 << bit) != 0;
            valid.then_some((hook, usize::try_from(first).ok()?, usize::try_from(last).ok()?))
        })
    }
}

/// The chains of a table; numbers of chains are places in the answer (see [`rebase`]). `entries` is what follows the
/// header of `struct ipt_get_entries`.
pub fn table(family: Family, name: &str, info: &[u8], entries: &[u8], sets: &SetNames) -> Result<Vec<Chain>, XtError> {
    let shape = Shape::parse(info)?;
    let layout = Layout::of(family);
    let entries = entry::all(layout, entries)?;
    let sections = sections(&shape, &entries)?;
    let targets = sections
        .iter()
        .zip(0..)
        .filter_map(|(section, id)| Some((section.first?, ChainId(id))))
        .collect::<BTreeMap<_, _>>();
    let names = sections
        .iter()
        .map(|section| Arc::clone(&section.name))
        .collect::<Vec<_>>();
    let jumps = entry::Jumps {
        targets: &targets,
        names: &names,
        sets,
    };
    let table = Arc::from(name);
    let mut chains = Vec::with_capacity(sections.len());
    for section in &sections {
        chains.push(chain(family, &table, section, &jumps)?);
    }
    settle_netmap(&mut chains);
    Ok(chains)
}

/// One chain's entries.
struct Section<'a> {
    name: Arc<str>,
    hook: Option<Hook>,
    /// Where jumps lead to; none where there is no rule at all, or to a hook.
    first: Option<usize>,
    rules: Vec<Entry<'a>>,
    policy: Option<Entry<'a>>,
}

fn sections<'a>(shape: &Shape, entries: &[Entry<'a>]) -> Result<Vec<Section<'a>>, XtError> {
    let begins = shape.hooks().map(|(hook, first, last)| (first, (hook, last)));
    let begins = begins.collect::<BTreeMap<_, _>>();
    let mut sections: Vec<Section<'_>> = Vec::new();
    let end = entries.last().map(|entry| entry.offset);
    let mut ends = None;
    let mut closed = true;
    for entry in entries {
        if let Some(&(hook, last)) = begins.get(&entry.offset) {
            ends = Some(last);
            closed = false;
            sections.push(Section {
                name: hook_name(hook).into(),
                hook: Some(hook),
                first: None,
                rules: Vec::new(),
                policy: None,
            });
        } else if let Some(name) = entry.error_name() {
            ends = None;
            // The last one is the table's end.
            closed = end == Some(entry.offset);
            if !closed {
                sections.push(Section {
                    name: text(until_nul(name)).into(),
                    hook: None,
                    first: Some(entry.next()),
                    rules: Vec::new(),
                    policy: None,
                });
            }
            continue;
        }
        let section = sections
            .last_mut()
            .filter(|_| !closed)
            .ok_or(XtError::Stray(entry.offset))?;
        if ends == Some(entry.offset) {
            section.policy = Some(*entry);
            closed = true;
        } else {
            section.rules.push(*entry);
        }
    }
    let found = sections.iter().filter(|section| section.policy.is_some()).count();
    match begins.iter().nth(found) {
        Some((&first, _)) => Err(XtError::Hook(first)),
        None => Ok(sections),
    }
}

fn chain(family: Family, table: &Arc<str>, section: &Section<'_>, jumps: &entry::Jumps<'_>) -> Result<Chain, XtError> {
    let base = match (section.hook, &section.policy) {
        (Some(hook), Some(policy)) => Some(Base {
            kind: kind(table, hook),
            hook,
            priority: priority(table, hook),
            policy: policy.policy().ok_or(XtError::Policy(policy.offset))?,
            devices: Vec::new(),
        }),
        _ => None,
    };
    let mut rules = section.rules.as_slice();
    // The tools end every chain of their own with a rule that nobody wrote.
    if section.hook.is_none()
        && let Some((last, others)) = rules.split_last()
        && last.returns_always()
    {
        rules = others;
    }
    let rule = |entry: &Entry<'_>| entry.rule(&section.name, jumps);
    Ok(Chain {
        backend: Backend::IptablesLegacy,
        family,
        table: Arc::clone(table),
        name: Arc::clone(&section.name),
        base,
        rules: rules.iter().map(rule).collect::<Result<Vec<Rule>, XtError>>()?,
        dormant: false,
        counters: section.policy.map(|policy| policy.counters),
    })
}

fn kind(table: &str, hook: Hook) -> ChainKind {
    match (table, hook) {
        ("nat", _) => ChainKind::Nat,
        ("mangle", Hook::Output) => ChainKind::Route,
        _ => ChainKind::Filter,
    }
}

fn priority(table: &str, hook: Hook) -> i32 {
    match table {
        "raw" => -300,
        "mangle" => -150,
        "nat" if matches!(hook, Hook::Prerouting | Hook::Output) => -100,
        "nat" => 100,
        "security" => 50,
        _ => 0,
    }
}

fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "PREROUTING",
        Hook::Input => "INPUT",
        Hook::Forward => "FORWARD",
        Hook::Output => "OUTPUT",
        Hook::Ingress | Hook::Egress | Hook::Postrouting => "POSTROUTING",
    }
}

/// Chains move `by` places up: into a ruleset that has others already.
pub fn rebase(chains: &mut [Chain], by: u32) {
    for item in items(chains) {
        if let Item::Action(Action::Verdict(Verdict::Jump(Some(id)) | Verdict::Goto(Some(id)))) = item {
            id.0 = id.0.saturating_add(by);
        }
    }
}

fn items(chains: &mut [Chain]) -> impl Iterator<Item = &mut Item> {
    let rules = chains.iter_mut().flat_map(|chain| &mut chain.rules);
    rules.flat_map(|rule| &mut rule.items)
}

/// `NETMAP` translates the source in chains that only POSTROUTING and INPUT lead to.
pub fn settle_netmap(chains: &mut [Chain]) {
    let at_source = |base: &Base| matches!(base.hook, Hook::Postrouting | Hook::Input);
    let [sources, others] = [true, false].map(|wanted| {
        let begins = (0..).zip(chains.iter());
        let begins = begins.filter(|(_, chain)| chain.base.as_ref().is_some_and(|base| at_source(base) == wanted));
        reachable(chains, begins.map(|(id, _)| id).collect())
    });
    for (id, chain) in (0..).zip(chains.iter_mut()) {
        if !sources.contains(&id) || others.contains(&id) {
            continue;
        }
        for item in items(std::slice::from_mut(chain)) {
            if let Item::Action(Action::Nat(nat)) = item
                && matches!(nat.target, NatTarget::Fixed { netmap: true, .. })
            {
                nat.kind = NatKind::Source;
            }
        }
    }
}

/// The chains that jumps lead to from these.
fn reachable(chains: &[Chain], mut open: Vec<u32>) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let chain = usize::try_from(id).ok().and_then(|id| chains.get(id));
        let rules = chain.map_or(&[][..], |chain| &chain.rules);
        for item in rules.iter().flat_map(|rule| &rule.items) {
            if let Item::Action(Action::Verdict(Verdict::Jump(Some(to)) | Verdict::Goto(Some(to)))) = item {
                open.push(to.0);
            }
        }
    }
    seen
}

/// `struct ipt_getinfo`: the table's name, and the whole.
const NAME: usize = 32;
pub const INFO: usize = 84;
const HOOKS: [Hook; 5] = [
    Hook::Prerouting,
    Hook::Input,
    Hook::Forward,
    Hook::Output,
    Hook::Postrouting,
];
