//! The licences of everything that is linked into the program, with their texts, as most of them ask for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use anyhow::Context as _;
use serde_json::Value;

use super::platform::Platform;
use crate::{process::required_output_of, workspace::Workspace};

/// The text for a platform's archive.
pub(super) fn notices(workspace: &Workspace, platform: &Platform) -> anyhow::Result<String> {
    let folders = folders(workspace, platform)?;
    let mut text = HEAD.to_owned();
    let mut texts = BTreeMap::<String, BTreeSet<String>>::new();
    for (name, licence) in linked(workspace, platform)? {
        let Some(folder) = folders.get(&name) else {
            continue;
        };
        writeln!(text, "{name}: {licence}")?;
        for licence in licence_texts(Path::new(folder))? {
            texts.entry(licence).or_default().insert(name.clone());
        }
    }
    for (licence, names) in texts {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        writeln!(text, "\n{RULE}\n{names}\n\n{licence}")?;
    }
    for path in C_LIBRARY {
        let licence =
            fs::read_to_string(path).with_context(|| format!("cannot read {path}, the C library's licence"))?;
        writeln!(text, "\n{RULE}\nGNU C Library\n\n{licence}")?;
    }
    Ok(text)
}

/// The crates that are linked in, as `name version`, and what licence they declare.
fn linked(workspace: &Workspace, platform: &Platform) -> anyhow::Result<BTreeMap<String, String>> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "tree",
        "--locked",
        "--package",
        "tracer-user",
        "--edges",
        "normal,no-proc-macro",
    ]);
    cargo.args(["--prefix", "none", "--format", "{p}|{l}", "--target", platform.target]);
    let list = required_output_of(&mut cargo)?;
    Ok(list.lines().filter_map(name_and_licence).collect())
}

/// Reads a line such as `anyhow v1.0.0|MIT OR Apache-2.0`, where a place in parentheses may follow the version.
fn name_and_licence(line: &str) -> Option<(String, String)> {
    let (package, licence) = line.split_once('|')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some((format!("{name} {version}"), licence.trim_end_matches(" (*)").to_owned()))
}

/// Where the sources of all crates of others are, by `name version`.
fn folders(workspace: &Workspace, platform: &Platform) -> anyhow::Result<BTreeMap<String, String>> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        platform.target,
    ]);
    let metadata: Value = serde_json::from_str(&required_output_of(&mut cargo)?)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let of_others = packages.iter().filter(|package| !package["source"].is_null());
    Ok(of_others.filter_map(name_and_folder).collect())
}

fn name_and_folder(package: &Value) -> Option<(String, String)> {
    let word = |field: &str| package[field].as_str();
    let folder = word("manifest_path")?.strip_suffix("/Cargo.toml")?;
    Some((format!("{} {}", word("name")?, word("version")?), folder.to_owned()))
}

fn licence_texts(folder: &Path) -> anyhow::Result<Vec<String>> {
    let unreadable = || format!("cannot read {}", folder.display());
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if entry.path().is_file() && NAMES.iter().any(|start| name.starts_with(start)) {
            texts.push(
                fs::read_to_string(entry.path())
                    .with_context(unreadable)?
                    .trim()
                    .to_owned(),
            );
        }
    }
    Ok(texts)
}

const NAMES: [&str; 6] = ["copying", "copyright", "licence", "license", "notice", "unlicense"];
/// As Debian keeps them, from whose packages it is linked.
const C_LIBRARY: [&str; 2] = ["/usr/share/doc/libc6/copyright", "/usr/share/common-licenses/LGPL-2.1"];
const RULE: &str = "--------------------------------------------------------------------------------";
const HEAD: &str = "\
conntracer is under MIT OR Apache-2.0. Linked into its static program are:

- Rust's standard library: MIT OR Apache-2.0
- GCC's run-time library: GPL-3.0-or-later WITH GCC-exception-3.1
- the GNU C Library: LGPL-2.1-or-later. conntracer's source, with which `cargo xtask dist` links it to another version
  of that library, is where you got this archive from
- these crates, whose texts follow:

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_read_from_cargos_tree_with_or_without_its_place() {
        let pair = |name: &str, licence: &str| Some((name.to_owned(), licence.to_owned()));
        assert_eq!(name_and_licence("anyhow v1.0.9|MIT"), pair("anyhow 1.0.9", "MIT"));
        assert_eq!(
            name_and_licence("own v0.1.0 (/a b)|MIT OR Apache-2.0 (*)"),
            pair("own 0.1.0", "MIT OR Apache-2.0")
        );
        assert_eq!(name_and_licence(""), None);
    }
}
