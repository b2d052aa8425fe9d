//! What was found: findings, hung connections, stolen ports.

use super::families::{Families, Metric};
use crate::board::Board;
use crate::model::finding::Cause;
use crate::sink::jsont::Spell;
use std::fmt;

pub(super) fn encode(board: &Board, families: &mut Families<'_>) -> fmt::Result {
    let findings = board.findings();
    let counts = findings.counts().map(|(judged, count)| {
        let labels = [
            ("cause", judged.cause.name()),
            ("owner", judged.owner.name()),
            ("severity", judged.severity.spell()),
        ];
        (labels, count)
    });
    families.counters(&FINDINGS, counts)?;
    // Every cause has its row, so that one that is found is a step from 0 that an alert sees.
    let open = Cause::ALL.iter().map(|&cause| {
        let count = findings.open().filter(|finding| finding.cause == cause).count();
        ([("cause", cause.name())], as_u64(count))
    });
    families.gauges(&OPEN, open)?;
    families.counter(&LEFT_OUT, Some(findings.left_out()))?;
    families.gauge(&HUNG, Some(findings.hanging()))?;
    let ports = board.ports().counts();
    let ports = ports
        .iter()
        .map(|((owner, listens), count)| ([("owner", owner.name()), ("listens", listens.name())], *count));
    families.gauges(&PORTS, ports)
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

const FINDINGS: Metric = Metric::plain(
    "conntracer_findings",
    "Findings so far, by cause, by the program whose rules do it, and by severity. One that is judged anew counts again.",
);
const OPEN: Metric = Metric::plain("conntracer_findings_open", "Findings that are open now.");
const LEFT_OUT: Metric = Metric::plain(
    "conntracer_findings_left_out",
    "Findings that are not counted as open because there are too many.",
);
const HUNG: Metric = Metric::plain(
    "conntracer_connections_hung",
    "Connections of open findings that hang now.",
);
const PORTS: Metric = Metric::plain(
    "conntracer_stolen_ports",
    "Ports whose connections rules take elsewhere, by the program whose rules they are and by who listens there.",
);
