//! The programs that a guest runs, built with the release profile: emulation is slow enough.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use serde_json::Value;

use super::arch::Arch;
use crate::{cross, process::required_output_of, workspace::Workspace};

/// Where cargo put them.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) conntracer: PathBuf,
    /// By the name of the test target.
    pub(super) tests: BTreeMap<String, PathBuf>,
    /// The guest's first process.
    pub(super) init: PathBuf,
}

impl Programs {
    pub(super) fn build(workspace: &Workspace, arch: Arch) -> anyhow::Result<Self> {
        println!("vm: building the tests for {} with the release profile", arch.debian());
        match arch {
            Arch::Amd64 => {
                let found = built_by(workspace.cargo().args(TEST).args(names(&TESTS)))?;
                let init = env::current_exe().context("the path of this program")?;
                Self::of(&found, &TESTS, init)
            }
            Arch::Arm64 => {
                let found = built_by(cross::cargo(workspace, &TEST).args(names(&CROSS_TESTS)))?;
                let own = built_by(&mut cross::cargo(workspace, &OWN))?;
                Self::of(&found, &CROSS_TESTS, program(&own, "bin", "xtask")?)
            }
        }
    }

    fn of(found: &Built, names: &[&str], init: PathBuf) -> anyhow::Result<Self> {
        let tests = names
            .iter()
            .map(|&name| Ok((name.to_owned(), program(found, "test", name)?)));
        Ok(Self {
            conntracer: program(found, "bin", "conntracer")?,
            tests: tests.collect::<anyhow::Result<_>>()?,
            init,
        })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        self.tests.values().chain([&self.conntracer]).map(PathBuf::as_path)
    }

    /// The names of all tests in a test program of this machine.
    pub(super) fn list(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let program = self
            .tests
            .get(name)
            .with_context(|| format!("no tests called {name}"))?;
        let list = required_output_of(Command::new(program).args(["--list", "--format", "terse"]))?;
        Ok(list
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .map(str::to_owned)
            .collect())
    }
}

fn names(tests: &[&'static str]) -> impl Iterator<Item = &'static str> {
    tests.iter().flat_map(|&name| ["--test", name])
}

/// What a cargo builds.
fn built_by(cargo: &mut Command) -> anyhow::Result<Built> {
    cargo
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit());
    Ok(executables(&required_output_of(cargo)?))
}

fn program(built: &Built, kind: &str, name: &str) -> anyhow::Result<PathBuf> {
    let program = built.get(&(kind.to_owned(), name.to_owned())).cloned();
    program.with_context(|| format!("cargo built no {kind} called {name}"))
}

/// Of cargo's messages, one JSON object a line, the programs that it built, by kind and name.
fn executables(messages: &str) -> Built {
    let one = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let (target, text) = (&message["target"], |value: &Value| value.as_str().map(str::to_owned));
        Some((
            (text(&target["kind"][0])?, text(&target["name"])?),
            text(&message["executable"])?.into(),
        ))
    };
    messages.lines().filter_map(one).collect()
}

/// Programs by kind and name.
type Built = BTreeMap<(String, String), PathBuf>;

const TEST: [&str; 6] = ["test", "--release", "--no-run", "--locked", "--package", "tracer-user"];
const OWN: [&str; 6] = ["build", "--release", "--locked", "--package", "xtask", "--quiet"];
/// The test targets of tracer-user that run in guests.
/// `guest` changes the whole machine: it runs in guests only.
const TESTS: [&str; 5] = ["census", "ctnetlink", "guest", "probes", "scenarios"];
const CROSS_TESTS: [&str; 2] = ["replay", "scenarios"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_among_cargos_messages() {
        let messages = r#"{"target":{"name":"scenarios","kind":["test"]},"executable":"/t/scenarios-1"}
{"target":{"name":"conntracer","kind":["bin"]},"executable":"/t/conntracer"}
{"target":{"name":"tracer_user","kind":["lib"]},"executable":null}
no JSON"#;
        let found = executables(messages);
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[&("test".to_owned(), "scenarios".to_owned())],
            PathBuf::from("/t/scenarios-1")
        );
    }
}
