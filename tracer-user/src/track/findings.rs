//! Open findings: one per cause and target, with a count, examples and revisions; bounded.

use super::config::{LOSS_NOTICED, MAX_ALIKE, MAX_FINDINGS, MAX_INFORMATION, MAX_KEYS, QUIET, REVISION_INTERVAL};
use super::culprits::Naming;
use super::losses::Losses;
use super::merged::{self, Merged, RuleId};
use super::recurring::service;
use super::theory::{Diagnosis, Judgement};
use super::totals::Totals;
use crate::model::finding::{Cause, Connection, Finding, Severity, State};
use crate::model::identity::Comm;
use crate::model::time::Timestamp;
use crate::model::tuple::Endpoint;
use crate::model::who::Names;
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// What makes two connections one finding. Resets by a peer are told apart by who received them, and grouped by the
/// service: the lower port, whichever end has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    cause: Cause,
    netns: u64,
    /// `None` in the finding that takes in all the rest once there are too many of this cause.
    place: Option<Place>,
    /// Only resets by a peer are kept apart by who received them.
    comm: Option<Comm>,
}

/// Where a connection is meant to go, and where its packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    destination: Endpoint,
    target: Endpoint,
}

impl Key {
    pub(super) fn new(cause: Cause, connection: &Connection, target: Endpoint) -> Self {
        let Connection {
            tuple, netns, owner, ..
        } = connection;
        let (netns, destination) = (netns.id(), tuple.destination);
        if cause != Cause::ResetByPeer {
            // All connections of a service are destroyed at once, whoever has its port.
            let destination = if cause == Cause::SocketDestroyed {
                target
            } else {
                destination
            };
            return Self {
                cause,
                netns,
                place: Some(Place { destination, target }),
                comm: None,
            };
        }
        let service = service(*tuple);
        Self {
            cause,
            netns,
            place: Some(Place {
                destination: service,
                target: service,
            }),
            comm: owner.map(|owner| owner.comm),
        }
    }
}

#[derive(Debug)]
struct Open {
    /// Its own first, then those that lead here too: the rules gave it another cause than the events did, or other
    /// findings turned out to be of the same rule.
    keys: Vec<Key>,
    finding: Finding,
    naming: Naming,
    /// Connections of it that still hang.
    active: u64,
    /// Up to then losses are told in the finding.
    losses_told: Timestamp,
    /// Something changed since the last revision was given out.
    dirty: bool,
    last_revision: Option<Timestamp>,
}

impl Open {
    /// Whether such a connection tells more of the cause than is known.
    fn is_surpassed_by(&self, judgement: Judgement) -> bool {
        let base = &self.naming.base;
        let worse = judgement.cause == base.cause && judgement.severity > base.severity;
        judgement.confidence > base.confidence || worse
    }
}

#[derive(Debug, Default)]
pub(super) struct Findings {
    next: u64,
    open: BTreeMap<u64, Open>,
    by_key: HashMap<Key, u64, RandomState>,
    /// The open findings of connections of a namespace to a destination, in order.
    by_destination: HashMap<(u64, Endpoint), Vec<u64>, RandomState>,
    pub(super) merged: Merged,
    pub(super) losses: Losses,
    /// How many of the open ones are mere information.
    information: usize,
    out: VecDeque<Finding>,
}

impl Open {
    /// It goes on until then, and so do the losses that it tells of.
    fn last_at(&mut self, at: Timestamp, losses: &Losses) {
        self.finding.last = self.finding.last.max(at);
        let more = losses.between(self.losses_told, at);
        self.finding.lost = self.finding.lost.saturating_add(more);
        self.losses_told = self.losses_told.max(at);
    }
}

impl Findings {
    pub(super) fn poll(&mut self) -> Option<Finding> {
        self.out.pop_front()
    }

    /// Adds a connection to the finding of its cause, opening it if need be; `hangs`: it has not ended yet. It is given
    /// out by [`Self::revise`]. `None` where there are too many findings already.
    pub(super) fn add(
        &mut self,
        diagnosis: Diagnosis,
        connection: Connection,
        hangs: bool,
        supersedes: Option<u64>,
        at: Timestamp,
        totals: &mut Totals,
    ) -> Option<u64> {
        let key = self.key(diagnosis.judgement(), &connection);
        let informs = diagnosis.severity == Severity::Info;
        let id = match self.by_key.get(&key) {
            Some(id) => *id,
            None if self.open.len() >= MAX_FINDINGS || informs && self.information >= MAX_INFORMATION => {
                totals.findings_suppressed += 1;
                return None;
            }
            None => {
                *totals.findings.entry(diagnosis.cause).or_default() += 1;
                self.open(key, &diagnosis, &connection, at)
            }
        };
        self.join(id, connection, hangs, at);
        let open = self.open.get_mut(&id)?;
        let finding = &mut open.finding;
        finding.supersedes = finding.supersedes.or(supersedes);
        if open.is_surpassed_by(diagnosis.judgement()) {
            open.naming.base = diagnosis;
            self.rename(id, totals);
        }
        Some(id)
    }

    /// The finding of such a connection, where that is open and learns nothing new of it.
    pub(super) fn of(&self, judgement: Judgement, connection: &Connection) -> Option<u64> {
        let id = *self.by_key.get(&self.key(judgement, connection))?;
        let open = self.open.get(&id)?;
        (!open.is_surpassed_by(judgement)).then_some(id)
    }

    /// One more connection of a finding that is open.
    pub(super) fn join(&mut self, id: u64, connection: Connection, hangs: bool, at: Timestamp) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        open.active += u64::from(hangs);
        open.naming.closing &= !hangs;
        open.last_at(at, &self.losses);
        let finding = &mut open.finding;
        finding.count += 1;
        if finding.examples.len() < Finding::EXAMPLES {
            finding.examples.push(connection);
        }
        open.dirty = true;
    }

    /// So many of its connections were not looked at.
    pub(super) fn count_unexamined(&mut self, id: u64) {
        if let Some(open) = self.open.get_mut(&id) {
            open.finding.unexamined += 1;
        }
    }

    /// The finding that explains connections of this namespace to this destination best.
    pub(super) fn sibling(&self, connection: &Connection) -> Option<u64> {
        let place = (connection.netns.id(), connection.tuple.destination);
        let siblings = self.by_destination.get(&place)?;
        let best = siblings
            .iter()
            .filter_map(|id| self.open.get(id))
            .max_by_key(|open| open.finding.confidence);
        best.map(|open| open.finding.id)
    }

    /// Which finding such a connection belongs to: where there are many of one cause already, the one for all the rest.
    fn key(&self, judgement: Judgement, connection: &Connection) -> Key {
        let key = Key::new(judgement.cause, connection, judgement.target);
        if self.by_key.contains_key(&key) || judgement.cause == Cause::ResetByPeer {
            return key;
        }
        let alike =
            |open: &&Open| open.finding.cause == key.cause && open.keys.first().is_some_and(|of| of.netns == key.netns);
        if self.open.values().filter(alike).count() < MAX_ALIKE {
            return key;
        }
        Key { place: None, ..key }
    }

    /// The connection does not hang any more. The last one closes the finding.
    pub(super) fn release(&mut self, id: u64, connection: &Connection, at: Timestamp) {
        let id = self.merged.release(id);
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        open.active = open.active.saturating_sub(1);
        open.last_at(at, &self.losses);
        let shown = open.finding.connection.iter_mut().chain(&mut open.finding.examples);
        for example in shown.filter(|example| example.id == connection.id) {
            *example = connection.clone();
        }
        if open.active == 0 {
            self.close(id, at);
        }
    }

    /// Counts a loss with the findings of its time; which of them rest on nothing having been lost.
    pub(super) fn lost_meanwhile(&mut self, at: Timestamp, lost: u64) -> Vec<u64> {
        let mut doubted = Vec::new();
        for (id, open) in &mut self.open {
            if at <= open.finding.last + LOSS_NOTICED {
                open.finding.lost = open.finding.lost.saturating_add(lost);
                open.losses_told = open.losses_told.max(at);
                open.dirty = true;
            }
            if open.naming.base.doubt(at) {
                doubted.push(*id);
            }
        }
        doubted
    }

    /// Whether the judgement explains more than the finding does.
    pub(super) fn is_improved_by(&self, id: u64, judgement: Judgement) -> bool {
        self.open.get(&self.merged.resolve(id)).is_some_and(|open| {
            let (before, confidence) = (open.naming.base.cause, open.naming.base.confidence);
            // The answer of the rule may come after its second drop: an error that met a locked socket is kept back.
            let answered = (before, judgement.cause) == (Cause::SynDropped, Cause::RejectedByRule);
            before != judgement.cause
                && open.finding.cause != judgement.cause
                && (judgement.confidence > confidence || answered && judgement.confidence == confidence)
        })
    }

    /// Whether the events tell by now what proves the cause, which the rules alone told before, or less of what was seen.
    pub(super) fn is_confirmed_by(&self, id: u64, judgement: Judgement) -> bool {
        self.open.get(&self.merged.resolve(id)).is_some_and(|open| {
            let base = &open.naming.base;
            let better = base.cause != judgement.cause || base.confidence < judgement.confidence;
            open.finding.cause == judgement.cause && better
        })
    }

    pub(super) fn confirm(&mut self, id: u64, diagnosis: Diagnosis, totals: &mut Totals) {
        let id = self.merged.resolve(id);
        if let Some(open) = self.open.get_mut(&id) {
            open.naming.base = diagnosis;
            open.dirty = true;
            self.rename(id, totals);
        }
    }

    /// Takes the connection away from the finding: it has another cause. `true`: it was the only one, and the finding had
    /// been given out.
    pub(super) fn withdraw(&mut self, id: u64, connection: u64, at: Timestamp, totals: &mut Totals) -> bool {
        let id = self.merged.release(id);
        let Some(open) = self.open.get_mut(&id) else {
            return false;
        };
        open.active = open.active.saturating_sub(1);
        open.finding.count = open.finding.count.saturating_sub(1);
        if open.finding.count > 0 {
            open.finding.examples.retain(|example| example.id != Some(connection));
            open.dirty = true;
            return false;
        }
        if let Some(count) = totals.findings.get_mut(&open.finding.cause) {
            *count = count.saturating_sub(1);
        }
        let shown = self.is_shown(id);
        if shown {
            self.give_out(id, at, State::Retracted);
        }
        self.forget(id);
        shown
    }

    /// Gives out the revisions that were held back, and closes what has been quiet.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        let due: Vec<_> = self.open.values().map(|open| open.finding.id).collect();
        for id in due {
            if self
                .naming(id)
                .and_then(|naming| naming.held)
                .is_some_and(|held| held <= now)
            {
                self.release_hold(id, now);
            }
            self.revise(id, now);
            let quiet = self
                .open
                .get(&id)
                .is_some_and(|open| open.active == 0 && now >= open.finding.last + QUIET);
            if quiet {
                self.close(id, now);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        let next = |open: &Open| {
            let next = || match (open.naming.held, open.last_revision) {
                (Some(held), _) => held,
                (None, None) => open.finding.at,
                (None, Some(last)) => last + REVISION_INTERVAL,
            };
            let revision = open.dirty.then(next);
            let quiet = (open.active == 0).then(|| open.finding.last + QUIET);
            revision.into_iter().chain(quiet).min()
        };
        self.open.values().filter_map(next).min()
    }

    /// Gives out what was held back. What still hangs stays open: it did not end with the tracing.
    pub(super) fn finish(&mut self, now: Timestamp) {
        for id in self.open.keys().copied().collect::<Vec<_>>() {
            self.release_hold(id, now);
            if self.open.get(&id).is_some_and(|open| open.active == 0) {
                self.close(id, now);
            } else if self.open.get(&id).is_some_and(|open| open.dirty) {
                self.give_out(id, now, State::Updated);
            }
        }
    }

    fn open(&mut self, key: Key, diagnosis: &Diagnosis, connection: &Connection, at: Timestamp) -> u64 {
        self.next += 1;
        let id = self.next;
        let first = connection.started.unwrap_or(at).min(at);
        let finding = Finding {
            id,
            revision: 0,
            at,
            cause: diagnosis.cause,
            state: State::Open,
            supersedes: None,
            severity: diagnosis.severity,
            confidence: diagnosis.confidence,
            connection: Some(connection.clone()),
            count: 0,
            hanging: 0,
            unexamined: 0,
            lost: 0,
            examples: Vec::new(),
            victims: Vec::new(),
            culprits: diagnosis.culprits.clone(),
            evidence: diagnosis.evidence.clone(),
            considered: diagnosis.considered.clone(),
            names: Names::default(),
            first,
            last: at,
        };
        self.open.insert(
            id,
            Open {
                keys: vec![key],
                finding,
                naming: Naming::new(diagnosis.clone()),
                active: 0,
                losses_told: diagnosis.since - LOSS_NOTICED,
                dirty: false,
                last_revision: None,
            },
        );
        self.by_key.insert(key, id);
        let place = (connection.netns.id(), connection.tuple.destination);
        self.by_destination.entry(place).or_default().push(id);
        self.information += usize::from(diagnosis.severity == Severity::Info);
        id
    }

    /// The finding turns out to be of the same rule as an older one of its cause: they are one. Only one that was not
    /// given out can vanish. Returns the finding that there is then.
    pub(super) fn merge(&mut self, id: u64, totals: &mut Totals) -> u64 {
        let Some(open) = self.open.get(&id) else {
            return id;
        };
        let Some(rule) = RuleId::of(&open.finding) else {
            return id;
        };
        let shown = open.last_revision.is_some();
        let older = self.merged.first_of(rule, id, |other| self.open.contains_key(&other));
        if older == id || shown {
            return id;
        }
        let (Some(from), Some(to)) = (self.open.remove(&id), self.open.get_mut(&older)) else {
            return id;
        };
        leave(&mut self.by_destination, &from.finding);
        merged::absorb(&mut to.finding, from.finding);
        to.active += from.active;
        to.losses_told = to.losses_told.max(from.losses_told);
        to.naming.closing &= from.active == 0;
        to.dirty = true;
        self.merged.lead(id, older, from.active);
        let cause = to.finding.cause;
        self.information -= usize::from(to.finding.severity == Severity::Info);
        for key in from.keys {
            if to.keys.len() < MAX_KEYS {
                to.keys.push(key);
                self.by_key.insert(key, older);
            } else {
                self.by_key.remove(&key);
            }
        }
        if let Some(count) = totals.findings.get_mut(&cause) {
            *count = count.saturating_sub(1);
        }
        older
    }

    pub(super) fn naming(&self, id: u64) -> Option<&Naming> {
        self.open.get(&id).map(|open| &open.naming)
    }

    pub(super) fn naming_mut(&mut self, id: u64) -> Option<&mut Naming> {
        self.open.get_mut(&id).map(|open| &mut open.naming)
    }

    /// Whether anything of it was given out.
    pub(super) fn is_shown(&self, id: u64) -> bool {
        self.open.get(&id).is_some_and(|open| open.last_revision.is_some())
    }

    /// Concludes anew from what is known of the events and of the rules.
    pub(super) fn rename(&mut self, id: u64, totals: &mut Totals) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let Diagnosis {
            cause,
            severity,
            confidence,
            evidence,
            culprits,
            considered,
            victims,
            target: _,
            by_absence: _,
            since: _,
            until: _,
        } = open.naming.diagnosis();
        let finding = &mut open.finding;
        (finding.confidence, finding.evidence, finding.culprits) = (confidence, evidence, culprits);
        (finding.considered, finding.victims) = (considered, victims);
        let informs = |severity| usize::from(severity == Severity::Info);
        self.information = self.information + informs(severity) - informs(finding.severity);
        finding.severity = severity;
        open.dirty = true;
        if finding.cause == cause {
            return;
        }
        if let Some(count) = totals.findings.get_mut(&finding.cause) {
            *count = count.saturating_sub(1);
        }
        *totals.findings.entry(cause).or_default() += 1;
        finding.cause = cause;
        let Some(key) = open.keys.first() else {
            return;
        };
        let alias = Key { cause, ..*key };
        open.keys.push(alias);
        self.by_key.entry(alias).or_insert(id);
    }

    /// Its first revision waits no more.
    pub(super) fn release_hold(&mut self, id: u64, now: Timestamp) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        open.naming.held = None;
        let closing = open.naming.closing;
        self.revise(id, now);
        if closing {
            self.close(id, now);
        }
    }

    /// Gives out what changed, unless that has to wait.
    pub(super) fn revise(&mut self, id: u64, now: Timestamp) {
        let ready = |open: &&Open| open.dirty && open.naming.held.is_none();
        let Some(open) = self.open.get(&id).filter(ready) else {
            return;
        };
        match open.last_revision {
            None => self.give_out(id, now, State::Open),
            Some(last) if now >= last + REVISION_INTERVAL => self.give_out(id, now, State::Updated),
            Some(_) => {}
        }
    }

    fn close(&mut self, id: u64, now: Timestamp) {
        if let Some(naming) = self.naming_mut(id).filter(|naming| naming.held.is_some()) {
            naming.closing = true;
            return;
        }
        self.give_out(id, now, State::Closed);
        self.forget(id);
    }

    fn forget(&mut self, id: u64) {
        if let Some(open) = self.open.remove(&id) {
            for key in open.keys {
                if self.by_key.get(&key) == Some(&id) {
                    self.by_key.remove(&key);
                }
            }
            self.merged.forget(id);
            leave(&mut self.by_destination, &open.finding);
            self.information -= usize::from(open.finding.severity == Severity::Info);
        }
    }

    fn give_out(&mut self, id: u64, now: Timestamp, state: State) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        if open.last_revision.is_some() {
            open.finding.revision += 1;
        }
        open.finding.state = state;
        open.finding.at = now;
        open.finding.hanging = open.active;
        open.last_revision = Some(now);
        open.dirty = false;
        self.out.push_back(open.finding.clone());
    }
}

fn leave(by_destination: &mut HashMap<(u64, Endpoint), Vec<u64>, RandomState>, finding: &Finding) {
    let Some(connection) = &finding.connection else {
        return;
    };
    let place = (connection.netns.id(), connection.tuple.destination);
    if let Some(siblings) = by_destination.get_mut(&place) {
        siblings.retain(|id| *id != finding.id);
        if siblings.is_empty() {
            by_destination.remove(&place);
        }
    }
}
