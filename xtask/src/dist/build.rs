//! Builds the static programs, each by the compiler that has a library for it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::json;

use super::platform::Platform;
use crate::{
    cross,
    process::{Exit, run},
    workspace::Workspace,
};

/// Builds conntracer for a platform; returns where it is.
pub(super) fn build(workspace: &Workspace, platform: &Platform) -> anyhow::Result<PathBuf> {
    println!("dist: building for {}", platform.name);
    let (mut cargo, target) = if platform.is_native() {
        let mut cargo = workspace.cargo();
        cargo.args(VERB).args(["--target", platform.target]);
        (cargo, workspace.target.clone())
    } else if platform.target == cross::TARGET {
        (cross::cargo(workspace, &VERB), workspace.target.join("arm64"))
    } else {
        let advice = "both programs are built on x86_64; here, add `--only aarch64`";
        return Err(Exit::not_possible(advice));
    };
    cargo.args(["--config", &flags(workspace, platform)?]);
    run(&mut cargo)?;
    Ok(target.join(platform.target).join(PROFILE).join("conntracer"))
}

/// The compiler's flags, as a line of cargo's configuration: with the C library linked in, and without the paths of
/// this machine in messages, so that another one builds the same.
fn flags(workspace: &Workspace, platform: &Platform) -> anyhow::Result<String> {
    let mut paths = vec![(cargo_home()?, "/cargo"), (workspace.root.clone(), "/conntracer")];
    if !platform.is_native() {
        // The standard library is built, too; the other compiler's own has no path of this machine in it.
        let toolchain = fs::canonicalize(workspace.tools().join("toolchain"));
        paths.push((toolchain.context("no toolchain; run `cargo xtask setup`")?, "/rust"));
    }
    let mut flags = vec!["-C".to_owned(), "target-feature=+crt-static".to_owned()];
    for (from, to) in paths {
        flags.push(remap(&from, to)?);
    }
    // JSON's strings are TOML's too.
    Ok(format!("target.{}.rustflags={}", platform.target, json!(flags)))
}

fn remap(from: &Path, to: &str) -> anyhow::Result<String> {
    let from = from
        .to_str()
        .context("a path that the compiler is to forget is not UTF-8")?;
    Ok(format!("--remap-path-prefix={from}={to}"))
}

fn cargo_home() -> anyhow::Result<PathBuf> {
    let own = env::var_os("CARGO_HOME").map(PathBuf::from);
    own.or_else(|| Some(env::home_dir()?.join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")
}

/// The profile of Cargo.toml, and so the folder.
const PROFILE: &str = "shipped";
const VERB: [&str; 8] = [
    "build",
    "--profile",
    PROFILE,
    "--locked",
    "--package",
    "tracer-user",
    "--bin",
    "conntracer",
];
