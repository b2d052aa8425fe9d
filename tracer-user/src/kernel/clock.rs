//! The kernel's tick.

use rustix::time::{ClockId, clock_getres};
use std::time::Duration;

/// The length of a jiffy: the resolution of the coarse clock, which moves once a tick.
pub fn jiffy() -> Option<Duration> {
    let resolution = clock_getres(ClockId::MonotonicCoarse);
    let jiffy = Duration::try_from(resolution).ok()?;
    (!jiffy.is_zero()).then_some(jiffy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jiffy_is_between_one_and_ten_milliseconds() {
        let jiffy = jiffy().unwrap();
        assert!(
            (Duration::from_micros(990)..=Duration::from_millis(11)).contains(&jiffy),
            "{jiffy:?}"
        );
    }
}
