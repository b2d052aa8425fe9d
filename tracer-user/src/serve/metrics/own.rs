//! What the agent is, how full its tables are, who asks it and whom it asks.

use super::families::{Families, Metric, label};
use crate::board::{Board, NamesHealth};
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
    tables(board, families)?;
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

fn tables(board: &Board, families: &mut Families<'_>) -> fmt::Result {
    let stats = board.stats();
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

const BUILD: Metric = Metric::plain("conntracer_build", "The version of conntracer.");
const KERNEL: Metric = Metric::plain("conntracer_kernel", "The kernel that is traced.");
const TRACKED: Metric = Metric::plain(
    "conntracer_tracked_connections",
    "Connections under suspicion that are followed now.",
);
const EVICTIONS: Metric = Metric::plain(
    "conntracer_evictions",
    "Connections and other entries thrown out of full tables.",
);
const NAMES_UP: Metric = Metric::plain(
    "conntracer_names_up",
    "Whether the container runtime answered when it was last asked.",
);
const NAMES_KEPT: Metric = Metric::plain(
    "conntracer_names_kept",
    "Names of containers and pods that are kept now.",
);
const NAMES_ASKED: Metric = Metric::plain("conntracer_names_asked", "Questions to the container runtime.");
const NAMES_FAILED: Metric = Metric::plain(
    "conntracer_names_failed",
    "Questions to the container runtime that it did not answer.",
);
const ACCEPTED: Metric = Metric::plain("conntracer_http_connections", "Connections to this server.");
const CUT: Metric = Metric::plain(
    "conntracer_http_connections_cut",
    "Connections to this server that were cut: for newer ones, or because they took too long.",
);
