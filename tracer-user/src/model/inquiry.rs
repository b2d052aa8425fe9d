//! What the Tracker asks the shell to look up, and what comes back.

use crate::model::aspect::{Aspect, Seen};
use crate::model::conntrack::Conntrack;
use crate::model::identity::{Netns, Process, SocketCookie};
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};
use crate::model::walked::{Traveller, Walked};
use crate::model::who::{Identity, Subject};
use std::sync::Arc;
use std::time::Duration;

/// A question about one network namespace. Each is answered once, by an [`Answer`] of the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    pub id: u64,
    pub at: Timestamp,
    /// Where to look; ignored by [`Question::Sweep`], [`Question::Stalled`] and
    /// [`Question::Who`].
    pub netns: Netns,
    /// A process (or thread) that was in that namespace, to find it sooner.
    pub hint: Option<u32>,
    pub question: Question,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Everything about one connection: its conntrack entry, its socket, who listens where its packets really go.
    Connection {
        /// Local to remote, as the socket has it.
        tuple: Tuple,
        /// Where its packets go after translation, where an event told; else conntrack is asked.
        target: Option<Endpoint>,
        /// What else is to be looked at; at most [`ASPECTS_MAX`](crate::model::aspect::ASPECTS_MAX).
        aspects: Vec<Aspect>,
    },
    /// Which namespace is at the other end of this device (veth).
    Link { ifindex: u32 },
    /// In every namespace: listeners whose queue is not empty, and the connections in it that nobody accepted.
    Sweep,
    /// In every namespace: connections that wait for an answer to their SYN, or for data to be acknowledged that their
    /// retransmission timer has sent again already.
    Stalled,
    /// Which rules of the namespace packets of a connection meet.
    Walk {
        /// At most [`Walked::PACKETS`].
        packets: Vec<Traveller>,
        /// Which rules can set this connmark is asked too.
        connmark: Option<u32>,
        /// What else of the namespace is to be looked at.
        aspects: Vec<Aspect>,
    },
    /// Which program, container and pod this is, or was at the time of the question.
    Who(Subject),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of the [`Inquiry`].
    pub id: u64,
    pub at: Timestamp,
    /// How a person enters the namespace: a path for `nsenter --net=`, such as `/run/netns/blue`.
    pub enter: Option<Arc<str>>,
    pub reply: Reply,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Connection(Box<Examined>),
    /// `None`: no veth, or its peer is in a namespace that could not be identified.
    Link(Option<Netns>),
    Swept(Vec<Waiting>),
    Stalled(Census),
    Walked(Box<Walked>),
    /// Empty: nobody knows.
    Identity(Arc<Identity>),
    /// The namespace is gone.
    Gone,
    /// It could not be looked at, and why.
    Unreachable(Arc<str>),
}

/// What an examination of one connection found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// `None`: no entry.
    pub conntrack: Option<Conntrack>,
    /// The connection's own socket; `None`: it is gone.
    pub socket: Option<SocketInfo>,
    /// Where the packets go: the destination, translated where conntrack or an event says so.
    pub target: Endpoint,
    /// Whether `target` is an address of this namespace (or loopback).
    pub target_is_local: bool,
    /// Who listens at `target`, wildcard sockets of both families included.
    pub listeners: Vec<Listener>,
    /// Of the aspects that were asked for.
    pub seen: Vec<Seen>,
}

/// A socket as `sock_diag` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketInfo {
    pub state: Option<TcpState>,
    /// Bytes received and not read.
    pub receive_queue: u32,
    /// Bytes written and not acknowledged, sent or not.
    pub send_queue: u32,
    /// Segments sent and not acknowledged (`tcpi_unacked`).
    pub unacked: Option<u32>,
    /// Retransmission timeouts in a row.
    pub retransmits: u8,
    pub uid: u32,
    /// 0: no process holds it (not accepted, or orphaned).
    pub inode: u32,
    pub process: Option<Process>,
    /// Only where one connection was asked for.
    pub sending: Option<Sending>,
}

/// How far a socket came with what it sends, of its `struct tcp_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Bytes of data in a full-sized segment.
    pub mss: u32,
    /// The path's MTU, as far as the socket knows.
    pub path_mtu: u32,
    /// Bytes sent and not acknowledged.
    pub in_flight: u32,
    /// How many of the unacknowledged segments the peer has, behind a gap.
    pub sacked: u32,
    /// Bytes that were ever acknowledged; a SYN counts as one.
    pub acknowledged: u64,
    /// Bytes that the peer would take; `None` up to Linux 5.3.
    pub window: Option<u32>,
    /// How long ago the last acknowledgement came that was no mistake.
    pub last_heard: Duration,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub address: Endpoint,
    /// Connections waiting to be accepted.
    pub queue: u32,
    /// How many may wait (the backlog); the kernel lets one more in.
    pub backlog: u32,
    pub uid: u32,
    pub inode: u32,
    pub process: Option<Process>,
}

impl Listener {
    /// Whether the next handshake is dropped (`sk_acceptq_is_full`: more than the backlog).
    pub fn is_full(&self) -> bool {
        self.queue > self.backlog
    }
}

/// A connection that the kernel completed and nobody accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub netns: Netns,
    /// How a person enters the namespace.
    pub enter: Option<Arc<str>>,
    pub listener: Listener,
    /// Local to remote, as the waiting (server side) socket has it.
    pub tuple: Tuple,
    /// Bytes that wait to be read.
    pub receive_queue: u32,
    pub conntrack: Option<Conntrack>,
    /// The other end, where it is a socket of the same namespace.
    pub client: Option<SocketInfo>,
}

/// The connections that hang, in every namespace that could be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub sockets: Vec<Stalled>,
    /// How many more there were than are told.
    pub left_out: u32,
}

/// A connection that waits for an answer to its SYN, or for data to be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stalled {
    pub netns: Netns,
    /// How a person enters the namespace.
    pub enter: Option<Arc<str>>,
    /// When it was looked at.
    pub at: Timestamp,
    /// Local to remote, as the socket has it.
    pub tuple: Tuple,
    pub cookie: Option<SocketCookie>,
    pub socket: SocketInfo,
    /// Bytes sent and not acknowledged; a SYN counts as one.
    pub unacked: u32,
    /// How often the retransmission timeout was doubled since the last acknowledgement.
    pub backoff: u8,
    /// The timeout that runs now; `None` where the kernel did not tell.
    pub rto: Option<Duration>,
    /// How much of it is left.
    pub left: Duration,
}
