//! `cargo xtask run`: builds conntracer as the user who asks, then runs it as root.
//!
//! Only the program itself is elevated, so no file under `target/` ever belongs to root.

use std::{ffi::OsString, process::Command};

use crate::{
    elevate::{self, Access},
    process::{replace_with, run},
    setup::setup,
    workspace::Workspace,
};

pub(crate) fn build_and_run(workspace: &Workspace, args: &[OsString]) -> anyhow::Result<()> {
    let access = elevate::access("`conntracer` needs root to load its eBPF programs")?;
    setup(workspace)?;
    run(workspace.cargo().args([
        "build",
        "--release",
        "--locked",
        "--package",
        "tracer-user",
        "--bin",
        "conntracer",
    ]))?;
    let program = workspace.target.join("release/conntracer");
    let mut command = match access {
        Access::Root => Command::new(program),
        Access::Sudo(sudo) => {
            let mut command = Command::new(sudo);
            command.arg("--").arg(program);
            command
        }
    };
    Err(replace_with(command.args(args)))
}
