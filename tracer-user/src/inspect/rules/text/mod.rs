//! Rules as their own tools print them.
//!
//! Names of chains, sets and devices are untrusted and stand here as they are: who shows a text escapes it. Users,
//! groups and services are printed as numbers, since what they are called is another machine's business.

mod action;
mod address;
mod interface;
pub mod iptables;
mod matching;
mod names;
mod nft;
mod set;
mod value;
mod xtables;

pub use address::address;
pub use nft::nft_rule;
pub use xtables::iptables_rule;

use crate::model::rules::{ChainId, Ruleset, Set, SetId};

/// What the numbers in a rule stand for.
pub trait Lookup {
    fn chain(&self, id: ChainId) -> Option<&str>;
    fn set(&self, id: SetId) -> Option<&Set>;
    /// The name of a device.
    fn link(&self, index: u32) -> Option<&str>;
}

impl Lookup for Ruleset {
    fn chain(&self, id: ChainId) -> Option<&str> {
        Self::chain(self, id).map(|chain| &*chain.name)
    }

    fn set(&self, id: SetId) -> Option<&Set> {
        Self::set(self, id)
    }

    /// A ruleset knows no devices.
    fn link(&self, _index: u32) -> Option<&str> {
        None
    }
}

/// What cannot be printed as its tool would.
fn unknown(what: &str) -> String {
    format!("[unknown: {what}]")
}

#[cfg(test)]
mod tests;
