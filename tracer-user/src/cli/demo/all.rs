//! `demo --all`: every scenario, one after the other; the result is the comparison.

use super::found::{After, Outcome, Seen};
use super::list::plain_table;
use super::{DemoArguments, live, narrate};
use crate::cli::output;
use crate::failure::Failure;
use crate::lab::{Scenario, SymptomKind, scenarios};
use crate::model::finding::{Cause, Confidence};
use crate::sink::jsont::{Spell as _, Spelled};
use crate::sink::{Format, Writer};
use serde::Serialize;
use std::fmt::Write as _;

/// A line of the result for programs; `expected` is absent for a control.
#[derive(Serialize)]
struct Line {
    scenario: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'static str>,
    as_expected: bool,
    found: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    cause: &'static str,
    confidence: Spelled<Confidence>,
    /// Absent where no application noticed anything. Negative: before the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    after_ms: Option<i64>,
}

pub(super) fn all(arguments: &DemoArguments) -> Result<bool, Failure> {
    let fits = |scenario: &&Scenario| {
        scenario.families.contains(&arguments.family) && scenario.backends.contains(&arguments.backend)
    };
    let mut outcomes = Vec::new();
    for scenario in scenarios().iter().filter(fits) {
        let nowhere = |clock| {
            let writer = Writer::start(Box::new(std::io::sink()), Format::Json, clock);
            writer.map_err(Failure::system("the writing thread cannot start"))
        };
        let outcome = live::run(arguments, scenario, nowhere)?;
        narrate(&format!("{}: {}", scenario.name, verdict(&outcome)));
        outcomes.push(outcome);
    }
    let result = if arguments.output.is_json() {
        lines(&outcomes)
    } else {
        text(&outcomes, output::width())
    };
    arguments.output.print(&result)?;
    Ok(!outcomes.iter().all(Outcome::as_expected))
}

fn lines(outcomes: &[Outcome]) -> String {
    let line = |outcome: &Outcome| Line {
        scenario: outcome.scenario.name,
        expected: outcome.scenario.expected.map(Cause::name),
        as_expected: outcome.as_expected(),
        found: outcome
            .findings()
            .map(|seen| Finding {
                cause: seen.cause.name(),
                confidence: Spelled(seen.confidence),
                after_ms: outcome.after(seen).map(|after| after.millis),
            })
            .collect(),
    };
    let json = |outcome| serde_json::to_string(&line(outcome)).unwrap_or_default();
    outcomes.iter().map(|outcome| json(outcome) + "\n").collect()
}

fn text(outcomes: &[Outcome], width: usize) -> String {
    let mut table = plain_table(width, outcomes.iter().map(row));
    table.set_header(["scenario", "expected", "found", "how surely", "after", ""]);
    let mut out = String::new();
    for line in table.lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let right = outcomes.iter().filter(|outcome| outcome.as_expected()).count();
    let _ = writeln!(out, "\n{right} of {} as expected", outcomes.len());
    out.push_str("after: from the connect or request that hangs, or from the error (-: before it), to the finding\n");
    out
}

fn row(outcome: &Outcome) -> Vec<String> {
    let each = |what: &dyn Fn(&Seen) -> String| {
        let all: Vec<_> = outcome.findings().map(what).collect();
        all.join(", ")
    };
    vec![
        outcome.scenario.name.to_owned(),
        outcome.expected().to_owned(),
        outcome.found(),
        each(&|seen| seen.confidence.spell().to_owned()),
        each(&|seen| outcome.after(seen).map_or_else(|| "?".to_owned(), seconds)),
        verdict(outcome).to_owned(),
    ]
}

/// A hang is told in seconds, an error in milliseconds.
fn seconds(after: After) -> String {
    let millis = after.millis;
    match after.kind {
        SymptomKind::Hang => format!("{}.{:02} s", millis / 1000, millis % 1000 / 10),
        SymptomKind::Error => format!("{millis} ms"),
    }
}

fn verdict(outcome: &Outcome) -> &'static str {
    if outcome.as_expected() { "ok" } else { "DIFFERS" }
}

#[cfg(test)]
mod tests {
    use super::super::found::tests::outcome;
    use super::*;

    fn outcomes() -> [Outcome; 3] {
        let hang = |scenario, cause, millis| outcome(scenario, SymptomKind::Hang, &[(cause, millis)]);
        [
            hang("syn-dropped", Cause::SynDropped, 1_012),
            hang("unanswered", Cause::SynDropped, 3_000),
            outcome("refused-port", SymptomKind::Error, &[]),
        ]
    }

    #[test]
    fn the_table_says_what_differs_and_how_soon_each_was_found() {
        let text = text(&outcomes(), 100);
        let words: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        for row in [
            &["syn-dropped", "syn-dropped", "syn-dropped", "proved", "1.01", "s", "ok"][..],
            &[
                "unanswered",
                "unanswered",
                "syn-dropped",
                "proved",
                "3.00",
                "s",
                "DIFFERS",
            ],
            &["refused-port", "nothing", "nothing", "ok"],
            &["2", "of", "3", "as", "expected"],
        ] {
            assert!(words.iter().any(|line| line == row), "{row:?}\n{text}");
        }
    }

    #[test]
    fn a_program_gets_the_same_as_objects() {
        let lines = lines(&outcomes());
        let parsed: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(parsed[0]["found"][0]["after_ms"], 1_012);
        assert_eq!(parsed[1]["as_expected"], false);
        assert_eq!(
            (&parsed[2]["expected"], &parsed[2]["as_expected"]),
            (&serde_json::Value::Null, &true.into())
        );
    }
}
