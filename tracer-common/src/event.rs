//! The records that travel through the ring buffer, and the entry of the kernel's connection table.

use crate::tuple::Tuple;

/// The start of every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// One of [`crate::kind`]'s record kinds; decides the record's type and length.
    pub kind: u8,
    /// `kind::FLAG_*`.
    pub flags: u8,
    /// TCP state (include/net/tcp_states.h) when the probe ran: the new one in a transition.
    pub state: u8,
    /// TCP state before, where the probe sees a transition; else 0.
    pub old_state: u8,
    /// The processor that wrote the record.
    pub cpu: u32,
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub time: u64,
    /// Socket cookie (`SO_COOKIE`), 0 where there is no socket or it never had one.
    pub socket: u64,
    /// `net->net_cookie` (from 5.12), 0 where unknown.
    pub netns_cookie: u64,
    /// `net->ns.inum`, the inode of `/proc/PID/ns/net`; 0 where unknown. Reused at once: for display.
    pub netns_inode: u32,
    pub pad: u32,
}

/// An entry of the kernel's table of connections, by socket cookie, and the owner part of a record: 48 of the 64 bytes
/// that a connection costs there.
///
/// Taken in process context when the socket leaves CLOSE for SYN_SENT; removed when the socket is destroyed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// When connect was called: `CLOCK_MONOTONIC`, nanoseconds; 0 where the connect was not seen.
    pub started: u64,
    /// Id of the process's cgroup in the unified hierarchy.
    pub cgroup: u64,
    /// Process id (`task->tgid`).
    pub tgid: u32,
    /// Thread id (`task->pid`).
    pub pid: u32,
    pub uid: u32,
    /// `kind::CONNECTION_*`.
    pub flags: u32,
    /// Name of the thread, NUL-padded, any bytes.
    pub comm: [u8; 16],
}

/// What the socket knows; filled as far as the hook can see it, else 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    /// Local to remote, as the socket has it. The source port is 0 before it is bound.
    pub tuple: Tuple,
    /// `sk_err`, a positive errno.
    pub error: u32,
    /// `icsk_retransmits`: timeouts in a row, without an acknowledgement in between.
    pub retransmits: u32,
    /// `icsk_rto`, in the kernel's jiffies.
    pub rto_jiffies: u32,
    /// `snd_nxt - snd_una`, bytes (a SYN counts as one).
    pub unacked: u32,
    /// `sk_mark`.
    pub mark: u32,
    pub pad: u32,
}

/// A conntrack entry as `skb->_nfct` leads to it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conntrack {
    pub original: Tuple,
    pub reply: Tuple,
    /// `IPS_*` bits (include/uapi/linux/netfilter/nf_conntrack_common.h).
    pub status: u32,
    pub mark: u32,
    pub zone: u16,
    /// `enum tcp_conntrack`.
    pub state: u8,
    /// The low three bits of `_nfct`: `enum ip_conntrack_info`; 3 and above is the reply direction.
    pub info: u8,
    pub pad: u32,
}

/// The packet that a RST answers, or that was dropped.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    pub tuple: Tuple,
    /// Address of the code that dropped it; 0 for a RST.
    pub location: u64,
    /// The kernel's own number: `enum skb_drop_reason` or `enum sk_rst_reason`.
    pub reason: u32,
    /// `skb->mark`.
    pub mark: u32,
    /// `skb->dev->ifindex`, 0 where `dev` is NULL (output).
    pub ifindex: u32,
    /// TCP sequence number, host order.
    pub sequence: u32,
    /// TCP acknowledgement number, host order.
    pub acknowledgement: u32,
    /// Byte 13 of the TCP header.
    pub tcp_flags: u8,
    pub pad: [u8; 3],
}

/// The record of every kind that needs no packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketEvent {
    pub header: Header,
    pub owner: Connection,
    pub socket: Socket,
}

/// The record of [`crate::kind::RST_SENT`] and [`crate::kind::DROP`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketEvent {
    pub event: SocketEvent,
    pub packet: Packet,
    pub conntrack: Conntrack,
}

/// The record of the conntrack kinds; its namespace is the entry's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConntrackEvent {
    pub header: Header,
    /// Who deleted it; filled in with [`crate::kind::FLAG_OWNED`].
    pub by: Connection,
    pub conntrack: Conntrack,
}

/// The record of [`crate::kind::DESTROYED`]: `header.old_state` is the state that the socket was in.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DestroyedEvent {
    pub event: SocketEvent,
    /// The process in whose context it was destroyed.
    pub by: Connection,
}

const _: () = assert!(size_of::<DestroyedEvent>() == 200);
const _: () = assert!(size_of::<ConntrackEvent>() == 184);
const _: () = assert!(size_of::<Header>() == 40);
const _: () = assert!(size_of::<Connection>() == 48);
const _: () = assert!(size_of::<Socket>() == 64);
const _: () = assert!(size_of::<Conntrack>() == 96);
const _: () = assert!(size_of::<Packet>() == 72);
const _: () = assert!(size_of::<SocketEvent>() == 152);
const _: () = assert!(size_of::<PacketEvent>() == 320);

// SAFETY: `repr(C)`, integers and arrays only, no padding (the sizes above are the sums of the fields).
#[cfg(feature = "user")]
unsafe impl aya::Pod for Connection {}
