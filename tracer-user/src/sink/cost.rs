//! What tracing costs, as it tells of itself.

use crate::sink::jsont::EventName;
use std::borrow::Cow;
use std::time::Duration;

/// What a run, or its last interval, costs. `None`: not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub probes: Option<ProbeCost>,
    /// CPU time of this process.
    pub process: Option<Share>,
    /// Most bytes that were taken out of the ring buffer in a row.
    pub ring_high_water: Option<u64>,
    /// Size of the ring buffer.
    pub ring_bytes: Option<u64>,
    /// Of this process, without its view of the ring buffer, which is among the maps.
    pub resident_bytes: Option<u64>,
    pub map_bytes: Option<u64>,
    /// Records lost because the ring buffer was full, by event.
    pub lost: Vec<(EventName, u64)>,
}

impl Cost {
    /// Of the probes and this process together.
    pub fn share(&self) -> Option<Share> {
        let probes = self.probes.as_ref().map(ProbeCost::share);
        match (probes, self.process) {
            (Some(probes), Some(process)) => Some(Share(probes.0.saturating_add(process.0))),
            (share, None) | (None, share) => share,
        }
    }
}

/// What the probes cost while the kernel counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeCost {
    /// How long it counted.
    pub measured: Duration,
    /// What counting added to each run, which is taken off; `None`: it could not be told apart.
    pub clock: Option<Duration>,
    pub hooks: Vec<(Cow<'static, str>, Rate)>,
}

impl ProbeCost {
    /// All hooks together.
    pub fn total(&self) -> Rate {
        self.hooks.iter().fold(Rate::default(), |sum, (_, rate)| Rate {
            runs: sum.runs.saturating_add(rate.runs),
            nanos: sum.nanos.saturating_add(rate.nanos),
        })
    }

    pub fn share(&self) -> Share {
        self.total().share()
    }
}

/// In one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    pub runs: u64,
    pub nanos: u64,
}

impl Rate {
    pub fn share(self) -> Share {
        Share::of(Duration::from_nanos(self.nanos), Duration::from_secs(1))
    }
}

/// A part of one core's time, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    /// Nothing, where no time passed.
    pub fn of(spent: Duration, time: Duration) -> Self {
        let millionths = (spent.as_nanos() * 1_000_000).checked_div(time.as_nanos());
        Self(u32::try_from(millionths.unwrap_or(0)).unwrap_or(u32::MAX))
    }

    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 1_000_000.0
    }

    pub fn percent(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_one_core() {
        let second = Duration::from_secs(1);
        assert_eq!(Share::of(Duration::from_micros(312), second), Share(312));
        assert_eq!(Share(312).percent().to_string(), "0.0312");
        assert_eq!(Share::of(2 * second, second), Share(2_000_000));
        assert_eq!(Share::of(second, Duration::ZERO), Share(0));
        assert_eq!(Share::of(Duration::MAX, Duration::from_nanos(1)), Share(u32::MAX));
    }

    #[test]
    fn what_is_not_known_is_not_taken_for_nothing() {
        let rate = Rate {
            runs: 10,
            nanos: 1_000_000,
        };
        let probes = ProbeCost {
            hooks: vec![("a".into(), rate), ("b".into(), rate)],
            ..ProbeCost::default()
        };
        let mut cost = Cost::default();
        assert_eq!(cost.share(), None);
        cost.probes = Some(probes);
        assert_eq!(cost.share(), Some(Share(2_000)));
        cost.process = Some(Share(5));
        assert_eq!(cost.share(), Some(Share(2_005)));
        cost.probes = None;
        assert_eq!(cost.share(), Some(Share(5)));
    }
}
