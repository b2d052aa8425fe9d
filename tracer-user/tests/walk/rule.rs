//! Rules as the test makes them, in no tool's words.
//!
//! How each tool is told of them is in `xtables` and `nft`.

use crate::world::Side;
use std::net::IpAddr;

/// A ruleset of one namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) tables: Vec<Table>,
}

impl Plan {
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        let chains = self.tables.iter().flat_map(|table| &table.chains);
        chains.flat_map(|chain| &chain.rules)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) column: Column,
    pub(crate) name: String,
    pub(crate) chains: Vec<Chain>,
}

/// A tool together with a family: the columns of the coverage table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Column {
    pub(crate) tool: Tool,
    pub(crate) v6: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tool {
    /// nft's families ip and ip6.
    Nft,
    /// nft's family inet; the column's family is that of the packets.
    Inet,
    IptablesNft,
    IptablesLegacy,
}

impl Tool {
    pub(crate) const ALL: [Self; 4] = [Self::Nft, Self::Inet, Self::IptablesNft, Self::IptablesLegacy];

    pub(crate) fn is_nft(self) -> bool {
        matches!(self, Self::Nft | Self::Inet)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Inet => "nft inet",
            Self::IptablesNft => "iptables-nft",
            Self::IptablesLegacy => "iptables-legacy",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) name: String,
    pub(crate) base: Option<Base>,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    pub(crate) kind: &'static str,
    pub(crate) hook: Hook,
    pub(crate) priority: i32,
    pub(crate) drops: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl Hook {
    pub(crate) const ALL: [Self; 5] = [
        Self::Prerouting,
        Self::Input,
        Self::Forward,
        Self::Output,
        Self::Postrouting,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Unique in a ruleset: its comment.
    pub(crate) number: u32,
    /// `-p`; always there where something in the rule is of a transport protocol only.
    pub(crate) protocol: Option<u8>,
    /// Of which family its packets are.
    pub(crate) v6: bool,
    pub(crate) asks: Vec<Ask>,
    pub(crate) act: Act,
}

#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Address {
        source: bool,
        address: IpAddr,
        prefix: u8,
        negated: bool,
    },
    Port {
        source: bool,
        first: u16,
        last: u16,
        negated: bool,
    },
    Ports {
        ports: Vec<u16>,
        negated: bool,
    },
    Interface {
        input: bool,
        name: &'static str,
        negated: bool,
    },
    /// The rule's `protocol`, and nothing besides.
    Protocol,
    Flags {
        mask: u8,
        value: u8,
        negated: bool,
    },
    Mark {
        value: u32,
        mask: u32,
        negated: bool,
    },
    Connmark {
        value: u32,
        mask: u32,
        negated: bool,
    },
    Owner {
        group: bool,
        id: u32,
        negated: bool,
    },
    State {
        names: &'static [&'static str],
        negated: bool,
    },
    Zone(u16),
    AddressType {
        source: bool,
        name: &'static str,
        negated: bool,
        /// `--limit-iface-in`.
        by_input: bool,
    },
    Socket {
        transparent: bool,
    },
    Comment,
    /// The source port that one packet has: not counted as a match, since every rule of the table has it.
    Only(u16),
    Set {
        source: bool,
        addresses: Vec<IpAddr>,
        negated: bool,
    },
    Chance(Random),
}

/// What chance, rate or memory decides.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Random {
    Probability,
    Nth,
    Limit,
    Hashlimit,
    Recent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Count,
    Accept,
    Drop,
    Reset,
    Unreachable,
    Return,
    Jump(String),
    Goto(String),
    Redirect(Option<u16>),
    Dnat(IpAddr, Option<u16>),
    /// To one of two neighbouring addresses, whichever.
    Spread(IpAddr, IpAddr),
    /// What is done depends on the port (nft's verdict maps).
    ByPort(Vec<(u16, String)>),
    Snat(IpAddr, Option<(u16, u16)>),
    Masquerade,
    Tproxy(u16),
    Notrack,
    Zone(u16),
    Queue {
        bypass: bool,
    },
    Mark {
        value: u32,
        mask: u32,
    },
    Connmark {
        value: u32,
        mask: u32,
    },
    Save(u32),
    Restore(u32),
}

impl Ask {
    /// The row of the coverage table.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Address { .. } => "address",
            Self::Port { .. } => "port",
            Self::Ports { .. } => "multiport",
            Self::Interface { .. } => "interface",
            Self::Protocol => "protocol",
            Self::Flags { .. } => "tcp flags",
            Self::Mark { .. } => "mark",
            Self::Connmark { .. } => "connmark",
            Self::Owner { group: false, .. } => "owner uid",
            Self::Owner { group: true, .. } => "owner gid",
            Self::State { .. } => "ct state",
            Self::Zone(_) => "ct zone",
            Self::AddressType { .. } => "addrtype",
            Self::Socket { .. } => "socket",
            Self::Comment => "comment",
            Self::Set { .. } => "set",
            Self::Chance(_) => "chance",
            Self::Only(_) => "only",
        }
    }

    pub(crate) fn needs_transport(&self) -> bool {
        matches!(
            self,
            Self::Port { .. }
                | Self::Ports { .. }
                | Self::Flags { .. }
                | Self::Protocol
                | Self::Socket { .. }
                | Self::Only(_)
        )
    }
}

/// The rows of the coverage table.
pub(crate) const ASKS: [&str; 16] = [
    "address",
    "port",
    "multiport",
    "interface",
    "protocol",
    "tcp flags",
    "mark",
    "connmark",
    "owner uid",
    "owner gid",
    "ct state",
    "ct zone",
    "addrtype",
    "socket",
    "comment",
    "set",
];
pub(crate) const ACTS: [&str; 20] = [
    "accept",
    "drop",
    "reject tcp-reset",
    "reject icmp",
    "return",
    "jump",
    "goto",
    "redirect",
    "dnat",
    "snat",
    "masquerade",
    "tproxy",
    "ct notrack",
    "ct zone",
    "queue",
    "queue bypass",
    "set mark",
    "set connmark",
    "save mark",
    "restore mark",
];

impl Act {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Accept => "accept",
            Self::Drop => "drop",
            Self::Reset => "reject tcp-reset",
            Self::Unreachable => "reject icmp",
            Self::Return => "return",
            Self::Jump(_) => "jump",
            Self::Goto(_) => "goto",
            Self::Redirect(_) => "redirect",
            Self::Dnat(..) => "dnat",
            Self::Spread(..) => "spread",
            Self::ByPort(_) => "verdict map",
            Self::Snat(..) => "snat",
            Self::Masquerade => "masquerade",
            Self::Tproxy(_) => "tproxy",
            Self::Notrack => "ct notrack",
            Self::Zone(_) => "ct zone",
            Self::Queue { bypass: false } => "queue",
            Self::Queue { bypass: true } => "queue bypass",
            Self::Mark { .. } => "set mark",
            Self::Connmark { .. } => "set connmark",
            Self::Save(_) => "save mark",
            Self::Restore(_) => "restore mark",
        }
    }

    pub(crate) fn needs_transport(&self) -> bool {
        matches!(
            self,
            Self::Reset
                | Self::Tproxy(_)
                | Self::Redirect(Some(_))
                | Self::Dnat(_, Some(_))
                | Self::ByPort(_)
                | Self::Snat(_, Some(_))
        )
    }

    pub(crate) fn needs_tcp(&self) -> bool {
        *self == Self::Reset
    }
}

/// Which devices there are to ask for.
pub(crate) fn devices() -> [&'static str; 3] {
    ["lo", Side::Lan.device(), Side::Wan.device()]
}

/// The comment of the rules that keep the kernel's own packets apart from the test's.
pub(crate) const APART: &str = "apart";
