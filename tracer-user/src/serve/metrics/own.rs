//! What the agent is and what it costs.

use super::families::{Families, Metric, label};
use crate::board::{Board, NamesHealth};
use prometheus_client::registry::Unit;
use std::fmt;

/// Connections to the agent's own server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::serve) struct Connections {
    pub(in crate::serve) accepted: u64,
    /// Cut because newer ones needed their place.
    pub(in crate::serve) crowded_out: u64,
    /// Cut because they took too long.
    pub(in crate::serve) timed_out: u64,
}

pub(super) fn encode(board: &Board, connections: Connections, families: &mut Families<'_>) -> fmt::Result {
    if let Some(hello) = board.hello() {
        families.info(&BUILD, [("version", label(&hello.version))])?;
        let labels = [
            ("release", label(&hello.kernel)),
            ("architecture", label(&hello.architecture)),
        ];
        families.info(&KERNEL, labels)?;
    }
    costs(board, families)?;
    if let Some(health) = board.names() {
        names(health, families)?;
    }
    families.counter(&ACCEPTED, Some(connections.accepted))?;
    let cut = [
        ([("reason", "crowded-out")], connections.crowded_out),
        ([("reason", "timed-out")], connections.timed_out),
    ];
    families.counters(&CUT, cut)
}

fn costs(board: &Board, families: &mut Families<'_>) -> fmt::Result {
    let stats = board.stats();
    families.second(&CPU, stats.and_then(|stats| stats.cpu).map(|cpu| cpu.as_secs_f64()))?;
    families.gauge(&RESIDENT, stats.and_then(|stats| stats.resident_bytes))?;
    families.gauge(&MAPS, stats.and_then(|stats| stats.map_bytes))?;
    families.gauge(&RING, stats.and_then(|stats| stats.ring_bytes))?;
    families.gauge(&RING_HIGH, stats.and_then(|stats| stats.ring_high_water))?;
    families.gauge(&TRACKED, stats.map(|stats| stats.tracked))?;
    families.counter(&EVICTIONS, stats.map(|stats| stats.evictions))
}

fn names(health: NamesHealth, families: &mut Families<'_>) -> fmt::Result {
    let NamesHealth {
        answers,
        kept,
        asked,
        failed,
    } = health;
    families.gauge(&NAMES_UP, Some(u64::from(answers)))?;
    families.gauge(&NAMES_KEPT, Some(kept))?;
    families.counter(&NAMES_ASKED, Some(asked))?;
    families.counter(&NAMES_FAILED, Some(failed))
}

const BUILD: Metric = Metric {
    name: "conntracer_build",
    unit: None,
    help: "The version of conntracer.",
};
const KERNEL: Metric = Metric {
    name: "conntracer_kernel",
    unit: None,
    help: "The kernel that is traced.",
};
const CPU: Metric = Metric {
    name: "process_cpu",
    unit: Some(Unit::Seconds),
    help: "CPU time of the agent.",
};
const RESIDENT: Metric = Metric {
    name: "process_resident_memory",
    unit: Some(Unit::Bytes),
    help: "Memory of the agent.",
};
const MAPS: Metric = Metric {
    name: "conntracer_map_memory",
    unit: Some(Unit::Bytes),
    help: "Kernel memory of the eBPF maps.",
};
const RING: Metric = Metric {
    name: "conntracer_ring_size",
    unit: Some(Unit::Bytes),
    help: "Size of the ring buffer.",
};
const RING_HIGH: Metric = Metric {
    name: "conntracer_ring_high_water",
    unit: Some(Unit::Bytes),
    help: "Most bytes that ever waited in the ring buffer.",
};
const TRACKED: Metric = Metric {
    name: "conntracer_tracked_connections",
    unit: None,
    help: "Connections under suspicion that are followed now.",
};
const EVICTIONS: Metric = Metric {
    name: "conntracer_evictions",
    unit: None,
    help: "Connections and other entries thrown out of full tables.",
};
const NAMES_UP: Metric = Metric {
    name: "conntracer_names_up",
    unit: None,
    help: "Whether the container runtime answered when it was last asked.",
};
const NAMES_KEPT: Metric = Metric {
    name: "conntracer_names_kept",
    unit: None,
    help: "Names of containers and pods that are kept now.",
};
const NAMES_ASKED: Metric = Metric {
    name: "conntracer_names_asked",
    unit: None,
    help: "Questions to the container runtime.",
};
const NAMES_FAILED: Metric = Metric {
    name: "conntracer_names_failed",
    unit: None,
    help: "Questions to the container runtime that it did not answer.",
};
const ACCEPTED: Metric = Metric {
    name: "conntracer_http_connections",
    unit: None,
    help: "Connections to this server.",
};
const CUT: Metric = Metric {
    name: "conntracer_http_connections_cut",
    unit: None,
    help: "Connections to this server that were cut: for newer ones, or because they took too long.",
};
