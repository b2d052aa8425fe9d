//! Every way from a base chain to a rule that translates, and what is asked of a packet on it.
//!
//! What a rule asks is taken as it stands: a mark that an earlier rule may set, a connection's state or chance are told
//! as conditions and not thought through. That is the walk's business.

use super::aim::{Aim, aims};
use super::phrase::{key_text, match_text, opposite_text, scope_text};
use super::scope::Scope;
use crate::model::rules::{
    Action, Base, Chain, ChainId, Data, Element, Hook, Item, Match, NatKind, Operand, Rule, RuleId, Ruleset, SetId,
    Verdict,
};
use crate::model::translation::Manner;
use std::sync::Arc;

/// A translating rule, reached on one way.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub(super) rule: RuleId,
    pub(super) hook: Hook,
    pub(super) manner: Manner,
    pub(super) scope: Scope,
    pub(super) aim: Aim,
    pub(super) conditions: Vec<Arc<str>>,
    pub(super) more_conditions: bool,
    /// What the rules on the way are asked for is in there unchanged.
    pub(super) asks: Vec<Match>,
}

/// All ways, in the order in which packets take them; `true`: there are more.
pub(super) fn paths(ruleset: &Ruleset, with_source: bool) -> (Vec<Reached>, bool) {
    let mut search = Search {
        ruleset,
        with_source,
        matters: matters(ruleset, with_source),
        hook: Hook::Prerouting,
        exceptions: Vec::new(),
        reached: Vec::new(),
        visits: 0,
        cut: false,
    };
    let mut bases: Vec<_> = ruleset
        .numbered()
        .filter(|(_, chain)| !chain.dormant)
        .filter_map(|(id, chain)| Some((id, chain, chain.base.as_ref()?)))
        .collect();
    bases.sort_by_key(|(.., Base { hook, priority, .. })| (*hook, *priority));
    for (id, chain, base) in bases {
        if search.matter(id).translates {
            search.hook = base.hook;
            search.exceptions.clear();
            let way = Way {
                scope: Scope::of_family(chain.family),
                conditions: Vec::new(),
            };
            search.chain(id, &way, 0);
        }
    }
    (search.reached, search.cut)
}

/// Whether a base chain leads to a rule that changes where packets go.
pub(super) fn translates(ruleset: &Ruleset) -> bool {
    let matters = matters(ruleset, false);
    let bases = ruleset.chains.iter().zip(matters);
    bases
        .into_iter()
        .any(|(chain, matters)| chain.base.is_some() && !chain.dormant && matters.translates)
}

/// What has been asked so far.
#[derive(Clone)]
struct Way {
    scope: Scope,
    conditions: Vec<Match>,
}

impl Way {
    /// `false`: no packet fits any more.
    fn ask(&mut self, asked: &Match, ruleset: &Ruleset) -> bool {
        if self.scope.narrow(asked, ruleset) {
            return !self.scope.is_empty();
        }
        if self.conditions.contains(&asked.clone().negate(true)) && can_be_negated(asked) {
            return false;
        }
        if !self.conditions.contains(asked) {
            self.conditions.push(asked.clone());
        }
        true
    }
}

fn can_be_negated(asked: &Match) -> bool {
    asked.clone().negate(true) != *asked
}

/// Packets that an earlier rule took away.
struct Exception {
    way: Way,
    /// From this base chain altogether, and not just from the chain of the rule.
    ends: bool,
}

struct Search<'a> {
    ruleset: &'a Ruleset,
    with_source: bool,
    matters: Vec<Matters>,
    hook: Hook,
    exceptions: Vec<Exception>,
    reached: Vec<Reached>,
    visits: usize,
    cut: bool,
}

impl Search<'_> {
    fn matter(&self, id: ChainId) -> Matters {
        let index = usize::try_from(id.0).ok();
        index
            .and_then(|index| self.matters.get(index))
            .copied()
            .unwrap_or_default()
    }

    fn chain(&mut self, id: ChainId, way: &Way, depth: usize) {
        let Some(chain) = self.ruleset.chain(id) else {
            return;
        };
        self.visits += 1;
        if depth > DEPTH_MAX || self.visits > VISITS_MAX || self.reached.len() >= REACHED_MAX {
            self.cut = true;
            return;
        }
        let before = self.exceptions.len();
        for (index, rule) in (0..).zip(&chain.rules) {
            self.rule(RuleId { chain: id, index }, rule, way.clone(), depth);
        }
        // What returned goes on in the chain that jumped here.
        let own = self.exceptions.split_off(before.min(self.exceptions.len()));
        self.exceptions
            .extend(own.into_iter().filter(|exception| exception.ends));
    }

    fn rule(&mut self, id: RuleId, rule: &Rule, mut way: Way, depth: usize) {
        for item in &rule.items {
            match item {
                Item::Match(asked) => {
                    if !way.ask(asked, self.ruleset) {
                        return;
                    }
                }
                Item::Action(Action::Verdict(verdict)) => return self.verdict(verdict, way, depth),
                Item::Action(Action::VerdictMap { key, map }) => return self.verdict_map(key, *map, &way, depth),
                Item::Action(Action::Nat(nat)) => {
                    if self.with_source || !changes_source(nat.kind) {
                        for (scope, aim) in aims(&way.scope, nat, self.ruleset) {
                            let way = Way { scope, ..way.clone() };
                            self.reach(id, Manner::from(nat.kind), &way, aim);
                        }
                    }
                    return self.except(way, true);
                }
                Item::Action(Action::Tproxy(tproxy)) => self.reach(id, Manner::Tproxy, &way, Aim::from(tproxy)),
                Item::Action(
                    Action::Assign(_)
                    | Action::Notrack
                    | Action::Zone { .. }
                    | Action::Harmless(_)
                    | Action::Unknown(_),
                ) => {}
            }
        }
    }

    fn verdict(&mut self, verdict: &Verdict, way: Way, depth: usize) {
        match verdict {
            Verdict::Accept | Verdict::Drop | Verdict::Reject(_) | Verdict::Queue { .. } => self.except(way, true),
            Verdict::Return => self.except(way, false),
            Verdict::Jump(Some(chain)) => {
                if self.matter(*chain).is_worth_a_visit() {
                    self.chain(*chain, &way, depth + 1);
                }
            }
            Verdict::Goto(Some(chain)) => {
                if self.matter(*chain).is_worth_a_visit() {
                    self.chain(*chain, &way, depth + 1);
                }
                self.except(way, false);
            }
            Verdict::Continue | Verdict::Jump(None) | Verdict::Goto(None) => {}
        }
    }

    fn verdict_map(&mut self, key: &[Operand], map: SetId, way: &Way, depth: usize) {
        let Some(map) = self.ruleset.set(map) else {
            return;
        };
        let mut way = way.clone();
        if map.elements.len() > 1 && key.iter().any(is_chance) {
            way.conditions.push(Match::Chance(key_text(key).into()));
        }
        for element in &map.elements {
            let Some(Data::Verdict(verdict)) = &element.data else {
                continue;
            };
            if let Some(way) = way_to(&way, key, element) {
                self.verdict(verdict, way, depth);
            }
        }
        if let Some(Data::Verdict(verdict)) = &map.default {
            self.verdict(verdict, way, depth);
        }
    }

    fn except(&mut self, way: Way, ends: bool) {
        if way.conditions.iter().any(|asked| matches!(asked, Match::Chance(_))) {
            return;
        }
        if self.exceptions.len() < EXCEPTIONS_MAX {
            self.exceptions.push(Exception { way, ends });
        }
    }

    fn reach(&mut self, rule: RuleId, manner: Manner, way: &Way, aim: Aim) {
        let Some((scope, others)) = self.left(way) else {
            return;
        };
        let asked = way.conditions.iter().map(|asked| match_text(asked, self.ruleset));
        let mut conditions: Vec<Arc<str>> = asked.collect();
        for (index, exception) in others.iter().enumerate() {
            let is_implied =
                |(other, broader): (usize, &Other<'_>)| other != index && broader.implies(exception, &scope);
            // Of two that imply each other the first one is told.
            let mutual = |(other, broader): (usize, &Other<'_>)| other > index && exception.implies(broader, &scope);
            if others
                .iter()
                .enumerate()
                .any(|other| is_implied(other) && !mutual(other))
            {
                continue;
            }
            let mut asked = scope_text(exception.scope, scope.beyond(exception.scope));
            asked.extend(
                exception
                    .asks
                    .iter()
                    .map(|asked| match_text(asked, self.ruleset).to_string()),
            );
            conditions.push(match (&asked[..], &exception.asks[..]) {
                ([_], [one]) => opposite_text(one, self.ruleset),
                _ => format!("not ({})", asked.join(", ")).into(),
            });
        }
        let more_conditions = conditions.len() > CONDITIONS_MAX || self.exceptions.len() >= EXCEPTIONS_MAX;
        conditions.truncate(CONDITIONS_MAX);
        self.reached.push(Reached {
            rule,
            hook: self.hook,
            manner,
            scope,
            aim,
            conditions,
            more_conditions,
            asks: way.conditions.clone(),
        });
    }

    /// What earlier rules leave of the way's packets, as far as a scope can tell, and the exceptions that it cannot;
    /// `None`: nothing is left.
    fn left(&self, way: &Way) -> Option<(Scope, Vec<Other<'_>>)> {
        let mut scope = way.scope.clone();
        let mut others = Vec::new();
        for exception in self
            .exceptions
            .iter()
            .filter(|exception| exception.way.scope.meets(&way.scope))
        {
            let Some(asks) = beyond(&exception.way, way) else {
                continue;
            };
            match scope.without(&exception.way.scope) {
                Some(rest) if asks.is_empty() => scope = rest,
                Some(_) | None => others.push(Other {
                    scope: &exception.way.scope,
                    asks,
                }),
            }
        }
        others.retain(|other| other.scope.meets(&scope));
        (!scope.is_empty() && !take_everything(&others, &scope)).then_some((scope, others))
    }
}

/// Whether one exception takes what another leaves: the packets that fit a match, and those that do not.
fn take_everything(others: &[Other<'_>], scope: &Scope) -> bool {
    let whole = others.iter().filter(|other| other.scope.covers_of(scope, scope));
    let sole: Vec<&Match> = whole
        .filter(|other| other.asks.len() == 1)
        .flat_map(|other| other.asks.iter().copied())
        .collect();
    let opposite_is_taken = |all: &[Match]| matches!(all, [other] if sole.contains(&other));
    sole.iter()
        .any(|one| matches!(one, Match::NotAll(all) if opposite_is_taken(all)))
}

/// An exception that a scope cannot tell.
struct Other<'a> {
    scope: &'a Scope,
    /// What it asks that not all packets of the way fit.
    asks: Vec<&'a Match>,
}

impl Other<'_> {
    /// Whether it takes everything of `scope` that the narrower one takes.
    fn implies(&self, narrower: &Self, scope: &Scope) -> bool {
        self.asks.iter().all(|asked| narrower.asks.contains(asked)) && self.scope.covers_of(narrower.scope, scope)
    }
}

fn way_to(way: &Way, key: &[Operand], element: &Element) -> Option<Way> {
    let mut way = way.clone();
    if !way.scope.narrow_to(key, element) {
        // The element has more to its key than is told.
        way.conditions.push(Match::Unknown(ELEMENT.into()));
    }
    (!way.scope.is_empty()).then_some(way)
}

/// What the exception asks beyond what everything on this way fits; `None`: it asks for the opposite.
fn beyond<'a>(exception: &'a Way, way: &Way) -> Option<Vec<&'a Match>> {
    let opposite = |asked: &&Match| can_be_negated(asked) && way.conditions.contains(&(**asked).clone().negate(true));
    if exception.conditions.iter().any(|asked| opposite(&asked)) {
        return None;
    }
    let others = exception
        .conditions
        .iter()
        .filter(|asked| !way.conditions.contains(asked));
    Some(others.collect())
}

/// Which element is met is not the packet's doing.
fn is_chance(operand: &Operand) -> bool {
    matches!(operand, Operand::Random { .. } | Operand::Hash { .. })
}

fn changes_source(kind: NatKind) -> bool {
    match kind {
        NatKind::Source | NatKind::Masquerade => true,
        NatKind::Destination | NatKind::Redirect => false,
    }
}

impl From<NatKind> for Manner {
    fn from(kind: NatKind) -> Self {
        match kind {
            NatKind::Source => Self::Snat,
            NatKind::Masquerade => Self::Masquerade,
            NatKind::Destination => Self::Dnat,
            NatKind::Redirect => Self::Redirect,
        }
    }
}

/// What can happen in a chain or in those it leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Matters {
    translates: bool,
    /// Takes packets out of the base chain.
    ends: bool,
}

impl Matters {
    fn is_worth_a_visit(self) -> bool {
        self.translates || self.ends
    }

    fn or(self, other: Self) -> Self {
        Self {
            translates: self.translates || other.translates,
            ends: self.ends || other.ends,
        }
    }
}

/// What matters of each chain: from its own rules, then along the jumps as far as they reach.
fn matters(ruleset: &Ruleset, with_source: bool) -> Vec<Matters> {
    let mut all: Vec<_> = ruleset.chains.iter().map(|chain| own(chain, with_source)).collect();
    let mut leading: Vec<Vec<usize>> = vec![Vec::new(); all.len()];
    for (from, chain) in ruleset.chains.iter().enumerate() {
        for to in jumps(chain, ruleset) {
            if let Some(leading) = usize::try_from(to.0).ok().and_then(|to| leading.get_mut(to)) {
                leading.push(from);
            }
        }
    }
    let mut todo: Vec<usize> = (0..all.len()).collect();
    while let Some(to) = todo.pop() {
        let (Some(&told), Some(from)) = (all.get(to), leading.get(to)) else {
            continue;
        };
        for &from in from {
            if let Some(matter) = all.get_mut(from)
                && matter.or(told) != *matter
            {
                *matter = matter.or(told);
                todo.push(from);
            }
        }
    }
    all
}

fn own(chain: &Chain, with_source: bool) -> Matters {
    let mut matters = Matters::default();
    for action in actions(chain) {
        match action {
            Action::Nat(nat) => {
                matters.translates |= with_source || !changes_source(nat.kind);
                matters.ends = true;
            }
            Action::Tproxy(_) => matters.translates = true,
            Action::Verdict(Verdict::Accept | Verdict::Drop | Verdict::Reject(_) | Verdict::Queue { .. }) => {
                matters.ends = true;
            }
            Action::Verdict(_)
            | Action::VerdictMap { .. }
            | Action::Assign(_)
            | Action::Notrack
            | Action::Zone { .. }
            | Action::Harmless(_)
            | Action::Unknown(_) => {}
        }
    }
    matters
}

fn jumps(chain: &Chain, ruleset: &Ruleset) -> Vec<ChainId> {
    let mut jumps = Vec::new();
    for action in actions(chain) {
        match action {
            Action::Verdict(verdict) => jumps.extend(target(verdict)),
            Action::VerdictMap { map, .. } => {
                let map = ruleset.set(*map);
                let data = map.into_iter().flat_map(|map| {
                    let elements = map.elements.iter().filter_map(|element| element.data.as_ref());
                    elements.chain(&map.default)
                });
                jumps.extend(data.filter_map(|data| match data {
                    Data::Verdict(verdict) => target(verdict),
                    Data::Values(_) => None,
                }));
            }
            Action::Assign(_)
            | Action::Nat(_)
            | Action::Tproxy(_)
            | Action::Notrack
            | Action::Zone { .. }
            | Action::Harmless(_)
            | Action::Unknown(_) => {}
        }
    }
    jumps
}

fn target(verdict: &Verdict) -> Option<ChainId> {
    match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => *chain,
        Verdict::Accept
        | Verdict::Drop
        | Verdict::Reject(_)
        | Verdict::Queue { .. }
        | Verdict::Return
        | Verdict::Continue => None,
    }
}

fn actions(chain: &Chain) -> impl Iterator<Item = &Action> {
    let items = chain.rules.iter().flat_map(|rule| &rule.items);
    items.filter_map(|item| match item {
        Item::Action(action) => Some(action),
        Item::Match(_) => None,
    })
}

const ELEMENT: &str = "an element of a map";
/// The kernel's own bound on jumps.
const DEPTH_MAX: usize = 16;
/// Chains looked into, once for each way to them.
const VISITS_MAX: usize = 65_536;
/// Ways told for one namespace.
const REACHED_MAX: usize = 16_384;
/// Earlier rules considered for one way.
const EXCEPTIONS_MAX: usize = 128;
/// Conditions told of one way.
const CONDITIONS_MAX: usize = 12;
