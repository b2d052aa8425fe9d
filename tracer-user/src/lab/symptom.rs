//! When an application noticed the failure of its scenario: what a tracer's time to its finding is counted from.

use crate::lab::scenario::Outcome;
use crate::model::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symptom {
    pub kind: SymptomKind,
    /// When the connect or the request that hangs was made; when the error was there.
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymptomKind {
    Hang,
    Error,
}

/// Follows the steps of a scenario.
pub(super) struct Watch {
    /// How the application's failing step ends.
    awaited: Outcome,
    /// When the last step was begun.
    before: Option<Timestamp>,
    pub(super) symptom: Option<Symptom>,
}

/// A step that was made.
pub(super) struct Step {
    pub begun: Timestamp,
    pub outcome: Outcome,
    /// It only waits for what an earlier step asked for.
    pub waits: bool,
}

impl Watch {
    pub(super) fn new(awaited: Outcome) -> Self {
        Self {
            awaited,
            before: None,
            symptom: None,
        }
    }

    pub(super) fn made(&mut self, step: &Step) {
        let asked = self.before.filter(|_| step.waits).unwrap_or(step.begun);
        self.before = Some(step.begun);
        if step.outcome != self.awaited {
            return;
        }
        let symptom = |kind, at| Some(Symptom { kind, at });
        match step.outcome {
            Outcome::Works | Outcome::Unknown => {}
            Outcome::Hangs => self.symptom = self.symptom.or(symptom(SymptomKind::Hang, asked)),
            // One is none: several make the pattern.
            Outcome::GivesUp => self.symptom = symptom(SymptomKind::Error, now()),
            Outcome::Refused | Outcome::Reset | Outcome::Destroyed | Outcome::Unreachable | Outcome::NoPort => {
                self.symptom = self.symptom.or(symptom(SymptomKind::Error, now()));
            }
        }
    }
}

/// `CLOCK_MONOTONIC`, as the probes read it.
pub fn now() -> Timestamp {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(awaited: Outcome, steps: &[(u64, Outcome, bool)]) -> Option<Symptom> {
        let mut watch = Watch::new(awaited);
        for &(begun, outcome, waits) in steps {
            let begun = Timestamp::from_nanos(begun);
            watch.made(&Step { begun, outcome, waits });
        }
        watch.symptom
    }

    #[test]
    fn a_hang_begins_with_what_was_asked_for_in_vain() {
        let hang = |at| {
            Some(Symptom {
                kind: SymptomKind::Hang,
                at: Timestamp::from_nanos(at),
            })
        };
        let connect = (7, Outcome::Hangs, false);
        let request = [(7, Outcome::Works, false), (9, Outcome::Hangs, true)];
        assert_eq!(watched(Outcome::Hangs, &[connect]), hang(7));
        assert_eq!(watched(Outcome::Hangs, &request), hang(7));
        assert_eq!(
            watched(Outcome::Hangs, &[connect, (20, Outcome::Hangs, false)]),
            hang(7)
        );
    }

    #[test]
    fn an_error_counts_from_when_it_is_there_and_what_goes_before_does_not() {
        let before = now();
        let steps = [(1, Outcome::Refused, false), (2, Outcome::Reset, true)];
        let symptom = watched(Outcome::Reset, &steps).expect("a symptom");
        assert_eq!(symptom.kind, SymptomKind::Error);
        assert!(symptom.at >= before);
        assert_eq!(watched(Outcome::Works, &[(1, Outcome::Works, false)]), None);
    }
}
