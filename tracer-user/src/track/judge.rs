//! When a connection is judged, and what is done about it if no theory explains it. Pure.

use super::config::Config;
use super::flow::{Examination, Flow, Phase};
use super::theory::{self, Case, Judgement, Look};
use crate::model::event::RstMaker;
use crate::model::inquiry::Examined;
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use std::time::Duration;

/// errno of a connection whose socket somebody destroyed.
pub(super) const ECONNABORTED: u32 = 103;
/// errno of a refused connect.
pub(super) const ECONNREFUSED: u32 = 111;
/// errno of a reset connection.
pub(super) const ECONNRESET: u32 = 104;

/// A tail loss probe is sent after twice the round trip and 200 ms.
const PROBE_TIMEOUT: Duration = Duration::from_millis(400);

#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing to say before this time, unless something else happens.
    Wait(Timestamp),
    /// Its examination is on its way.
    AwaitExamination,
    /// Look at it first; `None`: at what is asked only if there is room for a look.
    Examine(Option<Look>),
    /// Nothing to report.
    Ordinary(Ordinary),
    Found(Judgement),
}

/// What an unremarkable end is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ordinary {
    Refused,
    Aborted,
    GaveUp,
    Failed,
    LateReset,
    Closed,
    /// It hung and then went on.
    Recovered,
}

/// `resumed`: when the host last went on after it had stood still.
pub(super) fn judge(case: &Case<'_>, now: Timestamp, config: &Config, resumed: Option<Timestamp>) -> Verdict {
    if case.flow.signs().stray.is_some() {
        let gone = Verdict::Ordinary(Ordinary::LateReset);
        return theory::decide(case).map_or(gone, Verdict::Found);
    }
    let due = |since: Timestamp| since.max(resumed.unwrap_or(since)) + config.hang_after;
    match case.flow.phase {
        Phase::Ended { at, errno, connected } => {
            let settled = at + config.settle;
            if now < settled {
                return Verdict::Wait(settled);
            }
            ended(case, ordinary(case, errno, connected))
        }
        Phase::Connecting => connecting(case, now, due),
        Phase::Established => established(case, now, due),
    }
}

/// What its end is if nothing is wrong with it.
fn ordinary(case: &Case<'_>, errno: u32, connected: bool) -> Ordinary {
    match (connected, case.flow.signs().reset_received, errno) {
        (true, None, _) => Ordinary::Closed,
        (true, Some(_), _) if case.reset_by() == Some(RstMaker::Socket) => Ordinary::Aborted,
        (true, Some(_), _) => Ordinary::LateReset,
        (false, _, ECONNREFUSED) => Ordinary::Refused,
        (false, _, 0) => Ordinary::GaveUp,
        (false, _, _) => Ordinary::Failed,
    }
}

fn ended(case: &Case<'_>, ordinary: Ordinary) -> Verdict {
    match (&case.flow.examination, theory::look(case)) {
        (Examination::None | Examination::Wanted { .. }, Some(look)) => Verdict::Examine(Some(look)),
        (Examination::Asked(_), Some(_)) => Verdict::AwaitExamination,
        _ => theory::decide(case).map_or(Verdict::Ordinary(ordinary), Verdict::Found),
    }
}

fn connecting(case: &Case<'_>, now: Timestamp, due: impl Fn(Timestamp) -> Timestamp) -> Verdict {
    let flow = case.flow;
    let due = due(flow.stalled_since.or(flow.started()).unwrap_or(flow.first_seen));
    // One drop may be a coincidence; the same one again at the next SYN is not.
    let dropped_again = flow.signs().drops.iter().any(|drop| drop.count() > 1);
    if now < due && !dropped_again {
        return Verdict::Wait(due);
    }
    hanging(case)
}

fn established(case: &Case<'_>, now: Timestamp, due: impl Fn(Timestamp) -> Timestamp) -> Verdict {
    let Some(since) = hangs_since(case.flow) else {
        return Verdict::Ordinary(Ordinary::Recovered);
    };
    let due = due(since);
    if now < due {
        return Verdict::Wait(due);
    }
    hanging(case)
}

/// Where nothing was sent again yet, the first drop is where a hang would begin. It also is where the timer began with
/// what a tail loss probe had sent again: that went out once more before, and no timeout tells when.
fn hangs_since(flow: &Flow) -> Option<Timestamp> {
    let first_drop = flow.signs().drops.iter().map(|drop| drop.at).min();
    match (flow.stalled_since, first_drop) {
        (Some(since), Some(drop)) if since.since(drop) <= PROBE_TIMEOUT => Some(since.min(drop)),
        (since, drop) => since.or(drop),
    }
}

fn hanging(case: &Case<'_>) -> Verdict {
    match &case.flow.examination {
        Examination::None | Examination::Wanted { .. } => Verdict::Examine(None),
        Examination::Asked(_) => Verdict::AwaitExamination,
        Examination::Done(_) | Examination::Missed { .. } => {
            if case
                .examined()
                .is_some_and(|examined| has_recovered(case.flow, examined))
            {
                return Verdict::Ordinary(Ordinary::Recovered);
            }
            let recovered = Verdict::Ordinary(Ordinary::Recovered);
            theory::decide(case).map_or(recovered, Verdict::Found)
        }
    }
}

/// Whether the socket is gone, or everything it sent was acknowledged.
pub(super) fn has_recovered(flow: &Flow, examined: &Examined) -> bool {
    match &examined.socket {
        // It waits as long as it lives.
        Some(_) if flow.signs().stray.is_some() => false,
        // A connect that is gone is told by its own event; here only its drops speak.
        None => flow.phase != Phase::Connecting || flow.signs().drops.is_empty(),
        Some(socket) if flow.phase == Phase::Connecting => socket.state != Some(TcpState::SynSent),
        Some(socket) => socket.retransmits == 0 && socket.unacked.is_none_or(|unacked| unacked == 0),
    }
}
