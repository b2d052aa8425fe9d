//! What the Tracker concludes.

use crate::model::aspect::Setting;
use crate::model::conntrack::Conntrack;
use crate::model::event::RstMaker;
use crate::model::evidence::Evidence;
use crate::model::identity::{Netns, Owner, Process};
use crate::model::inquiry::Listener;
use crate::model::named::named;
use crate::model::rules::Located;
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};
use crate::model::who::{Names, Subject};
use std::sync::Arc;

named! {
    /// The stable names of docs/causes.md.
    Cause {
        ReplyRejected = "reply-rejected",
        RedirectTargetBlocked = "redirect-target-blocked",
        RedirectTargetStalled = "redirect-target-stalled",
        RedirectToDeadPort = "redirect-to-dead-port",
        SynDropped = "syn-dropped",
        RejectedByRule = "rejected-by-rule",
        AcceptQueueFull = "accept-queue-full",
        ResetByPeer = "reset-by-peer",
        DroppedInKernel = "dropped-in-kernel",
        Unanswered = "unanswered",
        RedirectLoop = "redirect-loop",
        StaleConntrack = "stale-conntrack",
        NatBindingLost = "nat-binding-lost",
        MartianRedirect = "martian-redirect",
        ReversePathFiltered = "reverse-path-filtered",
        UnreachableTarget = "unreachable-target",
        PathMtuBlackhole = "path-mtu-blackhole",
        RedirectFanIn = "redirect-fan-in",
        ConntrackExhausted = "conntrack-exhausted",
        NoEndpoints = "no-endpoints",
        PortExhausted = "port-exhausted",
        InvalidPacketReset = "invalid-packet-reset",
        OriginalDestinationLost = "original-destination-lost",
        LoopbackOnlyMismatch = "loopback-only-mismatch",
        SocketDestroyed = "socket-destroyed",
        DeadRedirect = "dead-redirect",
        LeftoverChain = "leftover-chain",
        DuplicateJump = "duplicate-jump",
        MarkOverlap = "mark-overlap",
        MixedBackends = "mixed-backends",
        AddressFamilyGap = "address-family-gap",
        BypassedRedirect = "bypassed-redirect",
        StaleEntries = "stale-entries",
    }
}

impl Cause {
    /// Found by inspection, without a connection.
    pub fn is_inspected(self) -> bool {
        matches!(
            self,
            Self::DeadRedirect
                | Self::LeftoverChain
                | Self::DuplicateJump
                | Self::MarkOverlap
                | Self::MixedBackends
                | Self::AddressFamilyGap
                | Self::BypassedRedirect
                | Self::StaleEntries
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Updated,
    Closed,
    Retracted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// More than one link is missing.
    Possible,
    /// One link is inferred.
    Likely,
    /// Every link was seen.
    Proved,
}

/// Seen from the socket that the finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Outbound,
    Inbound,
}

/// A connection as a finding shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The Tracker's number for it; `None`: it is not under suspicion itself.
    pub id: Option<u64>,
    /// As the initiating socket has it.
    pub tuple: Tuple,
    /// As the packets travel after NAT, where that differs.
    pub translated: Option<Tuple>,
    pub way: Way,
    pub netns: Netns,
    /// How a person enters the namespace: a path for `nsenter --net=`.
    pub enter: Option<Arc<str>>,
    pub owner: Option<Owner>,
    /// Who holds the socket where the connect was not seen.
    pub holder: Option<Process>,
    /// The socket's state when last seen.
    pub state: Option<TcpState>,
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    pub syn_retransmits: u32,
    pub retransmits: u32,
    pub unacked: u32,
}

named! {
    /// What a rule has to do with it.
    RuleRole {
        Translates = "translates",
        Drops = "drops",
        Rejects = "rejects",
        Ends = "ends",
        Jumps = "jumps",
        SetsMark = "sets-mark",
        /// The mark of the packet itself, where `SetsMark` is the connection's.
        SetsPacketMark = "sets-packet-mark",
        MatchesMark = "matches-mark",
        Acts = "acts",
    }
}

/// Who or what does it, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Culprit {
    Rule {
        netns: Netns,
        enter: Option<Arc<str>>,
        /// `None`: which one is not known, only that one did it.
        rule: Option<Box<Located>>,
        role: RuleRole,
        /// What gave it away.
        evidence: Option<usize>,
    },
    ConntrackEntry(Conntrack),
    Listener(Listener),
    /// A setting of the namespace, as it is.
    Sysctl {
        netns: Netns,
        enter: Option<Arc<str>>,
        setting: Setting,
    },
    /// A process that did it by itself.
    Process(Process),
    Peer {
        endpoint: Endpoint,
        maker: RstMaker,
    },
}

/// Another cause that was weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Considered {
    pub cause: Cause,
    pub why_not: &'static str,
}

/// One cause, with its connections and its proof. A later revision replaces the earlier ones of its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub id: u64,
    pub revision: u32,
    pub at: Timestamp,
    pub cause: Cause,
    pub state: State,
    /// The finding that this one replaces: its connection turned out to have another cause.
    pub supersedes: Option<u64>,
    pub severity: Severity,
    pub confidence: Confidence,
    /// The first connection; `None`: found by inspection.
    pub connection: Option<Connection>,
    /// All connections with this cause.
    pub count: u64,
    /// Of these, so many hang still.
    pub hanging: u64,
    /// Of these, so many were not looked at: there were too many at once, or no answer came.
    pub unexamined: u64,
    /// Records that were lost meanwhile: its counts are lower bounds, and a step may be missing.
    pub lost: u64,
    /// At most [`Finding::EXAMPLES`].
    pub examples: Vec<Connection>,
    /// Other connections that wait because of this one; at most [`Finding::EXAMPLES`].
    pub victims: Vec<Connection>,
    pub culprits: Vec<Culprit>,
    pub evidence: Vec<Evidence>,
    pub considered: Vec<Considered>,
    /// Who is behind the numbers in it.
    pub names: Names,
    pub first: Timestamp,
    pub last: Timestamp,
}

impl Finding {
    /// How many connections a finding shows of each sort.
    pub const EXAMPLES: usize = 5;

    /// Calls `each` with everybody whose name it wants; with some of them several times.
    pub fn each_subject(&self, mut each: impl FnMut(Subject)) {
        let shown = self.connection.iter().chain(&self.examples).chain(&self.victims);
        for connection in shown {
            each(Subject::Netns(connection.netns));
            connection.owner.iter().for_each(|owner| each(Subject::of_owner(owner)));
            connection.holder.into_iter().for_each(|holder| each(holder.into()));
        }
        for culprit in &self.culprits {
            match culprit {
                Culprit::Rule { netns, .. } | Culprit::Sysctl { netns, .. } => each(Subject::Netns(*netns)),
                Culprit::Listener(listener) => listener.process.into_iter().for_each(|process| each(process.into())),
                Culprit::Process(process) => each((*process).into()),
                Culprit::ConntrackEntry(_) | Culprit::Peer { .. } => {}
            }
        }
    }
}
