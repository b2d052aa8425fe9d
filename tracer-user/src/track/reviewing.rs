//! What follows from a judgement: waiting, examining, reporting, forgetting.

use super::answers::Asker;
use super::config::{EXAMINATION_PATIENCE, REEXAMINE_MAX, TURN_INTERVAL};
use super::deadlines::Mark;
use super::flow::{Asked, Examination, Flow, Missed, Outcome, Phase};
use super::flows::Handle;
use super::judge::{self, Ordinary, Verdict};
use super::recurring::{self, Resetter};
use super::theory::{self, Case, Judgement, Look, Surroundings};
use super::tracker::Tracker;
use super::turns::Party;
use crate::model::aspect::Aspect;
use crate::model::finding::Cause;
use crate::model::inquiry::{Question, Reply};
use crate::model::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

impl Tracker {
    pub(super) fn touch(&mut self, id: Option<Handle>) {
        self.touched.extend(id);
    }

    /// Judges what was touched. A judgement may touch others; each is judged once more at most per change.
    pub(super) fn review_touched(&mut self, now: Timestamp) {
        while let Some(id) = self.touched.pop() {
            self.review(id, now);
        }
        if self.touched.capacity() > TOUCHED_AT_ONCE {
            self.touched = Vec::new();
        }
    }

    /// Judges the flow and does what follows from it.
    fn review(&mut self, id: Handle, now: Timestamp) {
        let Some(flow) = self.flows.get(id) else {
            return;
        };
        if let Some(until) = flow.signs().awaits_link.filter(|until| now < *until) {
            self.arm(id, until);
            return;
        }
        let around = self.surroundings(now);
        let verdict = judge::judge(&Case { flow, around: &around }, now, &self.config, self.resumed);
        if let Some(finding) = flow.finding() {
            self.follow_up(id, finding, &verdict, now);
            return;
        }
        match verdict {
            Verdict::AwaitExamination => self.await_examination(id, now),
            Verdict::Wait(until) => self.arm(id, until),
            Verdict::Examine(look) => {
                let counts = |look: &Look| look.aspects.contains(&Aspect::ConnectionsOpened);
                if look.as_ref().is_some_and(counts) {
                    self.recurring.asked(Resetter::of(flow), now);
                }
                self.examine(id, look, now);
            }
            Verdict::Ordinary(ordinary) => self.finish_flow(id, ordinary, now),
            Verdict::Found(judgement) => self.report(id, judgement, None, now),
        }
    }

    /// Adds the flow to the finding of its cause; it stays as long as it hangs.
    fn report(&mut self, id: Handle, judgement: Judgement, supersedes: Option<u64>, now: Timestamp) {
        let Some(flow) = self.flows.get(id) else {
            return;
        };
        let connection = flow.connection();
        let hangs = !flow.is_ended();
        let unexamined = flow.examined().is_some_and(|looked| looked.examined.is_err());
        // What nobody looked at is taken for what others to this destination are.
        let alike = unexamined && judgement.cause == Cause::Unanswered;
        let sibling = alike.then(|| self.findings.sibling(&connection)).flatten();
        let known = || {
            self.findings
                .of(judgement, &connection)
                .filter(|_| supersedes.is_none())
        };
        let finding = if let Some(known) = sibling.or_else(known) {
            self.findings.join(known, connection, hangs, now);
            Some(known)
        } else {
            let around = self.surroundings(now);
            let diagnosis = theory::diagnose(&Case { flow, around: &around });
            diagnosis.and_then(|diagnosis| {
                self.findings
                    .add(diagnosis, connection, hangs, supersedes, now, &mut self.totals)
            })
        };
        if let Some(finding) = finding {
            if unexamined {
                self.findings.count_unexamined(finding);
            }
            self.ask_about(id, finding, judgement.cause, now);
            self.findings.revise(finding, now);
        }
        if judgement.cause == Cause::ResetByPeer {
            self.count_reset(id);
        }
        self.reported(id, finding, now);
    }

    /// The next one by this peer is not the first.
    fn count_reset(&mut self, id: Handle) {
        if let Some(flow) = self.flows.get(id)
            && let Some((at, _)) = flow.signs().reset_received
        {
            self.recurring.add(Resetter::of(flow), at, recurring::opened(flow));
        }
    }

    /// Asks for the rules behind its finding, if nobody did.
    fn ask_about(&mut self, id: Handle, finding: u64, cause: Cause, now: Timestamp) {
        if !self.config.walk || !self.findings.is_unasked(finding) {
            return;
        }
        let Some(flow) = self.flows.get(id) else {
            return;
        };
        let asks = theory::of(cause).map_or_else(Vec::new, |theory| (theory.asks)(flow));
        let hint = flow.owner().map(|owner| (flow.netns(), owner.pid));
        // The rules are waited for no longer than an examination is.
        let until = flow.signs().asked.unwrap_or(now) + EXAMINATION_PATIENCE;
        self.ask_rules(finding, asks, hint, now, until);
    }

    /// The flow has this finding, and stays as long as it hangs.
    fn reported(&mut self, id: Handle, finding: Option<u64>, now: Timestamp) {
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        flow.set_finding(finding);
        if flow.is_ended() || finding.is_none() {
            self.flows.remove(id);
            return;
        }
        // The end of a connect has an event of its own, that of a stalled connection may be an acknowledgement.
        let patience = if flow.phase == Phase::Connecting && flow.signs().counted.is_none() {
            REEXAMINE_MAX
        } else {
            self.config.hang_after.max(Duration::from_secs(1))
        };
        self.arm(id, now + patience);
    }

    fn surroundings(&self, now: Timestamp) -> Surroundings<'_> {
        Surroundings {
            now,
            settle: self.config.settle,
            losses: &self.findings.losses,
            resets: &self.resets,
            sweeps: &self.sweeps,
            recurring: &self.recurring,
            give_ups: &self.give_ups,
            locals: &self.locals,
            entrances: &self.entrances,
        }
    }

    /// A connection with a finding: is it explained better by now, has it ended, has it recovered?
    fn follow_up(&mut self, id: Handle, finding: u64, verdict: &Verdict, now: Timestamp) {
        let Some(flow) = self.flows.get(id) else {
            return;
        };
        let (ended, number) = (flow.is_ended(), flow.id);
        let examined = !matches!(flow.examination, Examination::Asked(_));
        let due = flow.deadline.is_none_or(|deadline| deadline <= now);
        match *verdict {
            Verdict::Found(judgement) if self.findings.is_improved_by(finding, judgement) => {
                let alone = self.findings.withdraw(finding, number, now, &mut self.totals);
                self.report(id, judgement, alone.then_some(finding), now);
            }
            Verdict::Found(judgement) if self.findings.is_confirmed_by(finding, judgement) => {
                let around = self.surroundings(now);
                if let Some(diagnosis) = theory::diagnose(&Case { flow, around: &around }) {
                    self.findings.confirm(finding, diagnosis, &mut self.totals);
                }
                self.findings.revise(finding, now);
                if ended {
                    self.finish_flow(id, Ordinary::Recovered, now);
                }
            }
            Verdict::Wait(until) if ended => self.arm(id, until),
            Verdict::Wait(_)
            | Verdict::AwaitExamination
            | Verdict::Examine(_)
            | Verdict::Ordinary(_)
            | Verdict::Found(_) => {
                if ended {
                    self.finish_flow(id, Ordinary::Recovered, now);
                } else if examined && due {
                    self.examine(id, Some(Look::default()), now);
                }
            }
        }
    }

    fn examine(&mut self, id: Handle, look: Option<Look>, now: Timestamp) {
        // What is asked because of an event that came late has its whole time from now on.
        let now = now.max(self.latest);
        if self.has_turn(id, now) && self.ask_examination(id, look, now) {
            self.arm(id, now + EXAMINATION_PATIENCE);
            return;
        }
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        if flow.finding().is_some() {
            // It is only to be seen whether it still hangs; of very many each has its time.
            let apart = Duration::from_millis(10 * u64::from(id.spread(1_500)));
            return self.arm(id, now + REEXAMINE_MAX / 2 + apart);
        }
        let since = flow.wants_examination(now);
        let last = since + EXAMINATION_PATIENCE;
        if now >= last {
            return self.not_examined(id, now, Missed::TooMany);
        }
        // Of a storm few get a turn: the others try less and less often, and not all at once.
        let apart = Duration::from_millis(id.spread(500).into());
        let pause = TURN_INTERVAL.max(now.since(since) * 2) + apart;
        self.arm(id, last.min(now + pause));
    }

    /// Whether it is examined now; then it counts.
    fn has_turn(&mut self, id: Handle, now: Timestamp) -> bool {
        let Some(flow) = self.flows.get(id) else {
            return false;
        };
        let again = flow.finding().is_some();
        let of = Party {
            netns: flow.netns(),
            destination: flow.tuple.destination,
        };
        let few = !again && self.turns.are_few(of, now);
        let allowed = few || self.turns.allows_common(now);
        let has_room =
            allowed && self.inquiries.has_room(now, &mut self.totals) && (few || self.inquiries.has_room_to_examine());
        match (has_room, again) {
            (false, _) => false,
            (true, true) => self.turns.take_common(now),
            (true, false) => self.turns.take(of, now),
        }
    }

    fn ask_examination(&mut self, id: Handle, look: Option<Look>, now: Timestamp) -> bool {
        let Some(flow) = self.flows.get(id) else {
            return false;
        };
        let around = self.surroundings(now);
        let look = look.or_else(|| theory::look(&Case { flow, around: &around }));
        let look = look.unwrap_or_default();
        let is_local = look.aspects.iter().any(|aspect| matches!(aspect, Aspect::Listeners(_)));
        let question = Question::Connection {
            tuple: flow.tuple,
            target: look.target,
            aspects: look.aspects,
        };
        let holder = flow.signs().counted.as_ref().and_then(|counted| counted.holder);
        let hint = flow.owner().map(|owner| owner.pid).or(holder.map(|holder| holder.pid));
        let (netns, asker) = (flow.netns(), Asker::Flow(id));
        let asked = self.inquiries.ask(now, asker, netns, hint, question, &mut self.totals);
        let Some(flow) = self.flows.get_mut(id).filter(|_| asked) else {
            return false;
        };
        if is_local {
            self.locals.count(netns.id(), flow.tuple.destination, now);
        }
        let previous = match std::mem::take(&mut flow.examination) {
            Examination::Asked(_) | Examination::Wanted { .. } => Examination::None,
            before @ (Examination::None | Examination::Done(_) | Examination::Missed { .. }) => before,
        };
        flow.examination = Examination::Asked(Box::new(Asked { since: now, previous }));
        flow.signs_mut().asked.get_or_insert(now);
        true
    }

    /// The deadline of an examination that is on its way.
    fn await_examination(&mut self, id: Handle, now: Timestamp) {
        let Some(Examination::Asked(asked)) = self.flows.get(id).map(|flow| &flow.examination) else {
            return;
        };
        let until = asked.since + EXAMINATION_PATIENCE;
        if now < until {
            self.arm(id, until);
        } else {
            self.not_examined(id, now, Missed::TooLate);
        }
    }

    fn not_examined(&mut self, id: Handle, now: Timestamp, why: Missed) {
        self.totals.unexamined += 1;
        if let Some(flow) = self.flows.get_mut(id) {
            flow.examination = Examination::Missed { at: now, why };
        }
        self.flows.reindex(id);
        self.touch(Some(id));
    }

    /// An entry among the deadlines came up: the flow is touched if it still has that deadline.
    pub(super) fn flow_expired(&mut self, id: Handle, at: Timestamp) {
        let Some(flow) = self.flows.get_mut(id).filter(|flow| flow.queued == Some(Mark::of(at))) else {
            return;
        };
        flow.queued = None;
        match flow.deadline {
            Some(deadline) if deadline > at => {
                flow.queued = Some(Mark::of(deadline));
                self.flow_deadlines.arm(deadline, id);
            }
            Some(_) => self.touch(Some(id)),
            None => {}
        }
    }

    pub(super) fn examined(&mut self, id: Handle, at: Timestamp, enter: Option<Arc<str>>, reply: Reply) {
        let examined = match reply {
            Reply::Connection(examined) => Ok(examined),
            Reply::Gone => Err("the namespace is gone".into()),
            Reply::Unreachable(why) => Err(why),
            Reply::Link(_) | Reply::Swept(_) | Reply::Stalled(_) | Reply::Walked(_) | Reply::Identity(_) => {
                return;
            }
        };
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        let recovered = match &examined {
            // The event of its end was lost.
            Ok(examined) if flow.finding().is_some() && examined.socket.is_none() => true,
            Ok(examined) => judge::has_recovered(flow, examined),
            Err(_) => flow.finding().is_some(),
        };
        flow.examination = Examination::Done(Box::new(Outcome { at, enter, examined }));
        let leaving = flow.leaving();
        let (open, ended) = (flow.finding().is_some(), flow.is_ended());
        let since = flow.stalled_since.unwrap_or(flow.first_seen);
        self.flows.reindex(id);
        self.claim_packets(leaving);
        match (open, recovered) {
            _ if ended => self.touch(Some(id)),
            (true, true) => self.finish_flow(id, Ordinary::Recovered, at),
            // Twice as long each time, as the kernel does with its retransmits.
            (true, false) => self.arm(id, at + at.since(since).clamp(Duration::from_secs(1), REEXAMINE_MAX)),
            (false, _) => self.touch(Some(id)),
        }
    }

    fn arm(&mut self, id: Handle, until: Timestamp) {
        if let Some(flow) = self.flows.get_mut(id)
            && flow.deadline != Some(until)
        {
            // An entry that comes up too early finds out by itself that there is more time.
            let is_enough = flow.queued.is_some() && flow.deadline.is_some_and(|before| before < until);
            flow.deadline = Some(until);
            if !is_enough {
                flow.queued = Some(Mark::of(until));
                self.flow_deadlines.arm(until, id);
            }
        }
    }

    /// Forgets the flow: it ended, or went on, and is counted as `ordinary` unless it has a finding.
    pub(super) fn finish_flow(&mut self, id: Handle, ordinary: Ordinary, at: Timestamp) {
        let Some(flow) = self.flows.remove(id) else {
            return;
        };
        if flow.finding().is_some() {
            self.release_finding(&flow, at);
            return;
        }
        match ordinary {
            Ordinary::Refused => self.totals.refused += 1,
            Ordinary::Aborted => self.totals.aborted += 1,
            Ordinary::Failed => self.totals.failed += 1,
            Ordinary::LateReset => self.totals.late_resets += 1,
            Ordinary::GaveUp => self.totals.given_up += 1,
            Ordinary::Closed | Ordinary::Recovered => {}
        }
    }

    pub(super) fn release_finding(&mut self, flow: &Flow, at: Timestamp) {
        if let Some(finding) = flow.finding() {
            self.findings.release(finding, &flow.connection(), at);
        }
    }
}

/// What a call touches leaves room for so many others; the room for a storm is given back.
const TOUCHED_AT_ONCE: usize = 4_096;
