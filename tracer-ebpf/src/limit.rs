//! At most so many records a second and processor of what can come in floods, and no more than half of them of one share
//! where there are shares.

use tracer_common::stat::Hook;

use crate::{
    map::{Limited, Window},
    read::{self, config},
};

const SECOND: u64 = 1_000_000_000;

/// Whether one more may be sent at `time`; one that may not is counted as suppressed.
#[inline(always)]
pub(crate) fn admits(of: Limited, hook: Hook, time: u64, share: Option<u32>) -> bool {
    let limit = match of {
        Limited::Drops | Limited::Entries => config!(drops_per_second),
        Limited::Resets => config!(resets_per_second),
    };
    let limit = u64::from(limit);
    let second = time / SECOND;
    let takes = |share, limit| read::window(of, share).is_some_and(|window| take(window, second, limit));
    let admitted = (share.is_none() || takes(share, limit.div_ceil(2))) && takes(None, limit);
    if !admitted {
        read::count(hook, |row| row.suppressed += 1);
    }
    admitted
}

/// Takes one of what the window has left.
#[inline(always)]
fn take(window: &mut Window, second: u64, limit: u64) -> bool {
    if window.second != second {
        window.second = second;
        window.sent = 0;
    }
    let has_room = window.sent < limit;
    window.sent += u64::from(has_room);
    has_room
}
