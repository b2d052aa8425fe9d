//! Connections that hang already when tracing begins: asked for once, and tracked like those that events tell of.
//!
//! Who called connect is not known of them, and stays unknown: the process that holds the socket is told as its holder.

use super::answers::Asker;
use super::config::CENSUS_TRIES;
use super::flow::{Counted, Flow, MIN_RTO, Phase};
use super::tracker::{Tracker, new_flow};
use crate::model::event::{Event, EventKind};
use crate::model::identity::Netns;
use crate::model::inquiry::{Census, Question, Reply, Stalled};
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use std::time::Duration;

/// When to ask.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) next_at: Option<Timestamp>,
    tries: u32,
}

impl Schedule {
    /// `None`: never.
    pub(super) fn starting(next_at: Option<Timestamp>) -> Self {
        Self { next_at, tries: 0 }
    }
}

impl Tracker {
    pub(super) fn take_census(&mut self, now: Timestamp) {
        if self.census.next_at.is_none_or(|at| now < at) {
            return;
        }
        let everywhere = Netns::default();
        let asked = self.inquiries.ask(
            now,
            Asker::Census,
            everywhere,
            None,
            Question::Stalled,
            &mut self.totals,
        );
        self.census.next_at = None;
        if !asked {
            self.repeat_census(now);
        }
    }

    pub(super) fn census_answered(&mut self, at: Timestamp, reply: Reply) {
        match reply {
            Reply::Stalled(Census { sockets, left_out }) => {
                self.totals.evicted += u64::from(left_out);
                for seen in &sockets {
                    self.count(seen);
                }
            }
            Reply::Connection(_)
            | Reply::Link(_)
            | Reply::Swept(_)
            | Reply::Walked(_)
            | Reply::Identity(_)
            | Reply::Gone
            | Reply::Unreachable(_) => {
                self.repeat_census(at);
            }
        }
    }

    fn repeat_census(&mut self, now: Timestamp) {
        self.census.tries += 1;
        if self.census.tries < CENSUS_TRIES {
            self.census.next_at = Some(now + self.config.sweep_interval());
        }
    }

    fn count(&mut self, seen: &Stalled) {
        if let Some(enter) = &seen.enter {
            self.remember_entrance(seen.netns.id(), enter);
        }
        let sent = Sent::of(seen);
        // One that waits for its first answer only is like any other.
        let waits = seen.socket.retransmits == 0 && seen.at.since(sent.first) < self.config.hang_after;
        if waits || !self.config.wants(seen.netns) {
            return;
        }
        let id = match self.known(seen) {
            Some(id) if self.flows.get(id).is_some_and(|flow| !is_of(flow, seen)) => return,
            Some(id) => id,
            None => self.flow_counted(seen),
        };
        if let Some(flow) = self.flows.get_mut(id) {
            flow.count(seen, sent);
        }
        if let Some(cookie) = seen.cookie {
            self.flows.name(id, cookie);
        }
        self.claim_packets(seen.tuple);
        self.touch(Some(id));
    }

    /// Up to Linux 5.11 the probes call the socket by another number: there its namespace and tuple tell.
    fn known(&self, seen: &Stalled) -> Option<u64> {
        let by_socket = seen.cookie.and_then(|cookie| self.flows.by_socket(cookie));
        let fits = |flow: &Flow| flow.netns == seen.netns && flow.tuple == seen.tuple && !flow.is_ended();
        let mut ids = self.flows.by_pair(seen.tuple.into()).iter().copied();
        by_socket.or_else(|| ids.find(|id| self.flows.get(*id).is_some_and(fits)))
    }

    fn flow_counted(&mut self, seen: &Stalled) -> u64 {
        let event = Event {
            at: seen.at,
            cpu: 0,
            netns: seen.netns,
            // Its events may have another number.
            socket: None,
            tuple: Some(seen.tuple),
            owner: None,
            kind: EventKind::Connect,
        };
        self.enter(new_flow(&event, seen.tuple, phase(seen)), seen.at)
    }
}

/// Whether what was seen is of this connect: the socket may have connected again since, and what ended has been judged.
fn is_of(flow: &Flow, seen: &Stalled) -> bool {
    !flow.is_ended() && flow.started().is_none_or(|started| started <= seen.at)
}

fn phase(seen: &Stalled) -> Phase {
    if is_syn(seen) {
        Phase::Connecting
    } else {
        Phase::Established
    }
}

fn is_syn(seen: &Stalled) -> bool {
    seen.socket.state == Some(TcpState::SynSent)
}

impl Flow {
    /// Takes in the state of its retransmission timer.
    fn count(&mut self, seen: &Stalled, sent: Sent) {
        if let Some(counted) = &mut self.counted {
            counted.holder = counted.holder.or(seen.socket.process);
        } else {
            self.counted = Some(Box::new(Counted {
                at: seen.at,
                cookie: seen.cookie,
                holder: seen.socket.process,
                enter: seen.enter.clone(),
                last_sent: sent.last,
            }));
        }
        // What events told since is newer; only of a SYN no acknowledgement can have come in between.
        if !is_syn(seen) && self.last_retransmit.is_some_and(|last| last > seen.at) {
            return;
        }
        let retransmits = u32::from(seen.socket.retransmits);
        let before = self.last_retransmit;
        let same_hang = is_syn(seen) || before.is_none_or(|last| sent.first <= last);
        let since = self.stalled_since.filter(|_| same_hang);
        self.stalled_since = Some(since.map_or(sent.first, |since| since.min(sent.first)));
        if retransmits > 0 {
            self.last_retransmit = before.max(Some(sent.last));
            self.unacked = seen.unacked;
        }
        if is_syn(seen) {
            self.syn_retransmits = self.syn_retransmits.max(retransmits);
        } else {
            self.retransmits = self.retransmits.max(retransmits);
            if self.phase == Phase::Connecting {
                self.phase = Phase::Established;
            }
        }
    }
}

/// When the unacknowledged segment went out. The kernel does not keep that: the last time follows from its timer, which
/// is exact to a jiffy, the first is computed from how often the timer ran out and was doubled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    first: Timestamp,
    last: Timestamp,
}

impl Sent {
    fn of(seen: &Stalled) -> Self {
        let default = if is_syn(seen) { Duration::from_secs(1) } else { MIN_RTO };
        let rto = seen.rto.unwrap_or(default);
        let last = seen.at - rto.saturating_sub(seen.left);
        Self {
            first: last - ran_out(rto, seen.socket.retransmits, seen.backoff),
            last,
        }
    }
}

/// How long the timeouts took that ran out before the one of `rto`: each doubling lay between two of them, and those
/// without one (the first SYN retransmits from Linux 6.5, thin streams) were as long as the first. Where the timeout has
/// reached its maximum it was doubled less often than is counted, and more time passed than this.
fn ran_out(rto: Duration, retransmits: u8, backoff: u8) -> Duration {
    let doublings = u32::from(retransmits.min(backoff)).min(MAX_DOUBLINGS);
    let base = rto / (1 << doublings);
    let linear = u32::from(retransmits).saturating_sub(doublings);
    base.saturating_mul(linear).saturating_add(rto.saturating_sub(base))
}

/// More than the kernel makes before it gives up.
const MAX_DOUBLINGS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeouts_before_this_one_add_up() {
        let second = Duration::from_secs(1);
        assert_eq!(ran_out(second, 0, 0), Duration::ZERO);
        // 1 + 2 + 4, and now 8.
        assert_eq!(ran_out(second * 8, 3, 3), second * 7);
        // Four of one second each, a fifth of one, and now 2.
        assert_eq!(ran_out(second * 2, 5, 1), second * 5);
        assert_eq!(ran_out(second, 3, 0), second * 3);
        // Doubled before the last acknowledgement already.
        assert_eq!(ran_out(second * 8, 1, 3), second * 4);
    }

    #[test]
    fn no_counts_overflow() {
        for (rto, retransmits, backoff) in [
            (Duration::MAX, 255, 0),
            (Duration::MAX, 255, 255),
            (Duration::ZERO, 3, 3),
        ] {
            let _ = ran_out(rto, retransmits, backoff);
        }
    }
}
