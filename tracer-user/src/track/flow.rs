//! One connection under suspicion: everything that was seen of it.

use super::deadlines::Mark;
use super::origins::{Origin, Origins};
use super::strays::Stray;
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::event::{Destroyed, Event, Retransmit, RstMaker};
use crate::model::evidence::Place;
use crate::model::finding::{Connection, Way};
use crate::model::identity::{Netns, Owner, Process, SocketCookie};
use crate::model::inquiry::Examined;
use crate::model::reason::{DropReason, RstReason};
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// The retransmission timeout assumed where the kernel's could not be read (its minimum).
pub(super) const MIN_RTO: Duration = Duration::from_millis(200);

/// Small where it only hangs: a hundred thousand of them may.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) id: u64,
    pub(super) origin: Arc<Origin>,
    started: Option<Timestamp>,
    pub(super) socket: Option<SocketCookie>,
    /// Local to remote, as its socket has it; without a socket, as the initiator has it.
    pub(super) tuple: Tuple,
    pub(super) phase: Phase,
    pub(super) first_seen: Timestamp,
    pub(super) syn_retransmits: u32,
    pub(super) retransmits: u32,
    pub(super) unacked: u32,
    pub(super) last_retransmit: Option<Timestamp>,
    /// When the first of the unacknowledged segments went out.
    pub(super) stalled_since: Option<Timestamp>,
    pub(super) examination: Examination,
    /// The finding it belongs to.
    finding: Option<NonZeroU64>,
    pub(super) deadline: Option<Timestamp>,
    /// Of the entry among the deadlines that counts: the deadline, or an earlier time.
    pub(super) queued: Option<Mark>,
    signs: Option<Box<Signs>>,
}

/// What most flows have nothing of.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// It is known by packets of a remote initiator only.
    pub(super) inbound: bool,
    pub(super) drops: Vec<DropSeen>,
    pub(super) reset: Option<Box<ResetSeen>>,
    /// The first RST that a rule made for one of its packets.
    pub(super) rule_reset: Option<Box<ResetSeen>>,
    pub(super) reset_received: Option<(Timestamp, Option<TcpState>)>,
    /// Somebody destroyed its socket.
    pub(super) destroyed: Option<(Timestamp, Destroyed)>,
    /// From a packet of it.
    pub(super) conntrack: Option<Box<Conntrack>>,
    /// What it is translated to, as the table of flows knows it.
    pub(super) translation: Option<Tuple>,
    /// A packet of it was not translated back.
    pub(super) stray: Option<Box<Stray>>,
    /// It hung already when tracing began.
    pub(super) counted: Option<Box<Counted>>,
    /// When it was examined for the first time.
    pub(super) asked: Option<Timestamp>,
    /// A packet that may be its own waits for the answer where its device leads; until then at most.
    pub(super) awaits_link: Option<Timestamp>,
}

impl Signs {
    /// The last that is known of its entry; the box is kept.
    pub(super) fn set_conntrack(&mut self, entry: Conntrack) {
        match &mut self.conntrack {
            Some(last) => **last = entry,
            None => self.conntrack = Some(Box::new(entry)),
        }
    }
}

static NO_SIGNS: Signs = Signs {
    inbound: false,
    drops: Vec::new(),
    reset: None,
    rule_reset: None,
    reset_received: None,
    destroyed: None,
    conntrack: None,
    translation: None,
    stray: None,
    counted: None,
    asked: None,
    awaits_link: None,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Established,
    Ended { at: Timestamp, errno: u32, connected: bool },
}

/// What the question for connections that hang already told of it.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) at: Timestamp,
    /// Up to Linux 5.11 the probes call the socket otherwise.
    pub(super) cookie: Option<SocketCookie>,
    pub(super) holder: Option<Process>,
    pub(super) enter: Option<Arc<str>>,
    /// When its timer ran out for the last time before it was looked at.
    pub(super) last_sent: Timestamp,
}

/// Drops of one kind, at one place.
#[derive(Clone, Debug)]
pub(super) struct DropSeen {
    pub(super) at: Timestamp,
    /// Drops that were seen.
    pub(super) drops: u32,
    /// RSTs of a rule that were seen: each is a drop too.
    pub(super) resets: u32,
    pub(super) reason: DropReason,
    pub(super) location: Option<Arc<str>>,
    pub(super) netns: Netns,
    pub(super) place: Place,
    pub(super) ifindex: Option<u32>,
    pub(super) direction: Direction,
    pub(super) packet: Tuple,
    pub(super) tcp_flags: u8,
    pub(super) mark: u32,
    pub(super) conntrack: Option<Conntrack>,
    /// The rule made a RST: it was seen, or conntrack was CLOSE at the first of them without a RST of the flow before.
    pub(super) rejected: bool,
    pub(super) certainty: Certainty,
}

impl DropSeen {
    pub(super) fn count(&self) -> u32 {
        self.drops.max(self.resets)
    }
}

/// How surely a packet of another namespace belongs to this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Certainty {
    /// Several connections have this tuple.
    Ambiguous,
    /// The only connection with this tuple, but the way between the namespaces is not known.
    OnlyCandidate,
    /// Same namespace, or the device leads to it.
    Certain,
}

/// A RST that answers a packet of this connection.
#[derive(Clone, Debug)]
pub(super) struct ResetSeen {
    pub(super) at: Timestamp,
    pub(super) netns: Netns,
    pub(super) maker: RstMaker,
    pub(super) reason: Option<RstReason>,
    pub(super) packet: Tuple,
    pub(super) ifindex: Option<u32>,
    pub(super) mark: u32,
    pub(super) conntrack: Option<Conntrack>,
}

#[derive(Debug, Default)]
pub(super) enum Examination {
    #[default]
    None,
    /// It had no turn yet.
    Wanted {
        since: Timestamp,
    },
    Asked(Box<Asked>),
    Done(Box<Outcome>),
    /// Nobody looked.
    Missed {
        at: Timestamp,
        why: Missed,
    },
}

#[derive(Debug)]
pub(super) struct Asked {
    pub(super) since: Timestamp,
    /// Kept while the next is on its way.
    pub(super) previous: Examination,
}

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) at: Timestamp,
    pub(super) enter: Option<Arc<str>>,
    pub(super) examined: Result<Box<Examined>, Arc<str>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Missed {
    TooMany,
    TooLate,
}

/// What came of an examination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked<'a> {
    pub(super) at: Timestamp,
    pub(super) enter: Option<&'a Arc<str>>,
    /// Or why nothing was seen.
    pub(super) examined: Result<&'a Examined, &'a str>,
}

impl Examination {
    fn looked(&self) -> Option<Looked<'_>> {
        match self {
            Self::None | Self::Wanted { .. } => None,
            Self::Asked(asked) => asked.previous.looked(),
            Self::Done(outcome) => Some(Looked {
                at: outcome.at,
                enter: outcome.enter.as_ref(),
                examined: outcome.examined.as_deref().map_err(|why| &**why),
            }),
            Self::Missed { at, why } => Some(Looked {
                at: *at,
                enter: None,
                examined: Err(match why {
                    Missed::TooMany => "too many examinations at once",
                    Missed::TooLate => "the examination took too long",
                }),
            }),
        }
    }
}

impl Flow {
    /// One that nothing but the event is known of.
    pub(super) fn new(event: &Event, tuple: Tuple, phase: Phase, origins: &mut Origins) -> Self {
        Self {
            id: 0,
            origin: origins.of(event.netns, event.owner),
            started: event.owner.map(|owner| owner.started),
            socket: event.socket,
            tuple,
            phase,
            first_seen: event.at,
            syn_retransmits: 0,
            retransmits: 0,
            unacked: 0,
            last_retransmit: None,
            stalled_since: None,
            examination: Examination::None,
            finding: None,
            deadline: None,
            queued: None,
            signs: None,
        }
    }

    pub(super) fn netns(&self) -> Netns {
        self.origin.netns
    }

    pub(super) fn owner(&self) -> Option<Owner> {
        self.origin.owner(self.started?)
    }

    /// Who called connect, which was not known of it.
    pub(super) fn set_owner(&mut self, owner: Owner, origins: &mut Origins) {
        self.origin = origins.of(self.netns(), Some(owner));
        self.started = Some(owner.started);
    }

    pub(super) fn way(&self) -> Way {
        if self.signs().inbound {
            Way::Inbound
        } else {
            Way::Outbound
        }
    }

    pub(super) fn started(&self) -> Option<Timestamp> {
        self.started
    }

    pub(super) fn finding(&self) -> Option<u64> {
        self.finding.map(NonZeroU64::get)
    }

    pub(super) fn set_finding(&mut self, finding: Option<u64>) {
        self.finding = finding.and_then(NonZeroU64::new);
    }

    pub(super) fn signs(&self) -> &Signs {
        self.signs.as_deref().unwrap_or(&NO_SIGNS)
    }

    pub(super) fn signs_mut(&mut self) -> &mut Signs {
        self.signs.get_or_insert_default()
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    /// The socket's other name belongs to another connection from now on.
    pub(super) fn take_other_name(&mut self) -> Option<SocketCookie> {
        self.signs.as_mut()?.counted.as_mut()?.cookie.take()
    }

    /// The drop that decides: replies before requests (they prove that the request got out), more before fewer.
    pub(super) fn main_drop(&self) -> Option<&DropSeen> {
        let weight = |drop: &&DropSeen| (drop.certainty, drop.direction == Direction::Reply, drop.count());
        self.signs().drops.iter().max_by_key(weight)
    }

    /// It had no turn; since when it waits for one.
    pub(super) fn wants_examination(&mut self, now: Timestamp) -> Timestamp {
        if let Examination::Wanted { since } = self.examination {
            return since;
        }
        self.examination = Examination::Wanted { since: now };
        now
    }

    /// What came of the last examination, also while the next is under way.
    pub(super) fn examined(&self) -> Option<Looked<'_>> {
        self.examination.looked()
    }

    /// The best known conntrack entry: the queried one, else one that a packet carried.
    pub(super) fn entry(&self) -> Option<&Conntrack> {
        let queried = self
            .examined()
            .and_then(|looked| looked.examined.ok()?.conntrack.as_ref());
        queried.or(self.signs().conntrack.as_deref())
    }

    /// The tuple of its packets after translation in its own namespace, as far as it is known.
    pub(super) fn leaving(&self) -> Tuple {
        self.entry()
            .filter(|entry| entry.original == self.tuple)
            .map_or(self.tuple, Conntrack::leaving)
    }

    /// Takes in a fired retransmission timer.
    pub(super) fn retransmitted(&mut self, at: Timestamp, retransmit: Retransmit) {
        let Retransmit {
            state,
            retransmits,
            unacked,
            rto,
        } = retransmit;
        if state == Some(TcpState::SynSent) {
            self.syn_retransmits = self.syn_retransmits.max(retransmits.max(1));
            let since = self
                .started()
                .unwrap_or_else(|| first_sent(at, retransmits, rto.unwrap_or(Duration::from_secs(1))));
            self.stalled_since = Some(self.stalled_since.map_or(since, |known| known.min(since)));
        } else {
            self.retransmits = self.retransmits.max(retransmits);
            let since = first_sent(at, retransmits, rto.unwrap_or(MIN_RTO));
            // One timeout in a row again means that something was acknowledged in between: the clock starts anew.
            let restarted = retransmits <= 1 && self.last_retransmit.is_some_and(|last| last < at);
            self.stalled_since = match self.stalled_since {
                Some(known) if !restarted => Some(known.min(since)),
                _ => Some(since),
            };
            if self.phase == Phase::Connecting {
                self.phase = Phase::Established;
            }
        }
        self.unacked = unacked;
        self.last_retransmit = self.last_retransmit.max(Some(at));
    }

    /// What a finding shows of it.
    pub(super) fn connection(&self) -> Connection {
        let leaving = self.leaving();
        let (ended, state) = match self.phase {
            Phase::Connecting => (None, Some(TcpState::SynSent)),
            Phase::Established => (None, Some(TcpState::Established)),
            Phase::Ended { at, .. } => (Some(at), Some(TcpState::Close)),
        };
        let examined = self.examined();
        let socket = examined.and_then(|looked| looked.examined.ok()?.socket.as_ref());
        let counted = self.signs().counted.as_deref();
        Connection {
            id: Some(self.id),
            tuple: self.tuple,
            translated: (leaving != self.tuple).then_some(leaving),
            way: if self.entry().is_some_and(|entry| entry.reply == self.tuple) {
                Way::Inbound
            } else {
                self.way()
            },
            netns: self.netns(),
            enter: examined
                .and_then(|looked| looked.enter.cloned())
                .or_else(|| counted?.enter.clone()),
            owner: self.owner(),
            holder: socket.and_then(|socket| socket.process).or_else(|| counted?.holder),
            state,
            started: self.started(),
            ended,
            syn_retransmits: self.syn_retransmits,
            retransmits: self.retransmits,
            unacked: self.unacked,
        }
    }
}

/// When the segment went out for the first time, if the `count`-th timeout in a row, `rto` long, ends at `at` and each
/// was twice as long as the one before (RFC 6298, 5.5): `rto * (2 - 2^(1 - count))` earlier.
fn first_sent(at: Timestamp, count: u32, rto: Duration) -> Timestamp {
    let last_doublings = count.saturating_sub(1).min(16);
    at - (rto * 2).saturating_sub(rto / (1 << last_doublings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_transmission_lies_all_timeouts_back() {
        let second = Duration::from_secs(1);
        let at = Timestamp::from_nanos(100_000_000_000);
        assert_eq!(at.since(first_sent(at, 1, second)), second);
        assert_eq!(at.since(first_sent(at, 2, second * 2)), second * 3);
        assert_eq!(at.since(first_sent(at, 4, second * 8)), second * 15);
        assert!(at.since(first_sent(at, 200, second)) <= second * 2);
    }
}
