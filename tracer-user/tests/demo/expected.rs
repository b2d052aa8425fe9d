//! What a kernel is known to show: the table of docs/causes.md.

use std::env;
use tracer_user::lab::{Family, scenarios};
use tracer_user::model::finding::{Cause, Confidence};

const CAUSES: &str = include_str!("../../../docs/causes.md");
/// Kernel and rung, such as `5.10/tracepoint`; set by the matrix of kernels, absent on the developer's own.
const CELL: &str = "CONNTRACER_EXPECT";

/// The best confidence that the table has for this cause, family and kernel; `None`: it is not found here.
pub(crate) fn best(cause: Cause, family: Family) -> Option<Confidence> {
    let cell = env::var(CELL).unwrap_or_default();
    in_table(cause, family, column(&cell))
}

/// Which column of confidences is about the cell.
fn column(cell: &str) -> usize {
    match cell.split_once('/') {
        Some(("5.10", "tracepoint")) => 3,
        Some(("5.10", _)) => 2,
        Some(("6.1", "tracepoint")) => 1,
        _ => 0,
    }
}

fn in_table(cause: Cause, family: Family, column: usize) -> Option<Confidence> {
    let start = format!("| `{}` |", cause.name());
    let row = CAUSES.lines().find_map(|line| line.strip_prefix(&start));
    let row = row.unwrap_or_else(|| panic!("docs/causes.md has no row for {}", cause.name()));
    let word = row.split('|').nth(column).expect("a cell").trim();
    let word = match word.strip_suffix(" (IPv4)") {
        Some(_) if family == Family::Ipv6 => "-",
        Some(word) => word,
        None => word,
    };
    (word != "-").then(|| confidence(word).unwrap_or_else(|| panic!("{word} in docs/causes.md is no confidence")))
}

pub(crate) fn confidence(name: &str) -> Option<Confidence> {
    match name {
        "possible" => Some(Confidence::Possible),
        "likely" => Some(Confidence::Likely),
        "proved" => Some(Confidence::Proved),
        _ => None,
    }
}

#[test]
fn docs_causes_lists_every_control() {
    for control in scenarios().iter().filter(|scenario| scenario.control()) {
        let name = format!("`{}`", control.name);
        assert!(CAUSES.contains(&name), "{name}");
    }
}

#[test]
fn every_cause_of_a_connection_has_a_row_in_docs_causes_and_a_part_of_its_own() {
    for cause in Cause::ALL.iter().filter(|cause| !cause.is_inspected()) {
        for column in 0..4 {
            in_table(*cause, Family::Ipv4, column);
        }
        assert!(
            CAUSES.contains(&format!("\n### `{}`\n", cause.name())),
            "{}",
            cause.name()
        );
    }
}
