//! What the probes cost, out of the windows in which that was measured.

use crate::kernel::hooks::name;
use crate::kernel::meter::Window;
use crate::kernel::stat::Cost;
use crate::model::time::Timestamp;
use crate::sink::{ProbeCost, Rate};
use std::collections::BTreeMap;
use std::time::Duration;

/// Windows, each for the time since the one before.
#[derive(Debug)]
pub(super) struct Spending {
    clock: Option<Duration>,
    latest: Option<ProbeCost>,
    /// When the latest one was taken in; at first when tracing began.
    taken: Timestamp,
    measured: Duration,
    /// What the windows stand for, and what all of it costs by them.
    covered: Duration,
    hooks: BTreeMap<&'static str, Sum>,
}

/// Rates, each times the milliseconds that it stands for.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    runs: u128,
    nanos: u128,
}

impl Spending {
    /// `clock` is what measuring adds to each run.
    pub(super) fn new(clock: Option<Duration>, now: Timestamp) -> Self {
        Self {
            clock,
            latest: None,
            taken: now,
            measured: Duration::ZERO,
            covered: Duration::ZERO,
            hooks: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, window: &Window, now: Timestamp) {
        let stands_for = now.since(self.taken).max(window.length);
        let clock = self.clock.unwrap_or_default();
        let rates = window.hooks.iter().map(|(hook, cost)| {
            let rate = rate(*cost, clock, window.length);
            self.hooks.entry(name(*hook)).or_default().add(rate, stands_for);
            (name(*hook).into(), rate)
        });
        self.latest = Some(ProbeCost {
            measured: window.length,
            clock: self.clock,
            hooks: rates.collect(),
        });
        self.taken = now;
        self.measured += window.length;
        self.covered += stands_for;
    }

    /// What the latest window says.
    pub(super) fn latest(&self) -> Option<&ProbeCost> {
        self.latest.as_ref()
    }

    /// What all of them say of the whole time.
    pub(super) fn mean(&self) -> Option<ProbeCost> {
        self.latest.as_ref()?;
        let hooks = self.hooks.iter();
        Some(ProbeCost {
            measured: self.measured,
            clock: self.clock,
            hooks: hooks
                .map(|(name, sum)| ((*name).into(), sum.mean(self.covered)))
                .collect(),
        })
    }
}

impl Sum {
    fn add(&mut self, rate: Rate, stands_for: Duration) {
        let Self { runs, nanos } = self;
        *runs += u128::from(rate.runs) * stands_for.as_millis();
        *nanos += u128::from(rate.nanos) * stands_for.as_millis();
    }

    fn mean(self, of: Duration) -> Rate {
        Rate {
            runs: quotient(self.runs, of.as_millis()),
            nanos: quotient(self.nanos, of.as_millis()),
        }
    }
}

/// What was counted, by the second and without the time that counting took.
fn rate(cost: Cost, clock: Duration, length: Duration) -> Rate {
    let runs = u128::from(cost.runs);
    let nanos = cost.time.as_nanos().saturating_sub(runs * clock.as_nanos());
    let by_second = |number: u128| quotient(number * SECOND.as_nanos(), length.as_nanos());
    Rate {
        runs: by_second(runs),
        nanos: by_second(nanos),
    }
}

/// 0 for no time at all.
fn quotient(number: u128, by: u128) -> u64 {
    u64::try_from(number.checked_div(by).unwrap_or(0)).unwrap_or(u64::MAX)
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::stat::Hook;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    fn window(runs: u64, nanos: u64) -> Window {
        let cost = Cost {
            runs,
            time: Duration::from_nanos(nanos),
            recursion_misses: 0,
        };
        Window {
            length: Duration::from_millis(100),
            hooks: vec![(Hook::SetState, cost)],
        }
    }

    fn spending(clock: Option<u64>) -> Spending {
        Spending::new(clock.map(Duration::from_nanos), at(0))
    }

    #[test]
    fn a_window_is_told_by_the_second_without_its_clock() {
        let mut spending = spending(Some(50));
        assert_eq!((spending.latest(), spending.mean()), (None, None));
        spending.take(&window(20, 3_000), at(100));
        let latest = spending.latest().unwrap();
        let expected = Rate {
            runs: 200,
            nanos: 20_000,
        };
        assert_eq!(
            (latest.total(), latest.measured),
            (expected, Duration::from_millis(100))
        );
        assert_eq!(spending.mean().as_ref(), Some(latest));
    }

    #[test]
    fn a_clock_that_is_not_known_stays_in_and_one_that_is_too_slow_gives_no_negative_cost() {
        for (clock, nanos) in [(None, 30_000), (Some(1_000), 0)] {
            let mut spending = spending(clock);
            spending.take(&window(20, 3_000), at(100));
            assert_eq!(spending.latest().unwrap().total().nanos, nanos, "{clock:?}");
        }
    }

    #[test]
    fn each_window_stands_for_the_time_since_the_one_before() {
        let mut spending = spending(None);
        spending.take(&window(10, 1_000), at(1_000));
        spending.take(&window(50, 5_000), at(4_000));
        let mean = spending.mean().unwrap();
        let expected = Rate {
            runs: (100 + 3 * 500) / 4,
            nanos: (10_000 + 3 * 50_000) / 4,
        };
        assert_eq!((mean.total(), mean.measured), (expected, Duration::from_millis(200)));
        assert_eq!(spending.latest().unwrap().total().runs, 500);
    }

    #[test]
    fn a_hook_that_came_later_counts_for_its_time() {
        let mut spending = spending(None);
        spending.take(&window(10, 1_000), at(1_000));
        let mut with_another = window(10, 1_000);
        with_another.hooks.push((Hook::Drop, with_another.hooks[0].1));
        spending.take(&with_another, at(2_000));
        let mean = spending.mean().unwrap();
        let runs = mean.hooks.iter().map(|(name, rate)| (&**name, rate.runs));
        assert_eq!(
            runs.collect::<Vec<_>>(),
            [("inet_sock_set_state", 100), ("kfree_skb", 50)]
        );
    }
}
