//! `cargo xtask test`: all tests, by plain `cargo test`. Where the user is not root, only the live tests are elevated.
//!
//! Nothing is skipped: tests that cannot run are an error.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::Command,
};

use anyhow::Context as _;

use crate::{
    elevate::{self, Access},
    leftovers,
    process::{replace_with, run},
    setup::setup,
    workspace::Workspace,
};

pub(crate) fn test(workspace: &Workspace, args: &[OsString]) -> anyhow::Result<()> {
    let mut cargo = cargo_test(workspace)?;
    cargo
        .args(["--workspace", "--exclude", "tracer-ebpf"])
        .env(leftovers::MARK, leftovers::mark())
        .env("RUST_TEST_THREADS", threads());
    run(cargo.args(args))
}

/// `cargo xtask soak`: the whole form of the test of that name, of which `test` runs a shortened one.
pub(crate) fn soak(workspace: &Workspace, connections: u32) -> anyhow::Result<()> {
    let mut cargo = cargo_test(workspace)?;
    cargo
        .args(["--package", "tracer-user", "--test", "soak", "--", "--nocapture"])
        .env("CONNTRACER_SOAK_CONNECTIONS", connections.to_string());
    run(&mut cargo)
}

/// `cargo test`, with everything that it needs here.
pub(crate) fn cargo_test(workspace: &Workspace) -> anyhow::Result<Command> {
    let access = elevate::access("the live tests need root (network namespaces, eBPF)")?;
    setup(workspace)?;
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--locked"]);
    if access != Access::Root {
        cargo.arg("--config").arg(runner_setting()?);
    }
    Ok(cargo)
}

/// The live tests mostly wait for timers of the kernel: more of them than processors run at once.
fn threads() -> OsString {
    env::var_os("RUST_TEST_THREADS").unwrap_or_else(|| "8".into())
}

/// Runs one test program, as cargo asks its runner to: with sudo if it is one of the live tests.
pub(crate) fn run_one(program: &OsStr, args: &[OsString]) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    if needs_root(Path::new(program)) {
        command = Command::new("sudo");
        // Without a kept PATH, Rust's own tools and those under target/ would be out of the tests' sight.
        command.args(["-E", "env"]).arg(path_assignment()).arg(program);
    }
    Err(replace_with(command.args(args)))
}

/// Whether a test program, named after its target and a hash, is one of those that trace or make namespaces.
fn needs_root(program: &Path) -> bool {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let target = name.rsplit_once('-').map_or(&*name, |(target, _hash)| target);
    NEEDS_ROOT.contains(&target)
}

fn path_assignment() -> OsString {
    let mut assignment = OsString::from("PATH=");
    assignment.push(env::var_os("PATH").unwrap_or_default());
    assignment
}

/// cargo's `runner` for every target, as a list so that a folder's name may hold a space.
fn runner_setting() -> anyhow::Result<String> {
    let own = env::current_exe().context("the path of this program")?;
    let own = own
        .to_str()
        .context("the path of this program is not UTF-8; move the clone")?;
    Ok(format!("target.'cfg(unix)'.runner=[{own:?}, \"run-one-test\"]"))
}

/// The integration tests of tracer-user that use the real kernel.
const NEEDS_ROOT: &[&str] = &[
    "accounted",
    "agent",
    "audit",
    "census",
    "churn",
    "cleanup",
    "cli",
    "containers",
    "cost",
    "ctnetlink",
    "filters",
    "flood",
    "grpc",
    "inspect",
    "lab",
    "output",
    "ports",
    "privileges",
    "probes",
    "ruletext",
    "rules",
    "scenarios",
    "soak",
    "storm",
    "walk",
    "xtables",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tests_on_the_real_kernel_need_root() {
        assert!(needs_root(Path::new("/x/target/debug/deps/lab-0123456789abcdef")));
        assert!(needs_root(Path::new("deps/probes-0123456789abcdef")));
        assert!(!needs_root(Path::new(
            "/srv/live/target/debug/deps/conntracer-0123456789abcdef"
        )));
    }
}
