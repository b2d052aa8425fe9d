//! What goes into an archive, beside the program: the texts, the manual, completions, and the unit for systemd.

use std::{fs, path::Path, process::Command};

use anyhow::Context as _;

use super::{notices::notices, platform::Platform, tree::Tree};
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

/// The licences of the program and of all that is linked into it.
pub(super) fn licences(workspace: &Workspace, platform: &Platform) -> anyhow::Result<Tree> {
    let mut tree = Tree::default();
    for name in LICENCES {
        tree.file(name, read(&workspace.root.join(name))?);
    }
    tree.file("THIRD-PARTY.txt", notices(workspace, platform)?);
    Ok(tree)
}

/// The files of a platform's archive.
pub(super) fn archive(
    workspace: &Workspace,
    program: &[u8],
    licences: &Tree,
    printed: &Printed,
) -> anyhow::Result<Tree> {
    let mut tree = Tree::default();
    for name in TEXTS {
        tree.file(name, read(&workspace.root.join(name))?);
    }
    let systemd = workspace.root.join("deploy/systemd");
    if systemd.is_dir() {
        tree.folder("systemd", &systemd)?;
    }
    tree.program("conntracer", program);
    tree.add(licences);
    tree.add(&printed.0);
    Ok(tree)
}

/// The files of the image.
pub(super) fn layer(program: &[u8], licences: Tree) -> Tree {
    let mut tree = licences.within("licenses");
    tree.program("conntracer", program);
    tree
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Shells, and what their completion's file is called.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "conntracer.bash"),
    ("fish", "conntracer.fish"),
    ("zsh", "_conntracer"),
];
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
const TEXTS: [&str; 2] = ["CHANGELOG.md", "README.md"];
