//! The programs that a guest runs, built with the release profile: emulation is slow enough.

use std::{collections::BTreeMap, path::PathBuf, process::Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{process::required_output_of, workspace::Workspace};

/// Where cargo put them.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) conntracer: PathBuf,
    /// By the name of the test target.
    pub(super) tests: BTreeMap<String, PathBuf>,
}

impl Programs {
    pub(super) fn build(workspace: &Workspace) -> anyhow::Result<Self> {
        let mut cargo = workspace.cargo();
        cargo.args(["test", "--release", "--no-run", "--locked", "--package", "tracer-user"]);
        for name in TESTS {
            cargo.args(["--test", name]);
        }
        cargo
            .args(["--message-format", "json-render-diagnostics"])
            .stderr(Stdio::inherit());
        println!("vm: building the tests with the release profile");
        let found = executables(&required_output_of(&mut cargo)?);
        let conntracer = found.get(&key("bin", "conntracer")).cloned();
        let tests = TESTS
            .iter()
            .filter_map(|&name| Some((name.to_owned(), found.get(&key("test", name))?.clone())));
        let tests = tests.collect::<BTreeMap<_, _>>();
        if tests.len() < TESTS.len() {
            bail!("cargo built only these of the tests {TESTS:?}: {:?}", tests.keys());
        }
        Ok(Self {
            conntracer: conntracer.context("cargo built no conntracer")?,
            tests,
        })
    }

    pub(super) fn all(&self) -> Vec<PathBuf> {
        self.tests.values().chain([&self.conntracer]).cloned().collect()
    }

    /// The names of all tests in a test program of this machine.
    pub(super) fn list(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let program = self
            .tests
            .get(name)
            .with_context(|| format!("no tests called {name}"))?;
        let list = required_output_of(std::process::Command::new(program).args(["--list", "--format", "terse"]))?;
        Ok(list
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .map(str::to_owned)
            .collect())
    }
}

/// Of cargo's messages, one JSON object a line, the programs that it built, by kind and name.
fn executables(messages: &str) -> BTreeMap<(String, String), PathBuf> {
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

fn key(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

/// The test targets of tracer-user that run in guests.
const TESTS: [&str; 2] = ["probes", "scenarios"];

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
        assert_eq!(found[&key("test", "scenarios")], PathBuf::from("/t/scenarios-1"));
        assert_eq!(found[&key("bin", "conntracer")], PathBuf::from("/t/conntracer"));
    }
}
