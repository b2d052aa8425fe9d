//! What of the user's filter the programs decide by themselves: a record that they leave out costs nobody anything.
//!
//! Whatever they let pass is still decided about here and in the Tracker.

use crate::filter::{Filter, Prefix};
use crate::kernel::filter::Filters;
use crate::model::who::Identity;
use std::net::IpAddr;
use tracer_common::filter::{
    self as abi, Counts, PART_CGROUPS, PART_COMMS, PART_NETNS, PART_PIDS, PART_PORTS, PART_PREFIXES,
};
use tracer_common::tuple::{IPV4, IPV6};

/// The programs' filter, and what they learn of cgroups.
pub(super) struct Pushed {
    filters: Filters,
}

impl Pushed {
    pub(super) fn new(filters: Filters) -> Self {
        Self { filters }
    }

    /// The user wants to see something else.
    pub(super) fn retune(&mut self, filter: &Filter) {
        let set = self.filters.set(values(filter)).and_then(|()| self.filters.readmit());
        if let Err(error) = set {
            tracing::warn!(%error, "the probes go on with the filter of before");
        }
    }

    /// Whoever runs in this cgroup is `identity`.
    pub(super) fn learn(&mut self, filter: &Filter, cgroup: u64, identity: &Identity) {
        if !filter.never_wants(identity) {
            return;
        }
        if let Err(error) = self.filters.leave_out(cgroup) {
            tracing::debug!(%error, cgroup, "the probes go on telling of it");
        }
    }
}

/// The parts that the programs have to look at. `can_change`: the filter may be another one later, but for the
/// namespaces.
pub(super) fn parts(filter: &Filter, export_all: bool, can_change: bool) -> u32 {
    let part = |part, is_used| if is_used { part } else { 0 };
    let netns = part(PART_NETNS, !filter.netns.is_empty());
    // All others decide about records that only the export needs.
    if !export_all {
        return netns;
    }
    netns
        | part(PART_PIDS, !filter.pids.is_empty())
        | part(PART_COMMS, can_change || !filter.comms.is_empty())
        | part(PART_PREFIXES, can_change || !filter.prefixes.is_empty())
        | part(PART_PORTS, can_change || !filter.ports.is_empty())
        | part(PART_CGROUPS, can_change || filter.needs_names())
}

/// The values as the programs take them. A part that has more of them than there is room for is left to user space.
pub(super) fn values(filter: &Filter) -> abi::Filter {
    let (netns, netns_count) = fitted(&filter.netns, |inode| *inode);
    let (pids, pids_count) = fitted(&filter.pids, |pid| *pid);
    let (comms, comms_count) = fitted(&filter.comms, |comm| words(comm.0));
    let (prefixes, prefixes_count) = fitted(&filter.prefixes, |of| prefix(*of));
    let (ports, ports_count) = fitted(&filter.ports, |port| port.to_be());
    abi::Filter {
        counts: Counts {
            netns: netns_count,
            pids: pids_count,
            comms: comms_count,
            prefixes: prefixes_count,
            ports: ports_count,
            pad: 0,
        },
        netns,
        pids,
        comms,
        prefixes,
        ports,
    }
}

fn fitted<T, V: Copy + Default, const N: usize>(values: &[T], value: impl Fn(&T) -> V) -> ([V; N], u32) {
    let mut fitted = [V::default(); N];
    if values.len() > N {
        return (fitted, 0);
    }
    let mut count = 0;
    for (slot, of) in fitted.iter_mut().zip(values) {
        *slot = value(of);
        count += 1;
    }
    (fitted, count)
}

fn prefix(prefix: Prefix) -> abi::Prefix {
    let (bits, family) = match prefix.address() {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, IPV4),
        IpAddr::V6(address) => (address.to_bits(), IPV6),
    };
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix.length())).unwrap_or(0);
    abi::Prefix {
        address: words((bits & mask).to_be_bytes()),
        mask: words(mask.to_be_bytes()),
        family: family.into(),
    }
}

/// Bytes as the words that lie so in memory.
fn words(bytes: [u8; 16]) -> [u64; 2] {
    let [first, second] = [0, 8].map(|start| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[start..start + 8]);
        u64::from_ne_bytes(word)
    });
    [first, second]
}

#[cfg(test)]
mod tests;
