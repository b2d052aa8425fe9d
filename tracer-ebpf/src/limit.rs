//! At most so many records a second and processor of what can come in floods.

use tracer_common::stat::Hook;

use crate::{
    map::Limited,
    read::{self, config},
};

const SECOND: u64 = 1_000_000_000;

/// Whether one more may be sent at `time`; one that may not is counted as suppressed.
#[inline(always)]
pub(crate) fn admits(of: Limited, hook: Hook, time: u64) -> bool {
    let Some(window) = read::window(of) else { return false };
    let second = time / SECOND;
    if window.second != second {
        window.second = second;
        window.sent = 0;
    }
    window.sent += 1;
    let admitted = window.sent <= u64::from(config!(drops_per_second));
    if !admitted {
        read::count(hook, |row| row.suppressed += 1);
    }
    admitted
}
