//! When to sweep, and what follows from a sweep.

use super::answers::Asker;
use super::config::{ANSWER_LOST, EXAMINATION_PATIENCE};
use super::sweep::Overdue;
use super::tracker::Tracker;
use crate::model::identity::Netns;
use crate::model::inquiry::{Question, Reply, Waiting};
use crate::model::time::Timestamp;

impl Tracker {
    pub(super) fn sweep(&mut self, now: Timestamp) {
        if self.sweeps.next_at.is_none_or(|at| now < at) {
            return;
        }
        let asked = self.inquiries.ask(
            now,
            Asker::Sweep,
            Netns::default(),
            None,
            Question::Sweep,
            &mut self.totals,
        );
        // The answer sets the time of the next one; an answer that is lost does not end the sweeps.
        let patience = if asked {
            ANSWER_LOST
        } else {
            self.config.sweep_interval()
        };
        self.sweeps.next_at = Some(now + patience);
    }

    pub(super) fn sweep_answered(&mut self, at: Timestamp, reply: Reply) {
        let interval = self.config.sweep_interval();
        if let Reply::Swept(waiting) = reply {
            self.sweeps.calm(waiting.is_empty() && self.tracked() == 0);
            self.swept(at, waiting);
        }
        let pause = self.sweeps.pause(interval);
        self.sweeps.next_at = self.config.sweep.then(|| at + pause);
    }

    fn swept(&mut self, at: Timestamp, waiting: Vec<Waiting>) {
        for (finding, connection) in self.sweeps.update(at, waiting) {
            self.findings.release(finding, &connection, at);
        }
        for Overdue {
            place,
            connection,
            diagnosis,
            ask,
        } in self.sweeps.overdue(at, self.config.hang_after)
        {
            let wanted = self.config.wants(connection.netns);
            let diagnosis = diagnosis.filter(|_| wanted);
            let finding = diagnosis.and_then(|diagnosis| {
                self.findings
                    .add(diagnosis, connection, true, None, at, &mut self.totals)
            });
            match finding {
                Some(finding) => {
                    self.sweeps.set_finding(place, finding);
                    self.ask_rules(finding, ask.into_iter().collect(), None, at, at + EXAMINATION_PATIENCE);
                    self.findings.revise(finding, at);
                }
                None => self.totals.not_accepted += 1,
            }
        }
    }
}
