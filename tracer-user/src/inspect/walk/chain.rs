//! A packet's way through one base chain and the chains that it leads to.

use super::number::Truth;
use super::state::{State, Traveller};
use super::way::{OUTCOMES, Run};
use super::{Walker, guard, hook::Pass};
use crate::model::rules::{Action, Backend, ChainId, Effect, End, Item, Match, Rule, RuleId, Step, Verdict};

/// Where a traveller is.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) traveller: Traveller,
    place: Place,
    /// Where returns lead to.
    stack: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    chain: ChainId,
    /// The next rule.
    index: usize,
    /// Chains that were gone to without a way back: more than there are is a circle.
    gotos: usize,
}

/// A rule while it is met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) id: RuleId,
    pub(super) effect: Option<Effect>,
    pub(super) certain: bool,
}

/// All ways of one traveller through one base chain.
pub(super) struct Through<'r, 'w, 'a> {
    run: &'r mut Run<'w, 'a>,
    /// A nat chain.
    pub(super) translates: bool,
    base: ChainId,
    work: Vec<Cursor>,
    passes: Vec<Pass>,
}

impl<'r, 'w, 'a> Through<'r, 'w, 'a> {
    pub(super) fn new(run: &'r mut Run<'w, 'a>, base: ChainId, translates: bool) -> Self {
        Self {
            run,
            translates,
            base,
            work: Vec::new(),
            passes: Vec::new(),
        }
    }

    pub(super) fn lead(mut self, traveller: Traveller) -> Vec<Pass> {
        self.work.push(Cursor {
            traveller,
            place: Place {
                chain: self.base,
                index: 0,
                gotos: 0,
            },
            stack: Vec::new(),
        });
        while let Some(cursor) = self.work.pop() {
            self.step(cursor);
        }
        self.passes
    }

    pub(super) fn walker(&self) -> &'w Walker<'a> {
        self.run.walker
    }

    /// The next rule that the packet may fit, or the chain's end.
    fn step(&mut self, mut cursor: Cursor) {
        let walker = self.walker();
        let Some(chain) = walker.ruleset.chain(cursor.place.chain) else {
            return self.end(cursor, End::Unknown);
        };
        let guards = walker.guards(cursor.place.chain);
        let rest = guards.get(cursor.place.index..).unwrap_or_default();
        let skipped = guard::skipped(walker, &cursor.traveller.state, rest);
        cursor.place.index += skipped;
        if !self.run.spend(skipped + 1) {
            return self.end(cursor, End::Unknown);
        }
        match chain.rules.get(cursor.place.index) {
            Some(rule) => self.rule(cursor, rule),
            None => self.back(cursor),
        }
    }

    fn rule(&mut self, mut cursor: Cursor, rule: &Rule) {
        let mut attempt = Attempt {
            id: RuleId {
                chain: cursor.place.chain,
                index: u32::try_from(cursor.place.index).unwrap_or(u32::MAX),
            },
            effect: None,
            certain: true,
        };
        cursor.place.index += 1;
        let mut doubts: Vec<&Match> = Vec::new();
        // A rule that ends early has met the packet if it has counted it.
        let mut counted = false;
        for item in &rule.items {
            if let Item::Action(Action::Harmless(_) | Action::Verdict(Verdict::Continue)) = item {
                counted = true;
                continue;
            }
            if (counted || matches!(item, Item::Action(_))) && !doubts.is_empty() {
                self.split(&mut cursor, &mut attempt, &doubts);
                doubts.clear();
            }
            if std::mem::take(&mut counted) {
                attempt.effect = attempt.effect.or(Some(Effect::Passed));
            }
            match item {
                Item::Match(wanted) => match self.walker().fits(&cursor.traveller.state, wanted) {
                    Truth::No => return self.miss(cursor, attempt),
                    Truth::Maybe => doubts.push(wanted),
                    Truth::Yes => {}
                },
                Item::Action(action) => match self.act(cursor, action, attempt) {
                    Some(same) => (cursor, attempt) = same,
                    None => return,
                },
            }
        }
        attempt.certain &= doubts.is_empty();
        attempt.effect = attempt.effect.or(Some(Effect::Passed));
        self.miss(cursor, attempt);
    }

    /// The packet may fit or not: both ways are gone.
    fn split(&mut self, cursor: &mut Cursor, attempt: &mut Attempt, doubts: &[&Match]) {
        let mut unfit = cursor.clone();
        if let [wanted] = doubts {
            Walker::learn(&mut unfit.traveller.state, wanted, false);
        }
        let before = *attempt;
        if self.has_room() {
            self.miss(unfit, before);
        }
        for wanted in doubts {
            Walker::learn(&mut cursor.traveller.state, wanted, true);
        }
        attempt.certain = false;
    }

    /// The rule is over, the next one is met.
    pub(super) fn miss(&mut self, mut cursor: Cursor, attempt: Attempt) {
        if attempt.effect.is_some() {
            record(&mut cursor, attempt, Effect::Passed);
        }
        self.work.push(cursor);
    }

    pub(super) fn decide(&mut self, mut cursor: Cursor, verdict: &Verdict, attempt: Attempt) {
        match verdict {
            Verdict::Accept => {
                record(&mut cursor, attempt, Effect::Accepted);
                self.pass(cursor);
            }
            Verdict::Drop => {
                record(&mut cursor, attempt, Effect::Dropped);
                self.end(cursor, End::Dropped);
            }
            Verdict::Reject(how) => {
                record(&mut cursor, attempt, Effect::Rejected(*how));
                self.end(cursor, End::Rejected(*how));
            }
            Verdict::Queue { bypass, .. } => {
                record(&mut cursor, attempt, Effect::Queued);
                if *bypass && self.has_room() {
                    self.pass(cursor.clone());
                }
                self.end(cursor, End::Queued);
            }
            Verdict::Return => {
                record(&mut cursor, attempt, Effect::Passed);
                self.back(cursor);
            }
            Verdict::Continue => self.miss(cursor, attempt),
            Verdict::Jump(Some(to)) => {
                record(&mut cursor, attempt, Effect::Passed);
                self.enter(cursor, *to, true);
            }
            Verdict::Goto(Some(to)) => {
                record(&mut cursor, attempt, Effect::Passed);
                self.enter(cursor, *to, false);
            }
            Verdict::Jump(None) | Verdict::Goto(None) => {
                let unknown = Attempt {
                    effect: Some(Effect::Unknown),
                    certain: false,
                    ..attempt
                };
                self.lost(&cursor, unknown);
                self.miss(cursor, unknown);
            }
        }
    }

    fn enter(&mut self, mut cursor: Cursor, to: ChainId, returns: bool) {
        let mut gotos = 0;
        if returns {
            cursor.stack.push(cursor.place);
        } else {
            gotos = cursor.place.gotos + 1;
        }
        let ruleset = self.walker().ruleset;
        let is_legacy = ruleset
            .chain(to)
            .is_some_and(|chain| chain.backend == Backend::IptablesLegacy);
        let depth = if is_legacy { LEGACY_DEPTH } else { DEPTH };
        if cursor.stack.len() > depth || gotos > ruleset.chains.len() {
            return self.end(cursor, End::Unknown);
        }
        cursor.place = Place {
            chain: to,
            index: 0,
            gotos,
        };
        self.work.push(cursor);
    }

    /// The chain is over.
    fn back(&mut self, mut cursor: Cursor) {
        if let Some(place) = cursor.stack.pop() {
            cursor.place = place;
            return self.work.push(cursor);
        }
        let base = self
            .walker()
            .ruleset
            .chain(self.base)
            .and_then(|chain| chain.base.as_ref());
        let (effect, end) = match base.map(|base| &base.policy) {
            Some(Verdict::Accept) => (Effect::Accepted, None),
            Some(Verdict::Drop) => (Effect::Dropped, Some(End::Dropped)),
            Some(_) | None => (Effect::Unknown, Some(End::Unknown)),
        };
        cursor.traveller.steps.push(Step {
            hook: cursor.traveller.state.hook,
            chain: self.base,
            rule: None,
            effect,
            certain: true,
        });
        match end {
            Some(end) => self.end(cursor, end),
            None => self.pass(cursor),
        }
    }

    /// Anything may become of the packet.
    pub(super) fn lost(&mut self, cursor: &Cursor, attempt: Attempt) {
        if self.has_room() {
            let mut lost = cursor.clone();
            record(&mut lost, attempt, Effect::Unknown);
            self.end(lost, End::Unknown);
        }
    }

    pub(super) fn pass(&mut self, cursor: Cursor) {
        self.passes.push(Pass::On(cursor.traveller));
    }

    pub(super) fn end(&mut self, cursor: Cursor, end: End) {
        self.passes.push(Pass::Ended(cursor.traveller, end));
    }

    /// Whether one way more can be followed.
    pub(super) fn has_room(&mut self) -> bool {
        let room = self.work.len() + self.passes.len() < OUTCOMES;
        self.run.truncated |= !room;
        room
    }

    /// A way beside this one.
    pub(super) fn beside(&mut self, cursor: &Cursor, state: &State) -> Option<Cursor> {
        self.has_room().then(|| {
            let mut other = cursor.clone();
            other.traveller.state = *state;
            other
        })
    }
}

/// Notes what the rule did: the most telling of what it did before and `effect`.
pub(super) fn record(cursor: &mut Cursor, attempt: Attempt, effect: Effect) {
    let effect = match attempt.effect {
        Some(before) if weight(before) >= weight(effect) => before,
        Some(_) | None => effect,
    };
    cursor.traveller.steps.push(Step {
        hook: cursor.traveller.state.hook,
        chain: attempt.id.chain,
        rule: Some(attempt.id),
        effect,
        certain: attempt.certain,
    });
}

fn weight(effect: Effect) -> u8 {
    match effect {
        Effect::Passed => 0,
        Effect::Accepted => 1,
        Effect::Marked | Effect::Tracking => 2,
        Effect::Translated(_) | Effect::Taken | Effect::Unknown => 3,
        Effect::Dropped | Effect::Rejected(_) | Effect::Queued => 4,
    }
}

/// `NFT_JUMP_STACK_SIZE`.
const DEPTH: usize = 16;
/// xt's stack is as deep as the table needs; deeper than this is taken for a circle.
const LEGACY_DEPTH: usize = 1_024;
