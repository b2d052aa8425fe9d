//! What the probes saw, decoded.

use crate::model::conntrack::Conntrack;
use crate::model::identity::{Netns, Owner, Process, SocketCookie};
use crate::model::reason::{DropReason, RstReason};
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;
use std::sync::Arc;
use std::time::Duration;

/// One observation of the kernel; `K` is what it carries of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<K = EventKind> {
    pub at: Timestamp,
    /// The processor that saw it.
    pub cpu: u32,
    /// Of the socket where there is one, else of the packet's device.
    pub netns: Netns,
    /// `None` where there is no socket, or one that never got a cookie.
    pub socket: Option<SocketCookie>,
    /// Local to remote as the socket has it; `None` without a socket. The source port is 0 before it is bound.
    pub tuple: Option<Tuple>,
    /// `None` where the connect was not seen.
    pub owner: Option<Owner>,
    pub kind: K,
}

impl<K> Event<K> {
    /// The same with another kind.
    pub fn with<L>(&self, kind: L) -> Event<L> {
        Event {
            at: self.at,
            cpu: self.cpu,
            netns: self.netns,
            socket: self.socket,
            tuple: self.tuple,
            owner: self.owner,
            kind,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// connect was called.
    Connect,
    /// The handshake is complete. Latency is `at - owner.started`.
    Established,
    /// A connect ended without success. `errno` is positive; 0: the application gave up (closed it).
    Failed { errno: u32 },
    /// A connection that had been established reached CLOSE. `errno` as in `Failed`; 0 is an orderly end.
    Closed { errno: u32 },
    /// The retransmission timer fired.
    Retransmit(Retransmit),
    /// TCP sends a RST.
    RstSent(RstSent),
    /// A socket received a RST; `state` is the socket's at that moment.
    RstReceived { state: Option<TcpState> },
    /// Somebody destroyed the socket of a connection (`tcp_abort`: `ss -K`, SOCK_DESTROY).
    Destroyed(Destroyed),
    /// A packet was dropped for a listed reason.
    Drop(Dropped),
    /// A conntrack entry came, changed or went; the event's namespace is the entry's.
    Conntrack(ConntrackChange),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmit {
    pub state: Option<TcpState>,
    /// Timeouts in a row without an acknowledgement, this one included.
    pub retransmits: u32,
    /// Bytes sent and not acknowledged; a SYN counts as one.
    pub unacked: u32,
    /// The retransmission timeout that ran out; `None` where the length of a jiffy is unknown.
    pub rto: Option<Duration>,
}

/// Who makes a RST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RstMaker {
    /// A socket of this host.
    Socket,
    /// This host's TCP, because no socket is there.
    NoSocket,
    /// A REJECT rule.
    Netfilter,
    /// Somebody beyond this host.
    Remote,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RstSent {
    pub maker: RstMaker,
    /// `None` up to 6.9, where the tracepoint has no reason.
    pub reason: Option<RstReason>,
    /// Sent of the socket's own accord (abort, linger), not as an answer to a packet.
    pub active: bool,
    /// The socket's state at that moment.
    pub state: Option<TcpState>,
    /// The packet it answers.
    pub packet: Option<Packet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destroyed {
    /// The socket's state before.
    pub state: Option<TcpState>,
    /// The process in whose context it was done.
    pub by: Option<Process>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    pub reason: DropReason,
    /// The kernel function that dropped it.
    pub location: Option<Arc<str>>,
    /// Of the socket, where the packet has one.
    pub state: Option<TcpState>,
    pub packet: Packet,
}

/// What happened to a conntrack entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Confirmed: from now on it decides. A TCP state of ESTABLISHED means that it was picked up in mid-flow.
    New,
    /// Its TCP state is another one.
    Update,
    /// Taken out of the table; the state is its last one.
    Destroy,
}

/// A change of a conntrack entry, from the kernel's hooks or from ctnetlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConntrackChange {
    pub change: Change,
    /// As it is after the change.
    pub entry: Conntrack,
    /// Who deleted it, where a process asked for it and the hook saw that.
    pub by: Option<Process>,
}

/// The packet that was dropped or answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub tuple: Tuple,
    /// `skb->mark`.
    pub mark: u32,
    /// Index of its device; `None` where it had none yet (output).
    pub ifindex: Option<u32>,
    /// Byte 13 of the TCP header, see [`crate::model::tcp`].
    pub tcp_flags: u8,
    pub sequence: u32,
    pub acknowledgement: u32,
    pub conntrack: Option<Conntrack>,
}
