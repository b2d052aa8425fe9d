//! Which rules a packet meets, what they do to it, and what becomes of it: the kernel's way through a ruleset, without
//! the kernel.
//!
//! Pure, and three-valued: what is not known may fit, and then there is more than one outcome. Bridge and netdev chains
//! are not walked. Of routes only those that always lead here are known: else where a packet goes follows from addresses
//! and devices, and is unknown where these do not tell. No other connection is taken to stand in the way of a translation.

mod act;
mod chain;
pub mod culprit;
mod field;
mod guard;
mod hook;
mod matching;
mod merge;
mod nat;
mod needs;
mod number;
mod order;
mod set;
mod state;
#[cfg(test)]
mod tests;
mod way;

pub use needs::tracks;

use crate::model::rules::{ChainId, Fact, Hook, Journey, Network, Packet, Ruleset, SetId, Snapshot, Walk};
use guard::Guard;
use order::Orders;
use set::Index;
use std::fmt;
use std::net::IpAddr;

/// Leads packets through one namespace's rules. Making one costs as much as looking at every rule once; it is made once
/// for each snapshot.
pub struct Walker<'a> {
    ruleset: &'a Ruleset,
    network: &'a Network,
    ipv4: Orders,
    ipv6: Orders,
    sets: Vec<Index<'a>>,
    /// For each rule of each chain.
    guards: Vec<Vec<Option<Guard>>>,
    /// Whether some rule looks at conntrack, or needs it: of IPv4 and of IPv6.
    tracks: [bool; 2],
    listens: Option<Listens<'a>>,
}

/// Whether a transparent socket listens at an address and port; `None`: not known.
type Listens<'a> = &'a (dyn Fn(IpAddr, u16) -> Option<bool> + Sync);

impl<'a> Walker<'a> {
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self::over(&snapshot.ruleset, &snapshot.network)
    }

    pub fn over(ruleset: &'a Ruleset, network: &'a Network) -> Self {
        Self {
            ruleset,
            network,
            ipv4: Orders::new(ruleset, false),
            ipv6: Orders::new(ruleset, true),
            sets: ruleset.sets.iter().map(Index::new).collect(),
            guards: ruleset.chains.iter().map(guard::of).collect(),
            tracks: [false, true].map(|ipv6| tracks(ruleset, ipv6)),
            listens: None,
        }
    }

    /// With this knowledge of who listens, TPROXY has one outcome.
    #[must_use]
    pub fn listening(mut self, listens: Listens<'a>) -> Self {
        self.listens = Some(listens);
        self
    }

    /// Whether some rule makes the kernel track connections.
    pub fn tracks(&self) -> bool {
        let [ipv4, ipv6] = self.tracks;
        ipv4 || ipv6
    }

    /// The same for one address family.
    pub fn tracks_family(&self, is_ipv6: bool) -> bool {
        let [ipv4, ipv6] = self.tracks;
        if is_ipv6 { ipv6 } else { ipv4 }
    }

    /// All that can become of the packet on its whole journey.
    pub fn walk(&self, packet: &Packet, journey: Journey) -> Walk {
        way::Run::new(self, packet).journey(journey)
    }

    /// All that can become of the packet at one hook. Before INPUT, FORWARD and POSTROUTING conntrack has seen it.
    pub fn at(&self, packet: &Packet, hook: Hook, input: Fact<u32>, output: Fact<u32>) -> Walk {
        way::Run::new(self, packet).single(hook, input.into(), output.into())
    }

    fn orders(&self, ipv6: bool) -> &Orders {
        if ipv6 { &self.ipv6 } else { &self.ipv4 }
    }

    fn set(&self, id: SetId) -> Option<&Index<'a>> {
        self.sets.get(usize::try_from(id.0).ok()?)
    }

    fn guards(&self, id: ChainId) -> &[Option<Guard>] {
        let place = usize::try_from(id.0).ok();
        place
            .and_then(|place| self.guards.get(place))
            .map_or(&[], Vec::as_slice)
    }
}

impl fmt::Debug for Walker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walker")
            .field("rules", &self.ruleset.len())
            .finish_non_exhaustive()
    }
}
