//! A full conntrack table.

use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::{Invocation, Rules, nft_rule};
use crate::lab::scenario::{Cure, EITHER_PEER, Outcome, Scenario};
use crate::lab::wire::Accepts;
use crate::lab::world::World;
use crate::model::finding::Cause;
use std::fs;

pub(super) const EXHAUSTED: Scenario = Scenario {
    name: "conntrack-exhausted",
    summary: "the conntrack table is full of established connections: a new one gets no entry, and connect hangs",
    expected: Some(Cause::ConntrackExhausted),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: full,
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    // The limit is the host's.
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const RAW_DROP: Scenario = Scenario {
    name: "syn-dropped-full-table",
    summary: "a rule in raw drops the SYNs to port 9000 while the conntrack table is full: the rule does it",
    expected: Some(Cause::SynDropped),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        full(world)?;
        world.add_rules("pod", &DROP_RAW)
    },
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::None,
    conntrack_events: false,
};

fn full(world: &mut World) -> Result<(), LabError> {
    world.wire_pair()?;
    world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
    world.add_app("app", "pod", 0)?;
    let max = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").unwrap_or_default();
    let max: u32 = max.trim().parse().unwrap_or(DEFAULT_MAX);
    world.made.push(format!(
        "pod: conntrack --load-file - (established connections, up to nf_conntrack_max, {max})"
    ));
    // A part at a time: a loaded machine takes longer for all of them than one command may.
    for first in (0..=max).step_by(PART_ENTRIES as usize) {
        let last = first.saturating_add(PART_ENTRIES).min(max.saturating_add(1));
        let load = Invocation {
            program: "conntrack",
            arguments: ["--load-file", "-"].map(str::to_owned).to_vec(),
            input: (first..last).map(entry).collect(),
        };
        match world.run_quietly("pod", load) {
            // It is full: the last one found no room.
            Err(LabError::Program { .. }) if last > max => {}
            other => other?,
        }
    }
    Ok(())
}

/// A line of `conntrack --load-file`: an entry that is assured makes room for nobody.
fn entry(number: u32) -> String {
    let (port, host) = (1024 + number / 62_500, number % 62_500);
    format!(
        "-A -p tcp -s 10.99.{}.{} -d 10.98.0.1 --sport {port} --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 3600\n",
        host / 250,
        host % 250 + 1
    )
}

const PART_ENTRIES: u32 = 32_768;
/// The kernel's for a machine with more than 4 GB.
const DEFAULT_MAX: u32 = 262_144;

const DROP_RAW: Rules = Rules {
    iptables: &["-t raw -A OUTPUT -p tcp --dport 9000 -j DROP"],
    nft: nft_rule!("raw", "filter", "output", "raw", "tcp dport 9000 drop"),
};
