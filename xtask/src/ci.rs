//! `cargo xtask ci`: every check that a change has to pass, quick ones first, each with its duration.
//!
//! It leaves the machine as it found it, but for the packages that setup installs.

use std::time::{Duration, Instant};

use crate::{
    fuzz, leftovers::Snapshot, licences::licences, parts, process::run, setup::setup, test::test, tidy::tidy,
    workspace::Workspace,
};

pub(crate) fn ci(workspace: &Workspace) -> anyhow::Result<()> {
    let begin = Instant::now();
    let before = Snapshot::take();
    for (name, step) in STEPS {
        println!("ci: {name}");
        let start = Instant::now();
        let outcome = step(workspace);
        let how = if outcome.is_ok() { "passed" } else { "FAILED" };
        println!("ci: {name}: {how} after {}", shown(start.elapsed()));
        outcome?;
    }
    before
        .compare_with_now()
        .inspect_err(|_| println!("ci: the machine is not as it was found"))?;
    println!(
        "ci: all passed after {}; nothing left behind but what setup installed",
        shown(begin.elapsed())
    );
    Ok(())
}

fn formatting(workspace: &Workspace) -> anyhow::Result<()> {
    run(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> anyhow::Result<()> {
    let all = [
        "clippy",
        "--workspace",
        "--exclude",
        "tracer-ebpf",
        "--all-targets",
        // What only parts and guests run is no default target.
        "--test",
        "containers",
        "--test",
        "guest",
        "--test",
        "served",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    run(workspace.cargo().args(all))
}

/// The eBPF crate has no panic handler that unwinds, so the host checks it as a crate that aborts. The compiler that
/// builds it for its own target may come without clippy.
fn clippy_of_ebpf(workspace: &Workspace) -> anyhow::Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "clippy",
        "--package",
        "tracer-ebpf",
        "--locked",
        "--config",
        "profile.dev.panic=\"abort\"",
    ]);
    cargo.arg("--target-dir").arg(workspace.target.join("ebpf-clippy"));
    run(cargo.args(["--", "-D", "warnings"]))
}

fn all_tests(workspace: &Workspace) -> anyhow::Result<()> {
    test(workspace, &[])
}

fn locked_build(workspace: &Workspace) -> anyhow::Result<()> {
    run(workspace.cargo().args(["build", "--release", "--locked"]))
}

fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

type Step = fn(&Workspace) -> anyhow::Result<()>;

const STEPS: [(&str, Step); 10] = [
    ("setup", setup),
    ("formatting", formatting),
    ("tidy", tidy),
    ("licences", licences),
    ("clippy", clippy),
    ("clippy of the eBPF programs", clippy_of_ebpf),
    ("tests (cargo xtask test)", all_tests),
    ("heavy tests of what changed (cargo xtask test --parts)", parts::changed),
    ("release build with --locked", locked_build),
    ("fuzz targets, 10 s each (cargo xtask fuzz)", fuzz::ci),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_seconds_or_in_minutes() {
        assert_eq!(shown(Duration::from_millis(1540)), "1.5 s");
        assert_eq!(shown(Duration::from_secs(754)), "12 min 34 s");
    }
}
