//! What proves a finding: observations, each with where it came from.

use crate::model::aspect::Seen;
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::event::RstMaker;
use crate::model::identity::{Netns, Process};
use crate::model::inquiry::{Listener, SocketInfo};
use crate::model::inspected::Inspected;
use crate::model::reason::{DropReason, RstReason};
use crate::model::rules::{End, Located};
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};
use std::sync::Arc;
use std::time::Duration;

/// Where on its way a packet was dropped, as far as its device and addresses tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Leaving the socket's namespace: no device yet.
    Output,
    /// Arriving at a local socket of the namespace.
    Input,
    /// Passing through a namespace on the way.
    Forward,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The kernel dropped packets of the connection.
    Drop {
        /// The first of them.
        at: Timestamp,
        count: u32,
        reason: DropReason,
        /// The kernel function.
        location: Option<Arc<str>>,
        netns: Netns,
        place: Place,
        /// Relative to the finding's socket: original is what it sends, reply is what comes back to it.
        direction: Option<Direction>,
        packet: Tuple,
        tcp_flags: u8,
        mark: u32,
        conntrack: Option<Conntrack>,
        /// The rule answered with a RST: conntrack was already CLOSE at the first dropped packet.
        rejected: bool,
        /// The connection is one of several that this packet can belong to (same addresses in several namespaces).
        ambiguous: bool,
    },
    /// A RST was made.
    RstSent {
        at: Timestamp,
        netns: Netns,
        maker: RstMaker,
        reason: Option<RstReason>,
        packet: Option<Tuple>,
    },
    /// The connection's socket received a RST.
    RstReceived {
        at: Timestamp,
        state: Option<TcpState>,
    },
    /// The connection's socket was destroyed, in the context of this process.
    Destroyed {
        at: Timestamp,
        /// The socket's state before.
        state: Option<TcpState>,
        by: Option<Process>,
    },
    /// connect failed with this errno.
    Errno {
        at: Timestamp,
        errno: u32,
    },
    /// SYN or data was sent again; `since` is when the first one went out, computed from the timeouts in a row.
    Retransmits {
        at: Timestamp,
        since: Timestamp,
        count: u32,
        unacked: u32,
        syn: bool,
        /// Not one of them was seen: the socket's counters told.
        queried: bool,
    },
    /// The entry, seen at a packet (`queried` false) or asked for.
    Conntrack {
        at: Timestamp,
        entry: Conntrack,
        queried: bool,
    },
    /// Asked, and conntrack has no entry.
    NoConntrack {
        at: Timestamp,
    },
    /// The entry of a live connection was deleted; as it was.
    ConntrackDeleted {
        at: Timestamp,
        entry: Conntrack,
        /// Who did it, where that was seen.
        by: Option<Process>,
    },
    /// Nobody listens there.
    NoListener {
        at: Timestamp,
        endpoint: Endpoint,
    },
    Listener {
        at: Timestamp,
        listener: Listener,
    },
    Socket {
        at: Timestamp,
        socket: SocketInfo,
    },
    /// A completed connection that nobody accepts.
    NotAccepted {
        at: Timestamp,
        since: Timestamp,
        tuple: Tuple,
        receive_queue: u32,
    },
    /// Connects to one destination were given up one after the other.
    GaveUp {
        at: Timestamp,
        count: u32,
    },
    /// So many connections were reset by this peer since then, and so many were opened in the namespace, to wherever.
    ResetsRecur {
        at: Timestamp,
        since: Timestamp,
        resets: u32,
        opened: u64,
    },
    /// A packet was led through the rules, as they were read at this time.
    RulesWalked {
        at: Timestamp,
        netns: Netns,
        passage: Box<Passage>,
    },
    /// Of the connection's packets none met a rule that sets this connmark; so many others could set it.
    MarkSetter {
        at: Timestamp,
        netns: Netns,
        /// Whether the same rules would let the packet pass that was dropped if its connection had no mark.
        decides: Option<bool>,
        connmark: u32,
        rules: u32,
    },
    RulesNotRead {
        at: Timestamp,
        netns: Netns,
        why: Arc<str>,
    },
    /// Read out of the rules of a namespace.
    Inspected {
        at: Timestamp,
        netns: Netns,
        /// How a person enters the namespace.
        enter: Option<Arc<str>>,
        what: Inspected,
    },
    /// One jump stands twice in a chain that the packets meet, and the second one changes nothing.
    RepeatedJump {
        at: Timestamp,
        netns: Netns,
        first: Box<Located>,
        second: Box<Located>,
    },
    /// Conntrack keeps an entry in state CLOSE so long after its last packet.
    Expiry {
        at: Timestamp,
        kept: Duration,
        /// When the retransmission comes, at about, that finds the entry gone; `None`: none ever waits that long.
        ends: Option<Timestamp>,
    },
    /// Looked at because a theory needed it.
    Aspect {
        at: Timestamp,
        netns: Netns,
        seen: Seen,
    },
    /// The namespace could not be looked at.
    NotExamined {
        at: Timestamp,
        why: Arc<str>,
    },
}

/// The way of one packet through the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// nf_tables' generation.
    pub generation: Option<u32>,
    /// How many rules there were.
    pub rules: u32,
    /// Whether they changed between the packet and the reading; `None`: nothing was known of them before.
    pub changed: Option<bool>,
    /// As it began its way.
    pub packet: Tuple,
    pub end: End,
    /// The rules explain what was seen of the packet.
    pub agrees: bool,
    /// Nothing else can have become of it.
    pub certain: bool,
    /// What was not read, and what leads packets around the rules. Untrusted.
    pub caveats: Vec<Arc<str>>,
}
