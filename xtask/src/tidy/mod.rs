//! `cargo xtask tidy`: the rules of the code that neither rustc nor clippy knows. Each has one table, next to its check.
//!
//! It reads tokens, not types: a rule that needs to know what a name means is not here.

mod attributes;
mod budget;
mod imports;
mod safety;
mod scan;
mod text;

use std::{fmt, fs, path::Path, process::Command};

use anyhow::{Context as _, bail};

use self::scan::Scan;
use crate::{process::required_output_of, workspace::Workspace};

pub(crate) fn tidy(workspace: &Workspace) -> anyhow::Result<()> {
    let crates = imports::external_crates(&read(&workspace.root.join("Cargo.toml"))?);
    let files = tracked_files(workspace)?;
    let mut problems = Vec::new();
    for file in &files {
        // A file that is not text has nothing to check; one that was just removed is not there to read.
        let Ok(text) = fs::read_to_string(workspace.root.join(file)) else {
            continue;
        };
        problems.extend(text::check(file, &text));
        if Path::new(file).extension().is_some_and(|extension| extension == "rs") {
            problems.extend(check_source(file, &text, &crates));
        }
    }
    if !problems.is_empty() {
        let lines = problems.iter().map(Problem::to_string).collect::<Vec<_>>();
        bail!("{} untidy places:\n  {}", lines.len(), lines.join("\n  "));
    }
    println!("tidy: {} files", files.len());
    Ok(())
}

/// A rule that a line of a file breaks.
#[derive(Debug, Eq, PartialEq)]
struct Problem {
    file: String,
    line: usize,
    what: String,
}

impl Problem {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

fn check_source(file: &str, text: &str, crates: &[String]) -> Vec<Problem> {
    let scan = match Scan::of(text) {
        Ok(scan) => scan,
        Err(error) => return vec![Problem::new(file, 1, format!("cannot be read as Rust: {error}"))],
    };
    let mut problems = imports::check(file, &scan, crates);
    problems.extend(budget::check(file, text, &scan));
    problems.extend(safety::check(file, text, &scan));
    problems.extend(attributes::check(file, &scan));
    problems
}

/// All files that git knows or would add.
fn tracked_files(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(&workspace.root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = required_output_of(&mut git)?;
    Ok(list
        .split('\0')
        .filter(|file| !file.is_empty())
        .map(str::to_owned)
        .collect())
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
