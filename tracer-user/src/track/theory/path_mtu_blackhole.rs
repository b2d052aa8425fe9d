//! Small segments get through, full-sized ones never do.

use super::case::Case;
use super::{Explanation, Opinion, Theory};
use crate::model::finding::{Cause, Confidence, Severity};
use crate::model::inquiry::{Sending, SocketInfo};
use crate::model::time::Timestamp;
use crate::track::flow::Phase;
use std::time::Duration;

pub(super) const THEORY: Theory = Theory::new(Cause::PathMtuBlackhole, Severity::Warning, weigh);

/// A peer that is heard so long after the stall began is alive: acknowledgements of what went before are in by then.
const ALIVE_AFTER: Duration = Duration::from_secs(1);

fn weigh(case: &Case<'_>) -> Opinion {
    let established = case.flow.phase == Phase::Established;
    let (true, Some(result)) = (established && case.hangs_undropped(), case.flow.examined()) else {
        return Opinion::Silent;
    };
    let socket = case.examined().and_then(|examined| examined.socket.as_ref());
    let Some((socket, sending)) = socket.and_then(|socket| Some((socket, socket.sending?))) else {
        return Opinion::Silent;
    };
    let segments = Segments::of(socket, sending);
    if sending.window == Some(0) || !segments.lack_full_sized(sending) {
        return Opinion::Silent;
    }
    let since = case.flow.stalled_since.unwrap_or(result.at);
    if !segments.has_smaller_ones_behind(sending) && !is_alive(sending, result.at, since) {
        return Opinion::Excluded(
            "full-sized segments are lost, but the peer may as well be gone: nothing came from it since",
        );
    }
    Explanation::new(Confidence::Likely, case.leaving()).into()
}

/// Segments that are not acknowledged.
struct Segments {
    all: u32,
    /// Those that the peer has not either.
    lost: u32,
}

impl Segments {
    fn of(socket: &SocketInfo, sending: Sending) -> Self {
        let all = socket.unacked.unwrap_or(0);
        Self {
            all,
            lost: all.saturating_sub(sending.sacked),
        }
    }

    /// What is missing can be segments of full size: so many bytes do not fit into fewer.
    fn lack_full_sized(&self, sending: Sending) -> bool {
        let whole = u64::from(self.lost.saturating_sub(1)) * u64::from(sending.mss);
        let in_flight = u64::from(sending.in_flight);
        self.lost > 0 && sending.mss > 0 && in_flight >= u64::from(sending.mss) && in_flight > whole
    }

    /// What the peer has of it is less than as many segments of full size, if what it lacks are such.
    fn has_smaller_ones_behind(&self, sending: Sending) -> bool {
        let full = |segments: u32| u64::from(segments) * u64::from(sending.mss);
        let in_flight = u64::from(sending.in_flight);
        sending.sacked > 0 && full(self.lost) < in_flight && in_flight < full(self.all)
    }
}

/// It took smaller ones before, and was heard since these are lost.
fn is_alive(sending: Sending, at: Timestamp, since: Timestamp) -> bool {
    sending.acknowledged > 1 && at - sending.last_heard >= since + ALIVE_AFTER
}
