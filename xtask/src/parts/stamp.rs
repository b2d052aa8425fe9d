//! What each part covered when it last passed: a line a part in `.ci/parts`, its name and a digest of the files.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::Context as _;

use super::Part;
use crate::{process::required_output_of, workspace::Workspace};

/// Whether the part passed with the files as they are.
pub(super) fn is_kept(workspace: &Workspace, part: &Part) -> anyhow::Result<bool> {
    Ok(read(workspace).get(part.name) == Some(&digest(workspace, part)?))
}

/// Remembers that it passed.
pub(super) fn keep(workspace: &Workspace, part: &Part) -> anyhow::Result<()> {
    let mut all = read(workspace);
    all.insert(part.name.to_owned(), digest(workspace, part)?);
    let lines = all.iter().map(|(name, digest)| format!("{name} {digest}\n"));
    let path = workspace.root.join(FILE);
    fs::write(&path, lines.collect::<String>()).with_context(|| format!("cannot write {}", path.display()))
}

fn read(workspace: &Workspace) -> BTreeMap<String, String> {
    let text = fs::read_to_string(workspace.root.join(FILE)).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs
        .map(|(name, digest)| (name.to_owned(), digest.to_owned()))
        .collect()
}

/// Git's name of the contents of all files that the part covers, and of the part itself.
fn digest(workspace: &Workspace, part: &Part) -> anyhow::Result<String> {
    let mut own = format!("xtask/src/parts/{}.rs", part.name);
    if !workspace.root.join(&own).exists() {
        own = format!("xtask/src/parts/{}", part.name);
    }
    let paths = part.covers.iter().copied().chain([own.as_str(), "Cargo.lock"]);
    let mut files = Vec::new();
    for path in paths {
        collect(&workspace.root.join(path), &mut files)?;
    }
    files.sort();
    let mut git = Command::new("git");
    git.args(["hash-object", "--"])
        .args(&files)
        .current_dir(&workspace.root);
    let hashes = required_output_of(&mut git)?;
    let list = workspace.target.join("parts-digest");
    let lines = files.iter().zip(hashes.lines()).map(|(file, hash)| {
        let inside = Path::new(file).strip_prefix(&workspace.root).unwrap_or(Path::new(file));
        format!("{hash} {}\n", inside.display())
    });
    fs::create_dir_all(&workspace.target)?;
    fs::write(&list, lines.collect::<String>())?;
    let mut git = Command::new("git");
    git.arg("hash-object").arg(&list).current_dir(&workspace.root);
    Ok(required_output_of(&mut git)?.trim().to_owned())
}

fn collect(path: &Path, files: &mut Vec<String>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_str().context("a path is not UTF-8")?.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

const FILE: &str = ".ci/parts";
