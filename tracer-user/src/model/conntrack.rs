//! Conntrack entries.

use crate::model::tcp::ConntrackState;
use crate::model::tuple::Tuple;

/// The direction of a packet relative to its conntrack entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Original,
    Reply,
}

/// One conntrack entry, as a packet carried it or as a query found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conntrack {
    /// The tuple before translation: what the initiating socket sees.
    pub original: Tuple,
    /// The tuple of the answers: its inverse is where the packets really go.
    pub reply: Tuple,
    /// `IPS_*` bits, see [`Conntrack::STATUS`].
    pub status: u32,
    /// `None` where the entry is not TCP or the state was not read.
    pub state: Option<ConntrackState>,
    pub mark: u32,
    pub zone: u16,
    /// The id that ctnetlink shows; `None` for an entry read from a packet.
    pub id: Option<u32>,
}

impl Conntrack {
    /// Names of the status bits, lowest first (uapi/linux/netfilter/nf_conntrack_common.h).
    pub const STATUS: [&'static str; 16] = [
        "EXPECTED",
        "SEEN_REPLY",
        "ASSURED",
        "CONFIRMED",
        "SRC_NAT",
        "DST_NAT",
        "SEQ_ADJUST",
        "SRC_NAT_DONE",
        "DST_NAT_DONE",
        "DYING",
        "FIXED_TIMEOUT",
        "TEMPLATE",
        "UNTRACKED",
        "HELPER",
        "OFFLOAD",
        "HW_OFFLOAD",
    ];

    /// The tuple as the packets travel after translation.
    pub fn leaving(&self) -> Tuple {
        self.reply.inverted()
    }

    /// The leaving tuple, where it differs from the original one.
    pub fn translated(&self) -> Option<Tuple> {
        let leaving = self.leaving();
        (leaving != self.original).then_some(leaving)
    }

    /// Whether the destination is translated (DNAT, REDIRECT).
    pub fn redirects(&self) -> bool {
        self.reply.source != self.original.destination
    }

    /// Which way a packet with this tuple goes; `None` where the tuple is not of this entry.
    pub fn direction(&self, packet: Tuple) -> Option<Direction> {
        if packet == self.original || packet == self.leaving() {
            Some(Direction::Original)
        } else if packet == self.reply || packet == self.original.inverted() {
            Some(Direction::Reply)
        } else {
            None
        }
    }
}
