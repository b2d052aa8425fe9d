//! Virtual environments of Python below `target/tools`, for parts whose tools come from PyPI.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{
    process::{find_program, output_of, required_output_of},
    setup::{Need, install},
    workspace::Workspace,
};

/// The folder of an environment with these packages, made where it is not there yet with all of them.
pub(super) fn environment(workspace: &Workspace, name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = workspace.tools().join(name);
    let list = packages.join("\n");
    let installed = folder.join("packages.txt");
    if fs::read_to_string(&installed).is_ok_and(|there| there == list) {
        return Ok(folder);
    }
    install_python()?;
    println!("parts: installing {} from PyPI", packages.join(", "));
    required_output_of(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    required_output_of(pip(&folder).args(["install", "--quiet"]).args(packages))?;
    fs::write(&installed, list).with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(folder)
}

/// pip of an environment.
pub(super) fn pip(environment: &Path) -> Command {
    let mut pip = python(environment);
    pip.args(["-m", "pip", "--disable-pip-version-check"]);
    pip
}

/// Python of an environment.
pub(super) fn python(environment: &Path) -> Command {
    Command::new(environment.join("bin/python"))
}

fn install_python() -> anyhow::Result<()> {
    let has_python = find_program("python3").is_some();
    if has_python && output_of(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_some() {
        return Ok(());
    }
    install(&[Need {
        package: "python3-venv",
        why: "environments for the tools from PyPI",
    }])
}
