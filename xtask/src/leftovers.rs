//! What the tests must not leave behind on a machine: namespaces, links, eBPF programs and pins, processes.
//!
//! It only looks. Packages that setup installed are no leftovers: they stay, as setup said.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use anyhow::bail;

use crate::workspace::Workspace;

/// The things on this machine that a careless test could have made, each as a person would name it.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(BTreeSet<String>);

impl Snapshot {
    pub(crate) fn take(workspace: &Workspace) -> Self {
        let mut things = BTreeSet::new();
        things.extend(names_in("/run/netns").map(|name| format!("network namespace {name}")));
        things.extend(names_in("/sys/class/net").map(|name| format!("network link {name}")));
        things.extend(pins(Path::new("/sys/fs/bpf")).map(|pin| format!("eBPF pin {pin}")));
        for process in names_in("/proc").filter_map(|name| name.parse::<u32>().ok()) {
            things.extend(of_process(process, &workspace.target));
        }
        Self(things)
    }

    /// Fails if something is there now that was not before; the kernel gets a moment to clean up.
    pub(crate) fn compare_with_now(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let mut left = Vec::new();
        for _ in 0..TRIES {
            left = self.missing_from(Self::take(workspace));
            if left.is_empty() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        bail!("the tests left this on the machine:\n  {}", left.join("\n  "))
    }

    fn missing_from(&self, now: Self) -> Vec<String> {
        now.0.into_iter().filter(|thing| !self.0.contains(thing)).collect()
    }
}

/// A process of ours that runs on, the network namespace it is in, and the eBPF programs it holds.
fn of_process(id: u32, target: &Path) -> Vec<String> {
    let folder = PathBuf::from(format!("/proc/{id}"));
    let mut things = Vec::new();
    if let Ok(namespace) = fs::read_link(folder.join("ns/net")) {
        things.push(format!("network namespace {} of some process", namespace.display()));
    }
    let program = fs::read_link(folder.join("exe")).unwrap_or_default();
    if id != process::id() && program.starts_with(target) {
        things.push(format!("process {id}: {}", program.display()));
    }
    for descriptor in names_in(folder.join("fdinfo")) {
        let info = fs::read_to_string(folder.join("fdinfo").join(descriptor)).unwrap_or_default();
        things.extend(program_in(&info).map(|program| format!("eBPF program {program}")));
    }
    things
}

/// The number of the eBPF program that a descriptor or a link stands for.
fn program_in(fdinfo: &str) -> Option<&str> {
    fdinfo
        .lines()
        .find_map(|line| line.strip_prefix("prog_id:"))
        .map(str::trim)
}

fn pins(folder: &Path) -> Box<dyn Iterator<Item = String>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Box::new(std::iter::empty());
    };
    Box::new(entries.flatten().flat_map(|entry| {
        let path = entry.path();
        let own = path.display().to_string();
        // The kernel's own iterators are links; following one would leave the file system.
        let below = if path.is_dir() && !path.is_symlink() {
            pins(&path)
        } else {
            Box::new(std::iter::empty())
        };
        std::iter::once(own).chain(below)
    }))
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
    fn the_program_of_a_descriptor_is_read_and_other_descriptors_have_none() {
        assert_eq!(program_in("pos:\t0\nprog_type:\t26\nprog_id:\t412\n"), Some("412"));
        assert_eq!(program_in("pos:\t0\nflags:\t02\n"), None);
    }
}
