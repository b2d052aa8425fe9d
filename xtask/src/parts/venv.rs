//! Programs of PyPI, in folders of their own under `target/tools`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{
    process::{output_of, run},
    setup::{Need, install},
    workspace::Workspace,
};

/// Makes a virtual environment of that name with what the file of requirements names, if it is not there yet, and gives
/// its interpreter.
pub(super) fn venv(workspace: &Workspace, name: &str, requirements: &Path) -> anyhow::Result<PathBuf> {
    let folder = workspace.tools().join(name);
    let python = folder.join("bin/python");
    let wanted = fs::read(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let kept = folder.join("requirements.txt");
    if fs::read(&kept).is_ok_and(|has| has == wanted) {
        return Ok(python);
    }
    if output_of(Command::new("python3").args(["-c", "import ensurepip"])).is_none() {
        install(&[NEED])?;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    run(pip.arg(requirements))?;
    // Last: an installation that broke off is made again.
    fs::write(&kept, wanted).with_context(|| format!("cannot write {}", kept.display()))?;
    Ok(python)
}

const NEED: Need = Need {
    package: "python3-venv",
    why: "`python3 -m venv`: the tools of tests that come from PyPI",
};
