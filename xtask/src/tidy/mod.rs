//! `cargo xtask tidy`: the rules of the code that neither rustc nor clippy knows. Each has one table, next to its check.
//!
//! It reads tokens, not types: a rule that needs to know what a name means is not here.

mod attributes;
mod budget;
mod imports;
mod programs;
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
    let mut sources = Vec::new();
    for file in &files {
        // A file that is not text has nothing to check; one that was just removed is not there to read.
        let Ok(text) = fs::read_to_string(workspace.root.join(file)) else {
            continue;
        };
        problems.extend(text::check(file, &text));
        if Path::new(file).extension().is_some_and(|extension| extension == "rs") {
            match Scan::of(&text) {
                Ok(scan) => sources.push(Source {
                    file: file.clone(),
                    text,
                    scan,
                }),
                Err(error) => problems.push(Problem::new(file, 1, format!("cannot be read as Rust: {error}"))),
            }
        }
    }
    mark_tests(&mut sources);
    problems.extend(sources.iter().flat_map(|source| check(source, &crates)));
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

/// A file of Rust code.
struct Source {
    file: String,
    text: String,
    scan: Scan,
}

fn check(source: &Source, crates: &[String]) -> Vec<Problem> {
    let Source { file, text, scan } = source;
    let mut problems = imports::check(file, scan, crates);
    problems.extend(budget::check(file, text, scan));
    problems.extend(safety::check(file, text, scan));
    problems.extend(attributes::check(file, scan));
    problems.extend(programs::check(file, scan));
    problems
}

/// Marks integration tests, and the files of modules that their parents declare under `#[cfg(test)]`.
fn mark_tests(sources: &mut [Source]) {
    let places = sources.iter().flat_map(test_places).collect::<Vec<_>>();
    for Source { file, scan, .. } in sources {
        if file.contains("/tests/") || places.iter().any(|place| file.starts_with(place)) {
            scan.mark_as_tests();
        }
    }
}

/// The file and the folder of each module of tests that a file declares.
fn test_places(source: &Source) -> Vec<String> {
    let base = match source.file.rsplit_once('/') {
        Some((folder, "lib.rs" | "main.rs" | "mod.rs")) => folder,
        _ => source.file.trim_end_matches(".rs"),
    };
    let modules = source.scan.test_modules.iter();
    modules
        .flat_map(|module| [format!("{base}/{module}.rs"), format!("{base}/{module}/")])
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn source(file: &str, text: &str) -> Source {
        Source {
            file: file.to_owned(),
            text: text.to_owned(),
            scan: Scan::of(text).unwrap(),
        }
    }

    #[test]
    fn a_module_of_tests_in_a_file_of_its_own_counts_as_tests() {
        let mut sources = [
            source(
                "c/src/a/mod.rs",
                "mod b; #[cfg(test)] mod golden; #[cfg(test)] mod more;",
            ),
            source("c/src/d.rs", "#[cfg(test)] mod deep;"),
            source("c/src/a/b.rs", "fn f() {}"),
            source("c/src/a/golden/mod.rs", "fn f() {}"),
            source("c/src/a/more.rs", "fn f() {}"),
            source("c/src/d/deep.rs", "fn f() {}"),
            source("c/tests/live.rs", "fn f() {}"),
        ];
        mark_tests(&mut sources);
        let marks = sources
            .iter()
            .filter_map(|source| Some(source.scan.functions.first()?.in_test))
            .collect::<Vec<_>>();
        assert_eq!(marks, [false, true, true, true, true]);
    }
}
