//! How a scenario is to be built: which rules, which addresses, which sort of peer.
//!
//! Names only; what they mean for a rule or an address is in `rules` and `address`.

use crate::model::named::named;
use std::path::PathBuf;

named! {
    /// Which program makes the rules.
    Backend {
        Nft = "nft",
        IptablesNft = "iptables-nft",
        IptablesLegacy = "iptables-legacy",
    }
}

named! {
    Family {
        Ipv4 = "ipv4",
        Ipv6 = "ipv6",
    }
}

named! {
    /// Who answers at the peer's address.
    PeerKind {
        /// A namespace of this machine: its kernel's events are visible too.
        Kernel = "kernel",
        /// A program that answers raw frames, so that no kernel event of the peer exists.
        Phantom = "phantom",
    }
}

#[derive(Clone, Debug)]
pub struct Options {
    pub backend: Backend,
    pub family: Family,
    /// The scenario's own choice where none is made.
    pub peer: Option<PeerKind>,
    /// The program whose hidden subcommand plays the hosts.
    pub program: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backend: Backend::IptablesNft,
            family: Family::Ipv4,
            peer: None,
            program: PathBuf::from("/proc/self/exe"),
        }
    }
}
