//! At most so many records a second and processor of what can come in floods; where there are shares, no more than three
//! quarters of them of one namespace, and half of one port: a flood of one port leaves room for the others of its
//! namespace, a scan of all ports for the other namespaces.

use tracer_common::stat::Hook;

use crate::{
    map::{Limited, Window},
    read::{self, config},
};

const SECOND: u64 = 1_000_000_000;

/// With whom a record shares what is limited.
#[derive(Clone, Copy)]
pub(crate) struct Shares {
    /// The inode of the namespace; 0: not known.
    pub(crate) netns: u32,
    /// The destination's.
    pub(crate) port: u32,
}

/// What a window counts.
#[derive(Clone, Copy)]
pub(crate) enum Share {
    All,
    Netns(u32),
    /// A port of a namespace.
    Port(Shares),
}

/// Whether one more may be sent at `time`; one that may not is counted as suppressed.
#[inline(always)]
pub(crate) fn admits(of: Limited, hook: Hook, time: u64, shares: Option<Shares>) -> bool {
    let limit = match of {
        Limited::Drops | Limited::Entries => config!(drops_per_second),
        Limited::Resets => config!(resets_per_second),
    };
    let admitted = take(of, time / SECOND, u64::from(limit), shares).is_some();
    if !admitted {
        read::count(hook, |row| row.suppressed += 1);
    }
    admitted
}

/// Takes one of what every window has left, or none of any.
#[inline(always)]
fn take(of: Limited, second: u64, limit: u64, shares: Option<Shares>) -> Option<()> {
    let all = room(of, Share::All, second, limit)?;
    if let Some(shares) = shares {
        let netns = room(of, Share::Netns(shares.netns), second, limit - limit / 4)?;
        let port = room(of, Share::Port(shares), second, limit.div_ceil(2))?;
        netns.sent += 1;
        port.sent += 1;
    }
    all.sent += 1;
    Some(())
}

/// The window, if it has something left.
#[inline(always)]
fn room(of: Limited, share: Share, second: u64, limit: u64) -> Option<&'static mut Window> {
    let window = read::window(of, share)?;
    if window.second != second {
        window.second = second;
        window.sent = 0;
    }
    (window.sent < limit).then_some(window)
}
