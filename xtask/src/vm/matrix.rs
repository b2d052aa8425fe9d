//! The matrix as a table, what of it is a failure, and the document that keeps it.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    cell::{Report, Rung},
    kernel::LINES,
    results::Verdict,
};

/// Kernels that could not be had, each with the reason.
pub(super) type Absent = BTreeMap<&'static str, String>;

/// What the cells showed that must not be, a line each.
pub(super) fn problems(reports: &[Report]) -> Vec<String> {
    reports.iter().flat_map(problems_of).collect()
}

fn problems_of(report: &Report) -> Vec<String> {
    let cell = format!("{} {}", report.label, report.rung.name());
    let mut problems = report
        .problem
        .iter()
        .map(|problem| format!("{cell}: {problem}"))
        .collect::<Vec<_>>();
    for ((program, test), verdict) in &report.verdicts {
        let known = KNOWN.iter().any(|known| known.is_about(report, test));
        let what = match verdict {
            Verdict::Failed if !known => "failed",
            Verdict::Missing if !known => "did not run",
            Verdict::Passed | Verdict::Failed | Verdict::Missing => continue,
        };
        let complaint = report.complaints.get(&(program.clone(), test.clone()));
        let complaint = complaint.map_or(String::new(), |complaint| format!(": {complaint}"));
        problems.push(format!("{cell}: {program} {test} {what}{complaint}"));
    }
    if report.verdicts.is_empty() {
        problems.push(format!("{cell}: no test was chosen"));
    }
    problems
}

/// A row for each kernel, a column for each rung.
pub(super) fn table(reports: &[Report]) -> String {
    let mut table = String::from("| kernel | Debian's version |");
    for rung in Rung::ALL {
        let _ = write!(table, " {} |", rung.name());
    }
    table.push_str("\n|---|---|---|---|---|\n");
    let by_label = LINES.iter().map(|line| {
        let of_line = reports.iter().filter(|report| report.label == line.label);
        (line.label, of_line.collect::<Vec<_>>())
    });
    for (label, row) in by_label.filter(|(_, row)| !row.is_empty()) {
        let version = row.first().map_or("", |report| report.version.as_str());
        let _ = write!(table, "| {label} | {version} |");
        for rung in Rung::ALL {
            let cell = row.iter().find(|report| report.rung == rung);
            let _ = write!(
                table,
                " {} |",
                cell.map_or("not run".to_owned(), |report| summary(report))
            );
        }
        table.push('\n');
    }
    table
}

/// Such as `36 of 37 (1 known)`.
pub(super) fn summary(report: &Report) -> String {
    let passed = report
        .verdicts
        .values()
        .filter(|verdict| **verdict == Verdict::Passed)
        .count();
    let bad = report
        .verdicts
        .iter()
        .filter(|(_, verdict)| **verdict != Verdict::Passed);
    let known = bad
        .filter(|((_, test), _)| KNOWN.iter().any(|known| known.is_about(report, test)))
        .count();
    let all = report.verdicts.len();
    match (known, &report.problem) {
        (_, Some(_)) => format!("{passed} of {all}, the guest broke off"),
        (0, None) => format!("{passed} of {all}"),
        (known, None) => format!("{passed} of {all} ({known} known)"),
    }
}

/// docs/matrix.md.
pub(super) fn document(date: &str, reports: &[Report], absent: &Absent) -> String {
    let mut text = format!("{HEAD}\nRun on {date}.\n\n{}", table(reports));
    // The reasons may name a mirror.
    for label in absent.keys() {
        let _ = writeln!(text, "\nKernel {label} could not be had.");
    }
    let problems = problems(reports);
    if !problems.is_empty() {
        text.push_str("\n## Failures\n");
        for problem in problems {
            let _ = writeln!(text, "- {problem}");
        }
    }
    if !KNOWN.is_empty() {
        text.push_str("\n## Known limits\n");
        for known in KNOWN {
            let _ = writeln!(
                text,
                "- {} {}, `{}`: {}",
                known.label,
                known.rung.name(),
                known.test,
                known.reason
            );
        }
    }
    text.push_str("\n## How each hook was attached\n");
    for report in reports {
        let _ = write!(
            text,
            "\n{} {}:\n```\n{}\n```\n",
            report.label,
            report.rung.name(),
            report.probes.trim_end()
        );
    }
    text
}

/// A test that cannot pass in a cell. Whatever else does not pass fails the run.
struct Known {
    label: &'static str,
    rung: Rung,
    /// What the test's name contains.
    test: &'static str,
    reason: &'static str,
}

impl Known {
    fn is_about(&self, report: &Report, test: &str) -> bool {
        self.label == report.label && self.rung == report.rung && test.contains(self.test)
    }
}

const KNOWN: &[Known] = &[
    Known {
        label: "5.10",
        rung: Rung::Best,
        test: "a_refused_connects_entry_ends_with_its_end",
        reason: UNSEEN_END,
    },
    Known {
        label: "5.10",
        rung: Rung::Kprobe,
        test: "a_refused_connects_entry_ends_with_its_end",
        reason: UNSEEN_END,
    },
    Known {
        label: "newest",
        rung: Rung::Best,
        test: "a_refused_connects_entry_ends_with_its_end",
        reason: UNSEEN_END,
    },
    Known {
        label: "newest",
        rung: Rung::Kprobe,
        test: "a_refused_connects_entry_ends_with_its_end",
        reason: UNSEEN_END,
    },
];
const UNSEEN_END: &str = "where conntrack itself deletes an entry, this build does not pass the entry of nf_ct_delete";
const HEAD: &str = "# Kernels

The live tests on real Debian kernels, as `cargo xtask vm --all` ran them under QEMU and wrote this file. A cell is a
kernel with the hooks that the program was allowed: the best that the kernel has, kprobes but no trampolines, or neither
of them. It shows how many of its tests passed.
";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report(verdicts: &[(&str, Verdict)]) -> Report {
        let verdicts = verdicts
            .iter()
            .map(|&(test, verdict)| (("scenarios".to_owned(), test.to_owned()), verdict));
        Report {
            label: "6.1",
            version: "6.1.176-1".to_owned(),
            rung: Rung::Kprobe,
            verdicts: verdicts.collect(),
            complaints: BTreeMap::from([(("scenarios".to_owned(), "b".to_owned()), "no finding".to_owned())]),
            probes: "tcp_connect kprobe".to_owned(),
            took: Duration::from_secs(1),
            problem: None,
        }
    }

    #[test]
    fn a_failed_test_and_one_that_did_not_run_are_problems() {
        let report = report(&[("a", Verdict::Passed), ("b", Verdict::Failed), ("c", Verdict::Missing)]);
        assert_eq!(
            problems(&[report]),
            [
                "6.1 kprobe: scenarios b failed: no finding",
                "6.1 kprobe: scenarios c did not run"
            ]
        );
    }

    #[test]
    fn a_cell_without_tests_and_a_guest_that_broke_off_are_problems() {
        let mut report = report(&[]);
        report.problem = Some("no end within 1 s".to_owned());
        assert_eq!(
            problems(&[report]),
            ["6.1 kprobe: no end within 1 s", "6.1 kprobe: no test was chosen"]
        );
    }

    #[test]
    fn the_table_has_a_row_for_each_kernel_and_a_column_for_each_rung() {
        let table = table(&[report(&[("a", Verdict::Passed), ("b", Verdict::Failed)])]);
        assert_eq!(
            table,
            "| kernel | Debian's version | best | kprobe | tracepoint |\n|---|---|---|---|---|\n\
             | 6.1 | 6.1.176-1 | not run | 1 of 2 | not run |\n"
        );
    }

    #[test]
    fn the_document_says_when_and_what_was_absent() {
        let absent = BTreeMap::from([("newest", "no network".to_owned())]);
        let text = document("2026-03-04", &[report(&[("a", Verdict::Passed)])], &absent);
        assert!(text.contains("Run on 2026-03-04."), "{text}");
        assert!(text.contains("Kernel newest could not be had."), "{text}");
        assert!(!text.contains("no network"), "{text}");
        assert!(text.contains("6.1 kprobe:\n```\ntcp_connect kprobe\n```"), "{text}");
        assert!(!text.contains("## Failures"), "{text}");
    }
}
