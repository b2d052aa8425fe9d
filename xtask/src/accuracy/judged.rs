//! What a run came to, and whether that is right and in time.

use super::corpus::Case;

/// A run of a case; the error tells why there was none.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) case: Case,
    pub(super) run: Result<Run, String>,
}

#[derive(Debug)]
pub(super) struct Run {
    /// The findings that stand in the end.
    pub(super) found: Vec<Found>,
    /// The causes that were told and retracted.
    pub(super) taken_back: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Found {
    pub(super) cause: String,
    pub(super) confidence: String,
    /// Its severity is `info`.
    pub(super) informs: bool,
    /// How soon its first revision came; `None`: no application noticed anything.
    pub(super) after: Option<After>,
}

/// Milliseconds from the symptom to the finding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum After {
    /// From the connect or the request that hangs.
    Hang(i64),
    /// From the error; negative: before it.
    Error(i64),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Right,
    /// Another cause, beside the right one or instead of it.
    Wrong,
    Missed,
    /// Something above `info` in a control.
    FalseAlarm,
    /// It could not be run.
    Failed,
}

impl Judged {
    pub(super) fn verdict(&self) -> Verdict {
        let (Ok(run), expected) = (&self.run, &self.case.expected) else {
            return Verdict::Failed;
        };
        let is_expected = |found: &Found| Some(&found.cause) == expected.as_ref();
        let others = run.found.iter().any(|found| !found.informs && !is_expected(found));
        match (expected, others) {
            (None, true) => Verdict::FalseAlarm,
            (None, false) => Verdict::Right,
            (Some(_), true) => Verdict::Wrong,
            (Some(_), false) if run.found.iter().any(is_expected) => Verdict::Right,
            (Some(_), false) => Verdict::Missed,
        }
    }

    /// The finding that was to be made.
    pub(super) fn expected(&self) -> Option<&Found> {
        let cause = self.case.expected.as_ref()?;
        self.run.as_ref().ok()?.found.iter().find(|found| found.cause == *cause)
    }

    /// What the confusion table counts: the causes above `info`, and the expected one whatever its severity.
    pub(super) fn counted(&self) -> Vec<&str> {
        let run = self.run.as_ref().ok();
        let found = run.into_iter().flat_map(|run| &run.found);
        let counts = |found: &&Found| !found.informs || Some(&found.cause) == self.case.expected.as_ref();
        let mut causes: Vec<_> = found.filter(counts).map(|found| &*found.cause).collect();
        causes.sort_unstable();
        causes.dedup();
        causes
    }

    pub(super) fn is_late(&self) -> bool {
        self.expected()
            .and_then(|found| found.after)
            .is_some_and(After::is_late)
    }

    /// For whoever watches.
    pub(super) fn line(&self) -> String {
        let Case {
            scenario,
            backend,
            family,
            expected,
        } = &self.case;
        let form = format!("{scenario}, {backend}, {family}");
        let found = || {
            let causes = self.counted();
            if causes.is_empty() {
                "nothing".to_owned()
            } else {
                causes.join(", ")
            }
        };
        let expected = expected.as_deref().unwrap_or("nothing");
        match (self.verdict(), &self.run) {
            (Verdict::Failed, Err(why)) => format!("{form}: FAILED: {why}"),
            (Verdict::Right, _) => {
                let after = self.expected().and_then(|found| found.after);
                let when = after.map_or_else(String::new, |after| format!(" after {} ms", after.millis()));
                let late = if self.is_late() { ", LATE" } else { "" };
                format!("{form}: {expected}{when}{late}")
            }
            (verdict, _) => format!("{form}: {verdict:?}: expected {expected}, found {}", found()),
        }
    }
}

impl After {
    pub(super) fn millis(self) -> i64 {
        match self {
            Self::Hang(millis) | Self::Error(millis) => millis,
        }
    }

    /// The most that is allowed.
    pub(super) fn target(self) -> i64 {
        match self {
            Self::Hang(_) => HANG_AFTER + 200,
            Self::Error(_) => 100,
        }
    }

    pub(super) fn is_late(self) -> bool {
        self.millis() > self.target()
    }
}

/// The demo's `--hang-after`, in milliseconds.
pub(super) const HANG_AFTER: i64 = 3000;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn judged(expected: Option<&str>, found: &[(&str, bool)], after: Option<After>) -> Judged {
        let found = found.iter().map(|(cause, informs)| Found {
            cause: (*cause).to_owned(),
            confidence: "proved".to_owned(),
            informs: *informs,
            after,
        });
        Judged {
            case: Case {
                scenario: expected.unwrap_or("control").to_owned(),
                expected: expected.map(str::to_owned),
                backend: "nft".to_owned(),
                family: "ipv4".to_owned(),
            },
            run: Ok(Run {
                found: found.collect(),
                taken_back: Vec::new(),
            }),
        }
    }

    #[test]
    fn a_verdict_follows_from_what_was_expected() {
        let verdict = |expected, found: &[_]| judged(expected, found, None).verdict();
        assert_eq!(verdict(Some("a"), &[("a", false)]), Verdict::Right);
        assert_eq!(verdict(Some("a"), &[("a", true), ("b", true)]), Verdict::Right);
        assert_eq!(verdict(Some("a"), &[("a", false), ("b", false)]), Verdict::Wrong);
        assert_eq!(verdict(Some("a"), &[("b", false)]), Verdict::Wrong);
        assert_eq!(verdict(Some("a"), &[("b", true)]), Verdict::Missed);
        assert_eq!(verdict(None, &[("b", true)]), Verdict::Right);
        assert_eq!(verdict(None, &[("b", false)]), Verdict::FalseAlarm);
    }

    #[test]
    fn a_hang_may_take_longer_than_an_error() {
        let late = |after| judged(Some("a"), &[("a", false)], Some(after)).is_late();
        assert!(!late(After::Hang(HANG_AFTER + 200)) && late(After::Hang(HANG_AFTER + 201)));
        assert!(!late(After::Error(100)) && late(After::Error(101)) && !late(After::Error(-5)));
    }
}
