//! `cargo xtask fuzz`: builds the decoders with coverage and runs libFuzzer on each target's corpus.
//!
//! Works with the stable compiler: what cargo-fuzz asks a nightly for (sanitizers) safe code has little use for.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::{
    parallel,
    process::{find_program, run},
    setup::{Need, install, setup},
    workspace::Workspace,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Only these targets; all, if none is given
    targets: Vec<String>,
    /// How long each one runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

pub(crate) fn fuzz(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    setup(workspace)?;
    if find_program("c++").is_none() {
        install(&[COMPILER])?;
    }
    let table = workspace.root.join(FOLDER).join("targets.rs");
    let known = names(&fs::read_to_string(&table).with_context(|| format!("cannot read {}", table.display()))?);
    if let Some(unknown) = options.targets.iter().find(|target| !known.contains(target)) {
        bail!("there is no fuzz target `{unknown}`; there are: {}", known.join(", "));
    }
    let chosen = if options.targets.is_empty() {
        known
    } else {
        options.targets.clone()
    };
    let program = build(workspace)?;
    let seconds = options.seconds;
    parallel::each(&chosen, |target| {
        let report = run_target(workspace, &program, target, seconds);
        let report = report.with_context(|| format!("fuzz target {target}"))?;
        println!("fuzz: {target} for {seconds} s\n{report}");
        Ok(())
    })?;
    Ok(())
}

/// A quick look, for every change.
pub(crate) fn ci(workspace: &Workspace) -> anyhow::Result<()> {
    let options = Options {
        targets: Vec::new(),
        seconds: 10,
    };
    fuzz(workspace, &options)
}

fn build(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let folder = workspace.target.join("fuzz");
    let mut cargo = workspace.cargo();
    cargo
        .args(["build", "--locked", "--package", "tracer-user", "--bin", "fuzz"])
        .args(["--features", "fuzz", "--profile", "fuzz"])
        // A named platform keeps the flags away from build scripts.
        .args(["--target", TRIPLE])
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", FLAGS.join(" "));
    run(&mut cargo)?;
    Ok(folder.join(TRIPLE).join("fuzz/fuzz"))
}

/// New inputs go to `target`, the corpus under version control is only read. Returns what the fuzzer counted.
fn run_target(workspace: &Workspace, program: &PathBuf, target: &str, seconds: u32) -> anyhow::Result<String> {
    let seeds = workspace.root.join(FOLDER).join("corpus").join(target);
    if !seeds.is_dir() {
        bail!("it has no corpus: {} is not there", seeds.display());
    }
    let found = workspace.target.join("fuzz/found").join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot create {}", found.display()))?;
    let mut command = Command::new(program);
    command
        .env("FUZZ_TARGET", target)
        .current_dir(&workspace.target)
        .args([&found, &seeds])
        .args(LIMITS)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", found.display()));
    let output = command.output().context("cannot start the fuzzer")?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}\n{}", output.status, last_lines(&report, 60));
    }
    let counts = report.lines().filter_map(|line| line.strip_prefix("stat::"));
    Ok(counts
        .map(|line| format!("fuzz:   {line}"))
        .collect::<Vec<_>>()
        .join("\n"))
}

/// libFuzzer ends its report with what went wrong and where it put the input.
fn last_lines(text: &str, count: usize) -> String {
    let lines = text.lines().collect::<Vec<_>>();
    let begin = lines.len().saturating_sub(count);
    lines.get(begin..).unwrap_or_default().join("\n")
}

/// The names in the table of targets, `("name", …`, up to its end.
fn names(table: &str) -> Vec<String> {
    let lines = table.lines().take_while(|line| *line != "];").map(str::trim);
    lines
        .filter_map(|line| Some(line.strip_prefix("(\"")?.split_once('"')?.0.to_owned()))
        .collect()
}

const COMPILER: Need = Need {
    package: "g++",
    why: "compiles libFuzzer",
};
const FOLDER: &str = "tracer-user/fuzz";
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// libFuzzer's coverage, as cargo-fuzz asks for it.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
    "-Dwarnings",
];
/// Memory in MiB, one input's seconds, its bytes, and a short report.
const LIMITS: [&str; 5] = [
    "-rss_limit_mb=2048",
    "-timeout=10",
    "-max_len=65536",
    "-print_final_stats=1",
    "-verbosity=0",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_from_their_table() {
        let table = "    (\"a\", |b| x(b)),\n(\"b-c\", f),\nother\n];\n    (\"no target\", 1),";
        assert_eq!(names(table), ["a", "b-c"]);
    }
}
