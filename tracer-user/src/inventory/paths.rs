//! Every way from a base chain to a rule that translates, and what is asked of a packet on it.
//!
//! What a rule asks is taken as it stands: a mark, a connection's state or chance are told as conditions and not thought
//! through, and where an earlier rule may have changed a mark nothing is concluded from it. That is the walk's business.

use super::aim::{Aim, Aimed, Aims, Rest, aims, is_chance};
use super::condition::{Age, Changes, Condition, Given, beyond};
use super::matters::{Matters, changes_source, matters};
use super::phrase::{key_text, opposite_text, scope_text};
use super::scope::Scope;
use crate::model::rules::{
    Action, Base, ChainId, Data, Element, Hook, Item, Match, Nat, NatKind, Operand, Rule, RuleId, Ruleset, SetId,
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

/// All ways, in the order in which packets take them; `true`: there are more. Very many of them leave room for those that
/// matter most.
pub(super) fn paths(
    ruleset: &Ruleset,
    with_source: bool,
    matters_most: &dyn Fn(&Reached) -> bool,
) -> (Vec<Reached>, bool) {
    let mut search = Search {
        ruleset,
        with_source,
        matters: matters(ruleset, with_source),
        hook: Hook::Prerouting,
        now: Age::default(),
        exceptions: Vec::new(),
        reached: Vec::new(),
        matters_most,
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
            search.visits = 0;
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
    conditions: Vec<Condition>,
}

impl Way {
    /// `false`: no packet fits any more.
    fn ask(&mut self, asked: &Match, now: Age, ruleset: &Ruleset) -> bool {
        if self.scope.narrow(asked, ruleset) {
            return !self.scope.is_empty();
        }
        match Condition::new(asked, now, ruleset).given(&self.conditions) {
            Given::Always => true,
            Given::Never => false,
            Given::Open(left) => {
                self.conditions.extend(left);
                true
            }
        }
    }

    fn ask_unknown(&mut self, text: &str, ruleset: &Ruleset) {
        let asked = Match::Unknown(text.into());
        self.conditions.push(Condition::new(&asked, Age::default(), ruleset));
    }

    fn has_chance(&self) -> bool {
        self.conditions.iter().any(Condition::has_chance)
    }

    /// The same without the packets of another way, as ways that have no packet in common.
    fn without(&self, other: &Self) -> Vec<Self> {
        let Some(asks) = (self.scope.meets(&other.scope))
            .then(|| beyond(&other.conditions, &self.conditions))
            .flatten()
        else {
            return vec![self.clone()];
        };
        let outside = self.scope.pieces_without(&other.scope).into_iter();
        let mut pieces: Vec<_> = outside.map(|scope| Self { scope, ..self.clone() }).collect();
        if !asks.is_empty() {
            let conditions = self
                .conditions
                .iter()
                .cloned()
                .chain([Condition::NotAll(asks)])
                .collect();
            let scope = self.scope.intersect(&other.scope);
            pieces.push(Self { scope, conditions });
        }
        pieces
    }
}

/// Packets that an earlier rule took away.
struct Exception {
    way: Way,
    /// From this base chain altogether, and not just from the chain of the rule.
    ends: bool,
}

impl Exception {
    /// What rules took away for good, once the chain is left in which others returned.
    fn that_end(own: Vec<Self>, ruleset: &Ruleset) -> Vec<Self> {
        let (mut kept, mut returned) = (Vec::new(), Vec::new());
        for exception in own {
            if exception.ends {
                let ways = without_all(exception.way, &returned, ruleset);
                kept.extend(ways.into_iter().map(|way| Self { way, ends: true }));
            } else {
                returned.push(exception.way);
            }
        }
        kept
    }
}

fn without_all(way: Way, returned: &[Way], ruleset: &Ruleset) -> Vec<Way> {
    let mut pieces = vec![way.clone()];
    for other in returned {
        pieces = pieces.iter().flat_map(|piece| piece.without(other)).collect();
        if pieces.len() > PIECES_MAX {
            let mut way = way;
            way.ask_unknown(RETURNED, ruleset);
            return vec![way];
        }
    }
    pieces
}

struct Search<'a> {
    ruleset: &'a Ruleset,
    with_source: bool,
    matters: Vec<Matters>,
    hook: Hook,
    /// Counts what the rules that were met so far may have changed.
    now: Age,
    exceptions: Vec<Exception>,
    reached: Vec<Reached>,
    matters_most: &'a dyn Fn(&Reached) -> bool,
    /// Of this base chain.
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
        if depth > DEPTH_MAX || self.visits > VISITS_MAX {
            self.cut = true;
            return;
        }
        let before = self.exceptions.len();
        for (index, rule) in (0..).zip(&chain.rules) {
            self.rule(RuleId { chain: id, index }, rule, way.clone(), depth);
        }
        // What returned goes on in the chain that jumped here.
        let own = self.exceptions.split_off(before.min(self.exceptions.len()));
        for exception in Exception::that_end(own, self.ruleset) {
            self.push(exception);
        }
    }

    fn rule(&mut self, id: RuleId, rule: &Rule, mut way: Way, depth: usize) {
        for item in &rule.items {
            match item {
                Item::Match(asked) => {
                    if !way.ask(asked, self.now, self.ruleset) {
                        return;
                    }
                }
                Item::Action(Action::Verdict(verdict)) => return self.verdict(verdict, way, depth),
                Item::Action(Action::VerdictMap { key, map }) => return self.verdict_map(key, *map, &way, depth),
                Item::Action(Action::Nat(nat)) => return self.nat(id, nat, way),
                Item::Action(Action::Tproxy(tproxy)) => self.reach(id, Manner::Tproxy, &way, Aim::from(tproxy)),
                Item::Action(
                    action @ (Action::Assign(_)
                    | Action::Notrack
                    | Action::Zone { .. }
                    | Action::Harmless(_)
                    | Action::Unknown(_)),
                ) => self.now.pass(Changes::from(action)),
            }
        }
    }

    /// A packet that a map has no element for goes on with the next rule.
    fn nat(&mut self, id: RuleId, nat: &Nat, way: Way) {
        let told = self.with_source || !changes_source(nat.kind);
        let Aims { each, rest } = aims(&way.scope, nat, self.ruleset);
        let mut taken = Vec::new();
        for Aimed {
            scope,
            told: whole,
            aim,
        } in each
        {
            let mut way = Way { scope, ..way.clone() };
            if !whole {
                way.ask_unknown(ELEMENT, self.ruleset);
            }
            if told {
                self.reach(id, Manner::from(nat.kind), &way, aim);
            }
            taken.push(way);
        }
        // One of them may be chosen by chance, so none takes anything before all are told.
        match rest {
            Rest::Passes => self.except_all(taken),
            Rest::MayPass => {}
            Rest::None => self.except(way, true),
            Rest::Aims(aim) => {
                self.except_all(taken);
                if told {
                    self.reach(id, Manner::from(nat.kind), &way, aim);
                }
                self.except(way, true);
            }
        }
    }

    fn verdict(&mut self, verdict: &Verdict, way: Way, depth: usize) {
        match verdict {
            Verdict::Accept | Verdict::Drop | Verdict::Reject(_) | Verdict::Queue { .. } => self.except(way, true),
            Verdict::Return => self.except(way, false),
            Verdict::Jump(Some(chain)) => {
                self.visit(*chain, &way, depth);
            }
            Verdict::Goto(Some(chain)) => {
                self.visit(*chain, &way, depth);
                self.except(way, false);
            }
            Verdict::Continue | Verdict::Jump(None) | Verdict::Goto(None) => {}
        }
    }

    fn visit(&mut self, chain: ChainId, way: &Way, depth: usize) {
        let matter = self.matter(chain);
        if matter.is_worth_a_visit() {
            self.chain(chain, way, depth + 1);
        } else {
            self.now.pass(matter.changes);
        }
    }

    fn verdict_map(&mut self, key: &[Operand], map: SetId, way: &Way, depth: usize) {
        let Some(map) = self.ruleset.set(map) else {
            return;
        };
        let mut way = way.clone();
        if map.elements.len() > 1 && key.iter().any(is_chance) {
            let chance = Match::Chance(key_text(key).into());
            way.conditions.push(Condition::new(&chance, self.now, self.ruleset));
        }
        for element in &map.elements {
            let Some(Data::Verdict(verdict)) = &element.data else {
                continue;
            };
            if let Some(way) = way_to(&way, key, element, self.ruleset) {
                self.verdict(verdict, way, depth);
            }
        }
        if let Some(Data::Verdict(verdict)) = &map.default {
            self.verdict(verdict, way, depth);
        }
    }

    /// What chance takes for good it need not take; what it makes return need not be taken by the rules behind it.
    fn except(&mut self, way: Way, ends: bool) {
        if !(ends && way.has_chance()) {
            self.push(Exception { way, ends });
        }
    }

    fn except_all(&mut self, ways: Vec<Way>) {
        for way in ways {
            self.except(way, true);
        }
    }

    fn push(&mut self, exception: Exception) {
        if self.exceptions.len() < EXCEPTIONS_MAX {
            self.exceptions.push(exception);
        }
    }

    fn reach(&mut self, rule: RuleId, manner: Manner, way: &Way, aim: Aim) {
        let Some((scope, others)) = self.left(way) else {
            return;
        };
        let asked = way.conditions.iter().map(|asked| asked.text(self.now, self.ruleset));
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
                    .map(|asked| asked.text(self.now, self.ruleset).to_string()),
            );
            conditions.push(match (&asked[..], &exception.asks[..]) {
                ([_], [one]) => opposite_text(&one.asked(), self.ruleset),
                _ => format!("not ({})", asked.join(", ")).into(),
            });
        }
        let more_conditions = conditions.len() > CONDITIONS_MAX || self.exceptions.len() >= EXCEPTIONS_MAX;
        conditions.truncate(CONDITIONS_MAX);
        let reached = Reached {
            rule,
            hook: self.hook,
            manner,
            scope,
            aim,
            conditions,
            more_conditions,
            asks: way.conditions.iter().map(Condition::asked).collect(),
        };
        let room = match self.reached.len() {
            ..REACHED_MAX => true,
            REACHED_MAX..REACHED_MOST => (self.matters_most)(&reached),
            REACHED_MOST.. => false,
        };
        if room {
            self.reached.push(reached);
        } else {
            self.cut = true;
        }
    }

    /// What earlier rules leave of the way's packets, as far as a scope can tell, and the exceptions that it cannot;
    /// `None`: nothing is left.
    fn left(&self, way: &Way) -> Option<(Scope, Vec<Other<'_>>)> {
        let mut scope = way.scope.clone();
        let mut others = Vec::new();
        for exception in self
            .exceptions
            .iter()
            .filter(|exception| exception.way.scope.meets(&way.scope) && !exception.way.has_chance())
        {
            let Some(asks) = beyond(&exception.way.conditions, &way.conditions) else {
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
    let sole: Vec<&Condition> = whole
        .filter(|other| other.asks.len() == 1)
        .flat_map(|other| &other.asks)
        .collect();
    sole.iter()
        .any(|one| sole.iter().any(|other| one.is_complement_of(other)))
}

/// An exception that a scope cannot tell.
struct Other<'a> {
    scope: &'a Scope,
    /// What it asks that not all packets of the way fit.
    asks: Vec<Condition>,
}

impl Other<'_> {
    /// Whether it takes everything of `scope` that the narrower one takes.
    fn implies(&self, narrower: &Self, scope: &Scope) -> bool {
        self.asks.iter().all(|asked| narrower.asks.contains(asked)) && self.scope.covers_of(narrower.scope, scope)
    }
}

fn way_to(way: &Way, key: &[Operand], element: &Element, ruleset: &Ruleset) -> Option<Way> {
    let mut way = way.clone();
    if !way.scope.narrow_to(key, element) {
        // The element has more to its key than is told.
        way.ask_unknown(ELEMENT, ruleset);
    }
    (!way.scope.is_empty()).then_some(way)
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

const RETURNED: &str = "no earlier rule of its chain returned it";
const ELEMENT: &str = "an element of a map";
/// The kernel's own bound on jumps.
const DEPTH_MAX: usize = 16;
/// Chains looked into for one base chain, once for each way to them.
const VISITS_MAX: usize = 65_536;
/// Ways told for one namespace.
const REACHED_MAX: usize = 16_384;
/// The same with those that matter most.
const REACHED_MOST: usize = 32_768;
/// Earlier rules considered for one way.
const EXCEPTIONS_MAX: usize = 128;
/// Parts that earlier rules may cut what one takes into.
const PIECES_MAX: usize = 16;
/// Conditions told of one way.
const CONDITIONS_MAX: usize = 12;
