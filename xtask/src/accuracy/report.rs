//! The result as Markdown that reads well in a terminal, too.

use std::collections::BTreeSet;

use comfy_table::{Row, Table, presets};

use super::{
    judged::{After, Judged, Verdict},
    summary::{Summary, Times},
};

pub(super) fn report(judged: &[Judged], summary: &Summary, machine: &str) -> String {
    let verdict = if summary.is_right() {
        format!(
            "All {} runs as expected: no wrong cause, no miss, no false alarm.",
            summary.runs
        )
    } else {
        format!(
            "**{} of {} runs as expected: {}.**",
            summary.right,
            summary.runs,
            summary.mistakes()
        )
    };
    let mut parts = vec![
        machine.to_owned(),
        verdict,
        times(summary),
        NOISE.to_owned(),
        "## Expected and found".to_owned(),
        format!(
            "Rows are what was expected, columns what was found above `info`; the numbers are those of the rows.\n\n{}",
            confusion(judged)
        ),
        "## Each scenario".to_owned(),
        format!(
            "Milliseconds from the symptom to the finding's first revision; negative: before the error.\n\n{}",
            scenarios(judged)
        ),
    ];
    let mistakes: Vec<_> = judged
        .iter()
        .filter(|judged| judged.verdict() != Verdict::Right || judged.is_late())
        .collect();
    if !mistakes.is_empty() {
        let lines: Vec<_> = mistakes.iter().map(|judged| format!("- {}", judged.line())).collect();
        parts.extend(["## Not as it should be".to_owned(), lines.join("\n")]);
    }
    parts.join("\n\n") + "\n"
}

fn times(summary: &Summary) -> String {
    let row = |what: &str, times: &Times, target: i64| {
        [
            what.to_owned(),
            times.len().to_string(),
            shown(times.median()),
            shown(times.worst()),
            target.to_string(),
            times.within(target).to_string(),
        ]
    };
    let header = ["ms from", "findings", "median", "worst", "target", "in time"];
    let (hang, error) = (After::Hang(0).target(), After::Error(0).target());
    let rows = [
        row("the connect or request that hangs", &summary.hangs, hang),
        row("the error", &summary.errors, error),
    ];
    table(header, rows)
}

/// Causes by number, with `nothing` last.
fn confusion(judged: &[Judged]) -> String {
    let expected = judged.iter().filter_map(|judged| judged.case.expected.as_deref());
    let found = judged.iter().flat_map(Judged::counted);
    let mut causes: Vec<_> = expected
        .chain(found)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(Some)
        .collect();
    causes.push(None);
    let count = |row: Option<&str>, column: Option<&str>| {
        let of_row = judged
            .iter()
            .filter(|judged| judged.run.is_ok() && judged.case.expected.as_deref() == row);
        of_row
            .filter(|judged| {
                column.map_or_else(
                    || judged.counted().is_empty(),
                    |cause| judged.counted().contains(&cause),
                )
            })
            .count()
    };
    let numbers: Vec<_> = (1..=causes.len()).map(|number| number.to_string()).collect();
    let rows = numbers.iter().zip(&causes).map(|(number, row)| {
        let cells = causes.iter().map(|column| match count(*row, *column) {
            0 => String::new(),
            count => count.to_string(),
        });
        let head = [number.clone(), row.unwrap_or("nothing").to_owned()];
        head.into_iter().chain(cells).collect::<Vec<_>>()
    });
    let header = ["", "expected"].into_iter().map(str::to_owned);
    table(header.chain(numbers.iter().cloned()).collect::<Vec<_>>(), rows)
}

fn scenarios(judged: &[Judged]) -> String {
    let mut names: Vec<_> = judged.iter().map(|judged| &*judged.case.scenario).collect();
    names.dedup();
    let row = |name: &&str| {
        let runs: Vec<_> = judged.iter().filter(|judged| judged.case.scenario == **name).collect();
        let right = runs.iter().filter(|judged| judged.verdict() == Verdict::Right).count();
        let findings: Vec<_> = runs.iter().filter_map(|judged| judged.expected()).collect();
        let surely: BTreeSet<_> = findings.iter().map(|found| &*found.confidence).collect();
        let after = || findings.iter().filter_map(|found| found.after);
        let times = Times::of(after());
        let target = after().next().map(After::target);
        let taken_back: BTreeSet<_> = runs
            .iter()
            .filter_map(|judged| judged.run.as_ref().ok())
            .flat_map(|run| &run.taken_back)
            .map(String::as_str)
            .collect();
        let list = |words: BTreeSet<&str>| words.into_iter().collect::<Vec<_>>().join(", ");
        let expected = runs.first().and_then(|judged| judged.case.expected.clone());
        [
            (*name).to_owned(),
            expected.unwrap_or_else(|| "nothing".to_owned()),
            format!("{right} of {}", runs.len()),
            list(surely),
            shown(times.median()),
            shown(times.worst()),
            shown(target),
            list(taken_back),
        ]
    };
    let header = [
        "scenario",
        "expected",
        "right",
        "how surely",
        "median",
        "worst",
        "target",
        "told before, and taken back",
    ];
    table(header, names.iter().map(row))
}

fn shown(millis: Option<i64>) -> String {
    millis.map_or_else(String::new, |millis| millis.to_string())
}

fn table<R: Into<Row>>(header: impl Into<Row>, rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::ASCII_MARKDOWN)
        .set_header(header)
        .add_rows(rows);
    table.to_string()
}

const NOISE: &str = "The clock of an application runs on while others use its processor: what else the machine does, and \
runs beside each other, add to the times.";

#[cfg(test)]
mod tests {
    use super::{
        super::judged::{HANG_AFTER, tests::judged},
        *,
    };

    #[test]
    fn the_tables_show_what_was_taken_for_what() {
        let all = [
            judged(Some("a"), &[("a", false)], Some(After::Hang(HANG_AFTER + 7))),
            judged(Some("a"), &[("b", false)], None),
            judged(None, &[], None),
        ];
        let summary = Summary::of(&all);
        let text = report(&all, &summary, "Linux.");
        for line in [
            "**2 of 3 runs as expected: 1 wrong causes, 0 missed, 0 false alarms, 0 could not be run.**",
            "|   | expected | 1 | 2 | 3 |",
            "| 1 | a        | 1 | 1 |   |",
            "| 3 | nothing  |   |   | 1 |",
            "- a, nft, ipv4: Wrong: expected a, found b",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(
            text.contains("| a        | a        | 1 of 2 | proved     | 3007"),
            "{text}"
        );
    }
}
