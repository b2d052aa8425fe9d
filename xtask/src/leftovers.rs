//! What the tests must not leave behind on a machine: processes, network namespaces and links, eBPF pins.
//!
//! It only looks. A process is known to be ours by a mark in its environment, and with it what only it holds (its
//! namespace, its eBPF programs). Anybody could have made a namespace with a name, a link or a pin: in a CI job, which
//! has its machine for itself, a new one is a failure, elsewhere a note. Packages that setup installed are no leftovers.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use anyhow::bail;

use crate::elevate::is_ci;

/// The variable that every test inherits; its value names the chore that ran it.
pub(crate) const MARK: &str = "CONNTRACER_TEST_RUN";

pub(crate) fn mark() -> String {
    process::id().to_string()
}

/// The things on this machine that a careless test could have made, each as a person would name it.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(BTreeSet<String>);

impl Snapshot {
    pub(crate) fn take() -> Self {
        let mut things = BTreeSet::new();
        things.extend(names_in("/run/netns").map(|name| format!("network namespace {name}")));
        things.extend(names_in("/sys/class/net").map(|name| format!("network link {name}")));
        things.extend(
            pins(Path::new("/sys/fs/bpf"))
                .iter()
                .map(|pin| format!("eBPF pin {pin}")),
        );
        Self(things)
    }

    /// Fails if the tests left something; the kernel gets a moment to clean up.
    pub(crate) fn compare_with_now(&self) -> anyhow::Result<()> {
        let (mut processes, mut things) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            (processes, things) = (marked_processes(&mark()), self.missing_from(Self::take()));
            if processes.is_empty() && things.is_empty() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        let list = [processes.as_slice(), things.as_slice()].concat().join("\n  ");
        if processes.is_empty() && !is_ci() {
            println!("ci: new on this machine since the start, by the tests or by somebody else:\n  {list}");
            return Ok(());
        }
        bail!("the tests left this on the machine:\n  {list}")
    }

    fn missing_from(&self, now: Self) -> Vec<String> {
        now.0.into_iter().filter(|thing| !self.0.contains(thing)).collect()
    }
}

fn marked_processes(mark: &str) -> Vec<String> {
    let all = names_in("/proc").filter(|name| name.parse::<u32>().is_ok());
    let marked = all.filter_map(|id| {
        let folder = PathBuf::from("/proc").join(&id);
        let environment = fs::read(folder.join("environ")).ok()?;
        let program = fs::read_link(folder.join("exe")).unwrap_or_default();
        has_mark(&environment, mark).then(|| format!("process {id}: {}", program.display()))
    });
    marked.collect()
}

fn has_mark(environment: &[u8], mark: &str) -> bool {
    let assignment = format!("{MARK}={mark}");
    environment
        .split(|byte| *byte == 0)
        .any(|variable| variable == assignment.as_bytes())
}

fn pins(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in names_in(folder) {
        let path = folder.join(name);
        if path.is_dir() && !path.is_symlink() {
            found.extend(pins(&path));
        }
        found.push(path.display().to_string());
    }
    found
}

fn names_in(folder: impl AsRef<Path>) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(things: &[&str]) -> Snapshot {
        Snapshot(things.iter().map(|thing| (*thing).to_owned()).collect())
    }

    #[test]
    fn only_what_is_new_was_left_behind() {
        let before = snapshot(&["network link lo", "process 1: x"]);
        let now = snapshot(&["network link lo", "network namespace demo-client"]);
        assert_eq!(before.missing_from(now), ["network namespace demo-client"]);
    }

    #[test]
    fn a_process_is_ours_by_the_whole_mark() {
        assert!(has_mark(b"A=1\0CONNTRACER_TEST_RUN=12\0", "12"));
        assert!(!has_mark(b"A=1\0CONNTRACER_TEST_RUN=123\0", "12"));
        assert!(!has_mark(b"", "12"));
    }
}
