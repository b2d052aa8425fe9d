//! The systemd unit, as `systemd-analyze` judges it.

use std::{collections::BTreeSet, fs, process::Command};

use anyhow::{Context as _, ensure};

use crate::{
    process::{find_program, required_output_of},
    setup::{Need, install},
    workspace::Workspace,
};

pub(super) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    if find_program("systemd-analyze").is_none() {
        install(&[Need {
            package: "systemd",
            why: "`systemd-analyze`: judges the unit",
        }])?;
    }
    let text = read(workspace)?;
    let folder = workspace.target.join("manifests");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // The program is not installed on this machine.
    ensure!(text.contains(PROGRAM), "the unit does not start {PROGRAM}");
    let unit = folder.join("conntracer.service");
    fs::write(&unit, text.replace(PROGRAM, "/bin/true"))?;
    required_output_of(verify().arg(&unit))?;
    let wrong = folder.join("conntracer-wrong.service");
    fs::write(
        &wrong,
        text.replace(PROGRAM, "/bin/true")
            .replace("ProtectHome=", "ProtectHomes="),
    )?;
    ensure!(
        required_output_of(verify().arg(&wrong)).is_err(),
        "systemd-analyze verify lets a wrong unit pass"
    );

    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--no-pager", "--offline=true", "--threshold", MOST_EXPOSED]);
    let judged = required_output_of(security.arg(&unit))
        .with_context(|| format!("`systemd-analyze security` gives the unit more than {MOST_EXPOSED} of 100"))?;
    println!("manifests: {}", judged.lines().last().unwrap_or_default());
    Ok(())
}

/// What the unit bounds itself to, without CAP_.
pub(super) fn capabilities(workspace: &Workspace) -> anyhow::Result<BTreeSet<String>> {
    let text = read(workspace)?;
    let bound = text
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let words = bound
        .context("the unit has no CapabilityBoundingSet")?
        .split_whitespace();
    Ok(words.map(|word| word.trim_start_matches("CAP_").to_owned()).collect())
}

fn verify() -> Command {
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]);
    verify
}

fn read(workspace: &Workspace) -> anyhow::Result<String> {
    let path = workspace.root.join("deploy/systemd/conntracer.service");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

const PROGRAM: &str = "/usr/local/bin/conntracer";
/// Of 100, systemd's score times ten, which above this is no longer "OK". Most of ours is what tracing takes.
const MOST_EXPOSED: &str = "50";
