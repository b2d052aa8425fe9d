//! A packet that is led through the rules, and what becomes of it.

use super::{ChainId, Hook, NatKind, Reject, RuleId};
use crate::model::conntrack::{Conntrack, Direction};
use std::net::{IpAddr, SocketAddr};

/// What is known of one thing about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact<T> {
    Known(T),
    /// The packet has no such thing: a match that asks for it fails.
    Absent,
    /// It may have any: a match that asks for it may fit.
    Unknown,
}

impl<T> Fact<T> {
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }
}

impl<T> From<Option<T>> for Fact<T> {
    /// `None` is unknown.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unknown, Self::Known)
    }
}

/// A packet as it is when its journey begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// `IPPROTO_*`.
    pub protocol: u8,
    pub source_port: Fact<u16>,
    pub destination_port: Fact<u16>,
    /// In the order of [`super::Field::TcpFlags`].
    pub tcp_flags: Fact<u8>,
    /// ICMP's or ICMPv6's type and code.
    pub icmp: Fact<(u8, u8)>,
    /// Bytes from the network header on.
    pub length: Fact<u32>,
    pub time_to_live: Fact<u8>,
    pub dscp: Fact<u8>,
    /// `skb->mark`.
    pub mark: Fact<u32>,
    /// Of the sending socket; absent where no local socket sends it.
    pub uid: Fact<u32>,
    pub gid: Fact<u32>,
    pub tracking: Tracking,
}

impl Packet {
    /// The first SYN of a connection, as a local socket of no known owner sends it.
    pub fn syn(source: SocketAddr, destination: SocketAddr) -> Self {
        Self {
            source: source.ip(),
            destination: destination.ip(),
            protocol: TCP,
            source_port: Fact::Known(source.port()),
            destination_port: Fact::Known(destination.port()),
            tcp_flags: Fact::Known(SYN),
            icmp: Fact::Absent,
            length: Fact::Known(60),
            time_to_live: Fact::Known(64),
            dscp: Fact::Known(0),
            mark: Fact::Known(0),
            uid: Fact::Unknown,
            gid: Fact::Unknown,
            tracking: Tracking::New,
        }
    }
}

/// What conntrack says of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// The first packet of a connection: it meets the nat chains, and its connmark begins as 0.
    New,
    /// A packet of this entry; its translation is the entry's, not the rules'.
    Entry {
        entry: Conntrack,
        direction: Direction,
        /// The entry has seen both directions, or this packet is an answer (`ESTABLISHED`); else `NEW`.
        established: bool,
    },
    /// Of an entry that is not known: ESTABLISHED, with any mark.
    Established,
    Related,
    Invalid,
    Untracked,
    /// Conntrack is off in this namespace, or nothing is known.
    Unknown,
}

/// Where a packet begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journey {
    /// A local socket (or the kernel) sends it, by this device. Where its destination is, or becomes, local it goes on
    /// over loopback, through PREROUTING and INPUT.
    Output { device: Fact<u32> },
    /// It comes in by this device: PREROUTING, then INPUT, or FORWARD and POSTROUTING by the other device.
    Arrival { device: Fact<u32>, leaves_by: Fact<u32> },
}

/// All that can become of a packet: more than one outcome where chance or something unknown decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    pub outcomes: Vec<Outcome>,
    /// There were more than are told: anything may have happened.
    pub truncated: bool,
}

/// One thing that can become of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Every rule that the packet fits, in order, and the policies that decided.
    pub steps: Vec<Step>,
    pub end: End,
    /// Nothing that is unknown and no chance decided on the way.
    pub certain: bool,
    /// The packet at the end, translated.
    pub packet: Packet,
    /// `false`: a translation chose the source, and which one cannot be told; `packet` has the one before.
    pub source_known: bool,
    /// The same of the destination.
    pub destination_known: bool,
    /// `ct mark` at the end.
    pub connmark: Fact<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub hook: Hook,
    pub chain: ChainId,
    /// `None`: the chain's policy.
    pub rule: Option<RuleId>,
    pub effect: Effect,
    /// All matches of the rule are understood and known to fit.
    pub certain: bool,
}

/// The most telling thing that a rule did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Counted, logged, jumped, returned.
    Passed,
    Accepted,
    Dropped,
    Rejected(Reject),
    Translated(NatKind),
    /// Wrote the packet's or the connection's mark.
    Marked,
    Queued,
    /// Handed to a transparent socket.
    Taken,
    /// Set a zone, or switched tracking off.
    Tracking,
    /// Not understood.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Reaches the local socket (or the lack of one).
    Delivered,
    /// Leaves by a device.
    Left,
    /// By the last step.
    Dropped,
    /// By the last step.
    Rejected(Reject),
    /// By the last step.
    Queued,
    /// A rule that is not understood may have done anything.
    Unknown,
}

const TCP: u8 = 6;
/// In the order of [`super::Field::TcpFlags`].
const SYN: u8 = 2;
