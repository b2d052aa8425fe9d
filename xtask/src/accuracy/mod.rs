//! `cargo xtask accuracy`: every scenario of the demo in every form, and what was found against what was to be found.
//!
//! It knows no scenario: `conntracer demo --list --json` tells which there are. Only conntracer is elevated.

mod case;
mod corpus;
mod judged;
mod report;
mod summary;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::{
    elevate::{self, Access},
    process::{output_of, run},
    setup::setup,
    workspace::Workspace,
};
use corpus::Case;
use judged::Judged;
use summary::Summary;

#[derive(Args)]
pub(crate) struct Options {
    /// Also replace docs/accuracy.md
    #[arg(long, conflicts_with_all = ["scenarios", "program"])]
    write: bool,
    /// Fail on a finding that came too late, too
    #[arg(long)]
    strict: bool,
    /// Run so many at once; they mostly wait for the kernel's timers
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Take this conntracer, and build none
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Only these; all, if none is given
    scenarios: Vec<String>,
}

pub(crate) fn accuracy(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let access = elevate::access("making and tracing failures needs root (network namespaces, eBPF)")?;
    let program = match &options.program {
        Some(program) => program.clone(),
        None => build(workspace)?,
    };
    let cases = corpus::cases(&program, &options.scenarios)?;
    let jobs = options.jobs.unwrap_or_else(|| 2 * processors()).max(1);
    println!("{} runs, {jobs} at once", cases.len());
    let judged = run_all(&cases, jobs, |case| {
        let judged = case::run(&elevated(&access, &program), case);
        println!("{}", judged.line());
        judged
    });
    let summary = Summary::of(&judged);
    let text = report::report(&judged, &summary, &machine(jobs));
    println!("\n{text}");
    if options.write {
        let file = workspace.root.join(FILE);
        fs::write(&file, format!("{HEAD}\n{text}")).with_context(|| format!("cannot write {}", file.display()))?;
        println!("written to {FILE}");
    }
    if !summary.is_right() {
        bail!("{}", summary.mistakes());
    }
    if options.strict && summary.late > 0 {
        bail!("{} findings came too late", summary.late);
    }
    Ok(())
}

fn build(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    setup(workspace)?;
    let wanted = ["--package", "tracer-user", "--bin", "conntracer"];
    run(workspace.cargo().args(["build", "--release", "--locked"]).args(wanted))?;
    Ok(workspace.target.join("release/conntracer"))
}

/// Program and first arguments of each run.
fn elevated(access: &Access, program: &Path) -> Vec<OsString> {
    let program = program.as_os_str().to_owned();
    match access {
        Access::Root => vec![program],
        Access::Sudo(sudo) => vec![sudo.as_os_str().to_owned(), "--".into(), program],
    }
}

/// In the order of the cases.
fn run_all(cases: &[Case], jobs: usize, run: impl Fn(&Case) -> Judged + Sync) -> Vec<Judged> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((index, case)) = take(cases, &next) {
                    let judged = run(case);
                    // A panic of another run is its own; what it had done stays.
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, judged));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, judged)| judged).collect()
}

fn take<'a>(cases: &'a [Case], next: &AtomicUsize) -> Option<(usize, &'a Case)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    cases.get(index).map(|case| (index, case))
}

/// What the numbers depend on, in a sentence.
fn machine(jobs: usize) -> String {
    let kernel = output_of(std::process::Command::new("uname").args(["-r", "-m"]));
    let kernel = kernel.unwrap_or_default();
    format!(
        "Linux {}, {} processors, {jobs} runs at once.",
        kernel.trim(),
        processors()
    )
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

const FILE: &str = "docs/accuracy.md";
const HEAD: &str = "# Accuracy

Whether conntracer names the right cause, and how soon: measured by `cargo xtask accuracy --write`, which wrote this
file. It makes every failure and every control of `conntracer demo` in throwaway namespaces, with each rule back end and
address family that it has a form for, and traces it. To measure on your own machine (root, some minutes):

```
cargo xtask accuracy                      # everything
cargo xtask accuracy reply-rejected       # one scenario in its forms
cargo xtask accuracy --strict             # fail on a late finding too
```
";
