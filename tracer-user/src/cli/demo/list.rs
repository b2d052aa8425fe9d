//! `demo --list`: the scenarios, for people and for programs.

use crate::cli::output::{self, OutputArguments};
use crate::failure::Failure;
use crate::lab::{Backend, Family, PeerKind, Scenario, scenarios};
use crate::model::finding::Cause;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;
use std::fmt::Write as _;

/// A line of the list for programs. `expected` is absent for a control, and the first of `peers` is the default.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    summary: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'static str>,
    backends: Vec<&'static str>,
    families: Vec<&'static str>,
    peers: Vec<&'static str>,
}

/// Text, even where nobody looks at a terminal: it is help, as `--help` is.
pub(super) fn list(to: &OutputArguments) -> Result<(), Failure> {
    to.print(&if to.asks_for_json() {
        lines()
    } else {
        text(output::width())
    })
}

fn lines() -> String {
    let line = |scenario: &Scenario| Line {
        name: scenario.name,
        summary: scenario.summary,
        expected: scenario.expected.map(Cause::name),
        backends: scenario.backends.iter().copied().map(Backend::name).collect(),
        families: scenario.families.iter().copied().map(Family::name).collect(),
        peers: scenario.peers.iter().copied().map(PeerKind::name).collect(),
    };
    let json = |scenario| serde_json::to_string(&line(scenario)).unwrap_or_default();
    scenarios().iter().map(|scenario| json(scenario) + "\n").collect()
}

fn text(width: usize) -> String {
    let mut out = String::new();
    for control in [false, true] {
        let of_kind = || scenarios().iter().filter(|scenario| scenario.control() == control);
        let (title, mut header) = if control {
            ("controls: a tracer must stay silent", vec!["scenario", "what happens"])
        } else {
            ("failures", vec!["scenario", "what happens", "cause to be found"])
        };
        let mut table = plain_table(width, of_kind().map(|scenario| row(scenario)));
        header.truncate(table.column_count());
        table.set_header(header);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{title}\n");
        for line in table.lines() {
            let _ = writeln!(out, "{}", line.trim_end());
        }
        if !control {
            out.push('\n');
        }
    }
    out
}

fn row(scenario: &Scenario) -> Vec<&'static str> {
    let summary = scenario.summary;
    let what = summary.strip_prefix("control: ").unwrap_or(summary);
    [scenario.name, what]
        .into_iter()
        .chain(scenario.expected.map(Cause::name))
        .collect()
}

/// Without lines; the first column is never broken.
pub(super) fn plain_table<Row: Into<comfy_table::Row>>(width: usize, rows: impl IntoIterator<Item = Row>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let Some(names) = table.column_mut(0) {
        names.set_constraint(ColumnConstraint::ContentWidth);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_columns_are_enough() {
        let text = text(100);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        for scenario in scenarios() {
            let mut rows = text
                .lines()
                .filter(|line| line.split(' ').next() == Some(scenario.name));
            let row = rows
                .next()
                .unwrap_or_else(|| panic!("{} is missing:\n{text}", scenario.name));
            let cause = scenario.expected.map_or("", Cause::name);
            assert!(row.ends_with(cause), "{row}");
        }
    }

    #[test]
    fn programs_get_an_object_for_each() {
        let lines = lines();
        let parsed: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(parsed.len(), scenarios().len());
        for (line, scenario) in parsed.iter().zip(scenarios()) {
            assert_eq!(line["name"], scenario.name);
            assert_eq!(line["expected"].as_str(), scenario.expected.map(Cause::name));
            assert_eq!(line["backends"][0], scenario.backends[0].name());
            assert_eq!(line["families"][0], "ipv4");
            assert!(line["peers"].as_array().is_some_and(|peers| !peers.is_empty()));
        }
    }
}
