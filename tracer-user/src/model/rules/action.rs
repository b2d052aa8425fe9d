//! What a rule does to a packet that all its matches fit.

use super::{ChainId, Operand, SetId};
use crate::model::named::named;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ends the rule, and what else the verdict says.
    Verdict(Verdict),
    /// The verdict that a map has for the key; none: the rule ends, the next one is met.
    VerdictMap {
        key: Vec<Operand>,
        map: SetId,
    },
    Assign(Assign),
    Nat(Nat),
    Tproxy(Tproxy),
    /// The packet and its connection are not tracked (`notrack`, `-j CT --notrack`).
    Notrack,
    /// The packet's way is looked up in this zone (`ct zone set`, `-j CT --zone`). `direction`: only of 0 original or 1
    /// reply.
    Zone {
        zone: u16,
        direction: Option<u8>,
    },
    /// No influence on the packet's way: counter, log, a comment, a priority.
    Harmless(Arc<str>),
    /// Not understood: may do anything.
    Unknown(Arc<str>),
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ends this base chain; the next base chain of the hook goes on.
    Accept,
    Drop,
    Reject(Reject),
    /// The packet goes to a program that decides (NFQUEUE).
    Queue {
        /// First and last queue.
        queues: RangeInclusive<u16>,
        /// Goes on as if accepted where nobody listens.
        bypass: bool,
    },
    Return,
    /// The next rule.
    Continue,
    /// `None`: the chain is not there (it was changed while it was read).
    Jump(Option<ChainId>),
    Goto(Option<ChainId>),
}

impl Verdict {
    /// The chain that it leads to.
    pub fn target(&self) -> Option<ChainId> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => *chain,
            Self::Accept | Self::Drop | Self::Reject(_) | Self::Queue { .. } | Self::Return | Self::Continue => None,
        }
    }
}

named! {
    /// How a sender is told.
    Reject {
        TcpReset = "tcp reset",
        /// ICMP or ICMPv6 error, whichever code.
        Icmp = "icmp",
    }
}

/// `target = (target & keep) ^ source ^ value`, 32 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assign {
    pub target: Target,
    pub keep: u32,
    pub source: Source,
    pub value: u32,
}

named! {
    /// What an [`Assign`] writes.
    Target {
        Mark = "meta mark",
        Connmark = "ct mark",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    None,
    /// `(mark & mask) << shift` (to the right where negative).
    Mark {
        mask: u32,
        shift: i8,
    },
    Connmark {
        mask: u32,
        shift: i8,
    },
    /// Any other operand (a map, a random number).
    Operand(Operand),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    pub kind: NatKind,
    pub target: NatTarget,
    /// The port is chosen at random.
    pub random: bool,
    /// The same client always gets the same address.
    pub persistent: bool,
}

named! {
    NatKind {
        /// Source, to given addresses.
        Source = "snat",
        Destination = "dnat",
        /// Destination, to this host (in PREROUTING the input device's address, in OUTPUT loopback).
        Redirect = "redirect",
        /// Source, to the output device's address.
        Masquerade = "masquerade",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatTarget {
    Fixed {
        /// `None`: the address stays, or the kind of translation says which.
        addresses: Option<RangeInclusive<IpAddr>>,
        /// `None`: the port stays where it can.
        ports: Option<RangeInclusive<u16>>,
        /// Only the bits of the prefix are replaced (`NETMAP`, nft's `prefix`).
        netmap: bool,
        /// Ports move by the same distance: the packet's port less this one is added to the first of `ports` (xt's
        /// `--to-destination 1.2.3.4:80-90/8080`).
        base_port: Option<u16>,
    },
    /// Looked up: an address and a port, an address, or a port.
    Map {
        key: Vec<Operand>,
        map: SetId,
        address: bool,
        port: bool,
        /// A port that is given beside the map.
        fixed_port: Option<u16>,
    },
    Unknown(Arc<str>),
}

/// The packet goes to a local transparent socket without being changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tproxy {
    /// `None`: the packet's own destination (nft) or the input device's address (xt).
    pub address: Option<IpAddr>,
    /// `None`: the packet's own.
    pub port: Option<u16>,
    /// `mark = (mark & !mask) ^ value`, set where a socket is found (xt).
    pub mark: Option<(u32, u32)>,
    /// Where no socket is found xt drops the packet, nft goes on with the next rule.
    pub drops: bool,
}
