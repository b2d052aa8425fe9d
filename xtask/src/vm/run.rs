//! Runs cells, as many at once as there are processors, and tells how each went.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs,
    path::Path,
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, bail};

use super::{
    arch::Arch,
    cell::{Bench, Plan, Report, Rung},
    kernel::{self, Kernel, Line},
    matrix::{self, Absent},
    plan,
    programs::Programs,
};
use crate::{parallel, process::required_output_of, workspace::Workspace};

/// What to run, and how much of it.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) cells: Vec<(&'static Line, Rung)>,
    /// Only tests with one of these in their names, in all forms.
    pub(super) names: Vec<String>,
    /// Whether to look for newer kernels, and to write the document.
    pub(super) whole: bool,
    /// Every form of each scenario.
    pub(super) forms: bool,
    /// Each scenario in one of the cells only.
    pub(super) shared: bool,
}

pub(super) fn run(workspace: &Workspace, order: &Order) -> anyhow::Result<()> {
    let start = Instant::now();
    let (kernels, absent) = kernels(order)?;
    let scratch = workspace.target.join("vm");
    let mut benches = BTreeMap::new();
    for &(line, _) in &order.cells {
        if let (Entry::Vacant(entry), true) = (benches.entry(line.arch), kernels.contains_key(line.label)) {
            entry.insert(Bench::new(workspace, line.arch, &scratch)?);
        }
    }
    // A guest waits most of its time.
    let cells: Vec<_> = order.cells.iter().enumerate().collect();
    let reports = parallel::each(&cells, |&(number, &(line, rung))| {
        let (Some(kernel), Some(bench)) = (kernels.get(line.label), benches.get(&line.arch)) else {
            return Ok(None);
        };
        let plan = plan(&bench.programs, order, line.arch, number)?;
        let folder = scratch.join(format!("{}-{}", line.label, rung.name()));
        let report = bench.run(kernel, rung, &plan, &folder)?;
        tell(&report, &folder);
        Ok(Some(report))
    })?;
    let reports: Vec<_> = reports.into_iter().flatten().collect();
    println!("\n{}", matrix::table(&reports));
    if order.whole {
        let file = workspace.root.join(DOCUMENT);
        let date = required_output_of(Command::new("date").args(["-u", "+%F"]))?;
        let text = matrix::document(date.trim(), &reports, &absent);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("vm: written to {DOCUMENT}");
    }
    judge(&reports, &absent)?;
    println!(
        "vm: {} cells as they should be after {} s",
        reports.len(),
        start.elapsed().as_secs()
    );
    Ok(())
}

/// Every kernel that is asked for, and why one could not be had.
fn kernels(order: &Order) -> anyhow::Result<(BTreeMap<&'static str, Kernel>, Absent)> {
    let (mut found, mut absent) = (BTreeMap::new(), Absent::new());
    for (line, _) in &order.cells {
        if found.contains_key(line.label) || absent.contains_key(line.label) {
            continue;
        }
        let kernel = if order.whole {
            kernel::newest(line)
        } else {
            kernel::get(line)
        };
        match kernel {
            Ok(kernel) => drop(found.insert(line.label, kernel)),
            Err(error) if order.whole => drop(absent.insert(line.label, format!("{error:#}"))),
            Err(error) => return Err(error),
        }
    }
    Ok((found, absent))
}

/// The tests of a cell: chosen by name, else every form where that is asked for, else one form of each scenario.
fn plan(programs: &Programs, order: &Order, arch: Arch, cell: usize) -> anyhow::Result<Plan> {
    if arch != Arch::native()? {
        return Ok(plan::foreign(&order.names));
    }
    let mut plan = Plan::new();
    for name in programs.tests.keys() {
        let tests = plan::matching(&programs.list(name)?, &order.names);
        let short = name == SCENARIOS && order.names.is_empty() && !order.forms;
        plan.insert(
            name.clone(),
            if short {
                let each = plan::one_form_each(&tests, cell);
                if order.shared {
                    plan::share(each, cell, order.cells.len())
                } else {
                    each
                }
            } else {
                tests
            },
        );
    }
    Ok(plan)
}

fn tell(report: &Report, folder: &Path) {
    println!("{}", report.probes.trim_end());
    for problem in matrix::problems(std::slice::from_ref(report)) {
        println!("vm: {problem}");
    }
    println!(
        "vm: kernel {}, rung {}: {} after {} s; outputs are in {}",
        report.label,
        report.rung.name(),
        matrix::summary(report),
        report.took.as_secs(),
        folder.display()
    );
}

fn judge(reports: &[Report], absent: &Absent) -> anyhow::Result<()> {
    let absent = absent
        .iter()
        .map(|(label, reason)| format!("kernel {label} could not be had: {reason}"));
    let problems = absent.chain(matrix::problems(reports)).collect::<Vec<_>>();
    if !problems.is_empty() {
        bail!(
            "the kernels do not all show what they should:\n  {}",
            problems.join("\n  ")
        );
    }
    Ok(())
}

/// The tests that come in many forms.
const SCENARIOS: &str = "scenarios";
const DOCUMENT: &str = "docs/matrix.md";
