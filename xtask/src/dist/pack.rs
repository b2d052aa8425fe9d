//! What goes into an archive, beside the program: the texts, the manual, completions, and the unit for systemd.

use std::{fs, path::Path, process::Command};

use anyhow::Context as _;

use super::{notices::notices, platform::Platform, release::Release, tree::Tree};
use crate::{process::required_output_of, workspace::Workspace};

/// What the program of this machine prints for any other one, too.
#[derive(Debug)]
pub(super) struct Printed(Tree);

impl Printed {
    /// `scratch` is a folder that is made and removed.
    pub(super) fn by(program: &Path, scratch: &Path) -> anyhow::Result<Self> {
        let mut tree = Tree::default();
        for (shell, file) in COMPLETIONS {
            let script = required_output_of(Command::new(program).args(["completions", shell]))?;
            tree.file(&format!("completions/{file}"), script);
        }
        required_output_of(Command::new(program).args(["man", "--out"]).arg(scratch))?;
        tree.folder("man/man8", scratch)?;
        fs::remove_dir_all(scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
        Ok(Self(tree))
    }
}

/// The files of a platform's archive, in one folder.
pub(super) fn archive(
    workspace: &Workspace,
    release: &Release,
    platform: &Platform,
    program: &[u8],
    printed: &Printed,
) -> anyhow::Result<Tree> {
    let mut tree = Tree::default();
    for name in TEXTS {
        let path = workspace.root.join(name);
        tree.file(
            name,
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?,
        );
    }
    tree.file(NOTICES, notices(workspace, platform)?);
    let systemd = workspace.root.join("deploy/systemd");
    if systemd.is_dir() {
        tree.folder("systemd", &systemd)?;
    }
    tree.program("conntracer", program);
    tree.add(&printed.0);
    Ok(tree.within(&release.name(platform.name)))
}

/// The files of the image: the program, and what its licences ask for.
pub(super) fn layer(workspace: &Workspace, platform: &Platform, program: &[u8]) -> anyhow::Result<Tree> {
    let mut tree = Tree::default();
    tree.program("conntracer", program);
    for name in LICENCES {
        let path = workspace.root.join(name);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        tree.file(&format!("licenses/{name}"), text);
    }
    tree.file(&format!("licenses/{NOTICES}"), notices(workspace, platform)?);
    Ok(tree)
}

/// Shells, and what their completion's file is called.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "conntracer.bash"),
    ("fish", "conntracer.fish"),
    ("zsh", "_conntracer"),
];
const TEXTS: [&str; 4] = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
const NOTICES: &str = "THIRD-PARTY.txt";
