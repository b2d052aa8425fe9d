//! What a demo came to: what was found, and how long after the failure was felt.

use crate::lab::{Scenario, Symptom, SymptomKind};
use crate::model::finding::{Cause, Confidence, Finding, Severity, State};
use crate::model::time::Timestamp;
use crate::sink::jsont::Spell as _;
use std::collections::BTreeMap;

/// One run of a scenario, ended.
pub(super) struct Outcome {
    pub(super) scenario: &'static Scenario,
    pub(super) symptom: Option<Symptom>,
    pub(super) found: Found,
    /// What the finding says was done.
    pub(super) cured: bool,
}

/// The findings that stand, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Found(BTreeMap<u64, Seen>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) cause: Cause,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    /// When it was given out with this cause for the first time.
    since: Timestamp,
}

/// How long after the symptom a finding was given out; negative: before an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct After {
    pub(super) kind: SymptomKind,
    pub(super) millis: i64,
}

impl Found {
    /// Takes in a revision that was given out at that time.
    pub(super) fn add(&mut self, finding: &Finding, now: Timestamp) {
        let earlier = self.0.remove(&finding.id).filter(|seen| seen.cause == finding.cause);
        if finding.state != State::Retracted {
            let seen = Seen {
                cause: finding.cause,
                severity: finding.severity,
                confidence: finding.confidence,
                since: earlier.map_or(now, |seen| seen.since),
            };
            self.0.insert(finding.id, seen);
        }
    }
}

impl Outcome {
    /// The expected finding, and those that a person would be told of.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Seen> {
        // A cure may be to destroy a socket, which is told as well.
        let cure = |seen: &Seen| self.cured && seen.cause == Cause::SocketDestroyed;
        let counts = move |seen: &&Seen| self.is_expected(seen) || seen.severity > Severity::Info && !cure(seen);
        self.found.0.values().filter(counts)
    }

    pub(super) fn as_expected(&self) -> bool {
        let seen = self.scenario.control() || self.findings().any(|seen| self.is_expected(seen));
        seen && self.findings().all(|seen| self.is_expected(seen))
    }

    pub(super) fn expected(&self) -> &'static str {
        self.scenario.expected.map_or(NOTHING, Cause::name)
    }

    pub(super) fn found(&self) -> String {
        let names: Vec<_> = self.findings().map(|seen| seen.cause.name()).collect();
        if names.is_empty() {
            NOTHING.to_owned()
        } else {
            names.join(", ")
        }
    }

    /// A line for each finding; `cargo xtask accuracy` reads them.
    pub(super) fn told(&self) -> Vec<String> {
        let told = |seen: &Seen| {
            let when = self.after(seen).map_or_else(String::new, |after| {
                let (sign, since) = match after.kind {
                    SymptomKind::Hang => ("after", "the hang began"),
                    SymptomKind::Error if after.millis < 0 => ("before", "the error"),
                    SymptomKind::Error => ("after", "the error"),
                };
                format!(" {} ms {sign} {since}", after.millis.unsigned_abs())
            });
            format!("found {} ({}){when}", seen.cause.name(), seen.confidence.spell())
        };
        self.findings().map(told).collect()
    }

    pub(super) fn after(&self, seen: &Seen) -> Option<After> {
        let Symptom { kind, at } = self.symptom?;
        let millis = |later: Timestamp, earlier| i64::try_from(later.since(earlier).as_millis()).unwrap_or(i64::MAX);
        Some(After {
            kind,
            millis: millis(seen.since, at) - millis(at, seen.since),
        })
    }

    fn is_expected(&self, seen: &Seen) -> bool {
        Some(seen.cause) == self.scenario.expected
    }
}
const NOTHING: &str = "nothing";

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::lab;
    use std::time::Duration;

    const SYMPTOM: Timestamp = Timestamp::from_nanos(60_000_000_000);

    /// Of a scenario with proved findings, so many milliseconds after the symptom.
    pub(in super::super) fn outcome(scenario: &str, kind: SymptomKind, found: &[(Cause, i64)]) -> Outcome {
        let seen = |(id, &(cause, millis)): (u64, &(Cause, i64))| {
            let distance = Duration::from_millis(millis.unsigned_abs());
            let seen = Seen {
                cause,
                severity: Severity::Warning,
                confidence: Confidence::Proved,
                since: if millis < 0 {
                    SYMPTOM - distance
                } else {
                    SYMPTOM + distance
                },
            };
            (id, seen)
        };
        Outcome {
            scenario: lab::find(scenario).unwrap(),
            symptom: Some(Symptom { kind, at: SYMPTOM }),
            found: Found((1..).zip(found).map(seen).collect()),
            cured: false,
        }
    }

    #[test]
    fn what_was_found_is_told_with_its_distance_from_the_symptom() {
        let told = |kind, millis| outcome("syn-dropped", kind, &[(Cause::SynDropped, millis)]).told();
        assert_eq!(
            told(SymptomKind::Hang, 1_012),
            ["found syn-dropped (proved) 1012 ms after the hang began"]
        );
        assert_eq!(
            told(SymptomKind::Error, 40),
            ["found syn-dropped (proved) 40 ms after the error"]
        );
        assert_eq!(
            told(SymptomKind::Error, -3),
            ["found syn-dropped (proved) 3 ms before the error"]
        );
    }

    #[test]
    fn another_cause_beside_the_expected_one_differs() {
        let of = |found: &[_]| outcome("syn-dropped", SymptomKind::Hang, found);
        assert!(of(&[(Cause::SynDropped, 1)]).as_expected());
        assert!(!of(&[(Cause::SynDropped, 1), (Cause::Unanswered, 2)]).as_expected());
        assert!(!of(&[]).as_expected());
    }
}
