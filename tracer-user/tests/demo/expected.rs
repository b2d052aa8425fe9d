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
    let confidence = in_table(cause, family, column(&cell))?;
    let kernel = cell.split_once('/').map(|(kernel, _)| release(kernel));
    let since = since(cause, column(&cell)).map(release);
    (kernel.is_none() || since.is_none() || kernel >= since).then_some(confidence)
}

/// `proved (from 6.13)`: not on the older kernels of that column.
fn since(cause: Cause, column: usize) -> Option<&'static str> {
    let (_, since) = cell(cause, column).split_once(" (from ")?;
    since.strip_suffix(')')
}

fn release(name: &str) -> (u32, u32) {
    let (major, minor) = name.split_once('.').expect("a release such as 6.12");
    (major.parse().expect("a number"), minor.parse().expect("a number"))
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

fn cell(cause: Cause, column: usize) -> &'static str {
    let start = format!("| `{}` |", cause.name());
    let row = CAUSES.lines().find_map(|line| line.strip_prefix(&start));
    let row = row.unwrap_or_else(|| panic!("docs/causes.md has no row for {}", cause.name()));
    row.split('|').nth(column).expect("a cell").trim()
}

fn in_table(cause: Cause, family: Family, column: usize) -> Option<Confidence> {
    let word = cell(cause, column);
    let word = word.split_once(" (from ").map_or(word, |(word, _)| word);
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
