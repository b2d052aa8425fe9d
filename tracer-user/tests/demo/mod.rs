//! Runs `conntracer demo` and reads what it wrote.

pub(crate) mod culprits;
pub(crate) mod expected;

use crate::schema;
use crate::table::Case;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::{env, fmt};

/// The best way to attach a hook that may be used; set by the matrix of kernels.
const HOOKS: &str = "CONNTRACER_HOOKS";

/// One run, ended.
pub(crate) struct Demo {
    pub(crate) code: Option<i32>,
    /// Standard output, line by line.
    pub(crate) lines: Vec<Value>,
    stdout: String,
    stderr: String,
    namespaces: BTreeMap<String, u64>,
}

impl Demo {
    pub(crate) fn run(case: &Case) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test makes network namespaces and traces the kernel: run it as root"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_conntracer"));
        command.args(["demo", case.scenario.name, "--json"]);
        command.args(["--backend", case.backend.name(), "--family", case.family.name()]);
        if case.scenario.is_curable() {
            command.arg("--fix");
        }
        if let Some(peer) = case.peer {
            command.args(["--peer", peer.name()]);
        }
        if let Ok(hooks) = env::var(HOOKS) {
            command.args(["--hooks", &hooks]);
            if hooks == "tracepoint" {
                command.arg("--conntrack-events");
            }
        }
        let output = command.stdin(Stdio::null()).output().expect("the program runs");
        let stdout = String::from_utf8(output.stdout).expect("standard output is UTF-8");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self {
            code: output.status.code(),
            lines: stdout.lines().map(schema::line).collect(),
            namespaces: stderr.lines().filter_map(namespace).collect(),
            stdout,
            stderr,
        }
    }

    pub(crate) fn assert_whole(&self) {
        let kind = |line: Option<&Value>| line.and_then(|line| line["type"].as_str().map(str::to_owned));
        assert_eq!(kind(self.lines.first()).as_deref(), Some("hello"), "{self}");
        assert_eq!(kind(self.lines.last()).as_deref(), Some("summary"), "{self}");
        for (seq, line) in self.lines.iter().enumerate() {
            assert_eq!((&line["v"], &line["seq"]), (&1.into(), &seq.into()), "{self}");
        }
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<u64> {
        self.namespaces.get(name).copied()
    }

    /// The name of a namespace of the lab.
    pub(crate) fn name_of(&self, inode: &Value) -> String {
        let known = self
            .namespaces
            .iter()
            .find(|(_, known)| inode.as_u64() == Some(**known));
        known.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    pub(crate) fn has_namespace(&self, inode: &Value) -> bool {
        self.namespaces.values().any(|known| inode.as_u64() == Some(*known))
    }
}

impl fmt::Display for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {:?}\n{}\n{}", self.code, self.stderr, self.stdout)
    }
}

/// Of a line such as `demo: network namespace pod (4026532246)`.
fn namespace(line: &str) -> Option<(String, u64)> {
    let (name, inode) = line
        .strip_prefix("demo: network namespace ")?
        .strip_suffix(')')?
        .split_once(" (")?;
    Some((name.to_owned(), inode.parse().ok()?))
}

/// The last revision of every finding that was not retracted.
pub(crate) fn latest(lines: &[Value]) -> Vec<&Value> {
    let findings = lines.iter().filter(|line| line["type"] == "finding");
    let by_id: BTreeMap<_, _> = findings.map(|finding| (finding["id"].as_u64(), finding)).collect();
    by_id
        .into_values()
        .filter(|finding| finding["state"] != "retracted")
        .collect()
}

pub(crate) fn above_info(finding: &Value) -> bool {
    finding["severity"] != "info"
}
