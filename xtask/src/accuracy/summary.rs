//! All runs together: the mistakes, and how soon findings came.

use super::judged::{After, Judged, Verdict};

#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) runs: usize,
    pub(super) right: usize,
    wrong: usize,
    missed: usize,
    false_alarms: usize,
    failed: usize,
    pub(super) late: usize,
    pub(super) hangs: Times,
    pub(super) errors: Times,
}

/// Milliseconds from symptoms to findings.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<i64>);

impl Summary {
    pub(super) fn of(judged: &[Judged]) -> Self {
        let count = |verdict| judged.iter().filter(|judged| judged.verdict() == verdict).count();
        let after = || judged.iter().filter_map(|judged| judged.expected()?.after);
        Self {
            runs: judged.len(),
            right: count(Verdict::Right),
            wrong: count(Verdict::Wrong),
            missed: count(Verdict::Missed),
            false_alarms: count(Verdict::FalseAlarm),
            failed: count(Verdict::Failed),
            late: judged.iter().filter(|judged| judged.is_late()).count(),
            hangs: Times::of(after().filter(|after| matches!(after, After::Hang(_)))),
            errors: Times::of(after().filter(|after| matches!(after, After::Error(_)))),
        }
    }

    pub(super) fn is_right(&self) -> bool {
        self.right == self.runs
    }

    pub(super) fn mistakes(&self) -> String {
        let Self {
            wrong,
            missed,
            false_alarms,
            failed,
            ..
        } = self;
        format!("{wrong} wrong causes, {missed} missed, {false_alarms} false alarms, {failed} could not be run")
    }
}

impl Times {
    pub(super) fn of(after: impl Iterator<Item = After>) -> Self {
        let mut millis: Vec<_> = after.map(After::millis).collect();
        millis.sort_unstable();
        Self(millis)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn median(&self) -> Option<i64> {
        self.0.get(self.0.len() / 2).copied()
    }

    pub(super) fn worst(&self) -> Option<i64> {
        self.0.last().copied()
    }

    pub(super) fn within(&self, target: i64) -> usize {
        self.0.iter().filter(|millis| **millis <= target).count()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::judged::tests::judged, *};

    #[test]
    fn every_run_is_counted_once() {
        let failed = Judged {
            run: Err("no kernel".to_owned()),
            ..judged(Some("a"), &[], None)
        };
        let all = [
            judged(Some("a"), &[("a", false)], Some(After::Hang(3500))),
            judged(Some("a"), &[("a", false)], Some(After::Hang(10))),
            judged(Some("a"), &[("b", false)], None),
            judged(Some("a"), &[], None),
            judged(None, &[("b", false)], None),
            failed,
        ];
        let summary = Summary::of(&all);
        assert_eq!((summary.runs, summary.right, summary.late), (6, 2, 1));
        assert_eq!(
            summary.mistakes(),
            "1 wrong causes, 1 missed, 1 false alarms, 1 could not be run"
        );
        assert!(!summary.is_right());
        let hangs = &summary.hangs;
        assert_eq!(
            (hangs.len(), hangs.median(), hangs.worst()),
            (2, Some(3500), Some(3500))
        );
        assert_eq!((hangs.within(100), summary.errors.worst()), (1, None));
    }
}
