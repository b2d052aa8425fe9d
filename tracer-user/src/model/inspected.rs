//! What inspection reads out of a namespace's rules, without a packet: the evidence of an audit.

use crate::model::rules::{Backend, Component, Family, Hook, Target};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// What a translating rule is for, and the local port that it leads to.
    Redirect {
        hook: Option<Hook>,
        family: Family,
        /// `IPPROTO_*`; `None`: any.
        protocol: Option<u8>,
        /// Original ports, at most [`Inspected::PORTS`].
        ports: Vec<RangeInclusive<u16>>,
        /// `None`: the port stays.
        target: Option<RangeInclusive<u16>>,
        /// What becomes of them where nobody listens there.
        unserved: Unserved,
        /// Other ports that a map of the same rule translates lead to somebody.
        others_served: bool,
    },
    /// No process of the namespace is the agent that made these chains.
    NoAgent {
        component: Component,
        /// How many processes there are; `None`: not read.
        processes: Option<u32>,
        /// At most [`Inspected::CHAINS`].
        chains: Vec<ChainName>,
    },
    /// Two components use the same bits of a mark.
    Bits {
        mark: Target,
        bits: u32,
        /// The one erases what the other set; else it sets what the other looks for.
        erases: bool,
    },
    /// Rules of both back ends meet the same packets.
    BackEnds {
        family: Family,
        hooks: Vec<Hook>,
        /// How many rules the hooked chains of each have.
        legacy: u32,
        nft: u32,
        /// Whose rules translate first, where those of both translate; at the same priority `None`.
        translates: Option<Option<Backend>>,
    },
    /// An address of the other family, where somebody listens on the original port.
    Unguarded { address: IpAddr, port: u16 },
    /// Packets that the rule asks for were led through the rules.
    Led {
        packets: u32,
        /// How many met the rule.
        arrived: u32,
        /// Original ports of those that did not, at most [`Inspected::PORTS`].
        missed: Vec<u16>,
    },
    /// Whether a rule makes the kernel track connections.
    Tracking { on: bool },
}

/// What becomes of packets that are handed to a port where nobody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// This host refuses them.
    Refused,
    /// They are dropped (TPROXY of xt).
    Dropped,
    /// They go on as if the rule were not there (tproxy of nft).
    Passed,
}

/// Where a chain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainName {
    pub backend: Backend,
    pub family: Family,
    pub table: Arc<str>,
    /// Untrusted.
    pub chain: Arc<str>,
}

impl Inspected {
    pub const PORTS: usize = 16;
    pub const CHAINS: usize = 32;
}
