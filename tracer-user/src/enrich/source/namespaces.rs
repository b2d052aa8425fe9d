//! The processes of a network namespace, by looking at all processes, at most once a second.
//!
//! Looks at names only: no namespace is opened.

use crate::model::time::Timestamp;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Namespaces {
    /// That of process 1, or of this one where that cannot be looked at: no pod's.
    host: Option<u32>,
    /// The first processes of each, by its inode.
    processes: HashMap<u32, Vec<u32>>,
    walked: Option<Timestamp>,
}

impl Namespaces {
    pub(super) fn new() -> Self {
        Self {
            host: inode("1").or_else(|| inode("self")),
            processes: HashMap::new(),
            walked: None,
        }
    }

    pub(super) fn is_host(&self, inode: u32) -> bool {
        self.host == Some(inode)
    }

    /// Processes that were there when they were last looked at; the oldest numbers first.
    pub(super) fn processes(&self, inode: u32) -> Vec<u32> {
        self.processes.get(&inode).cloned().unwrap_or_default()
    }

    /// Looks again, if the last look was a while ago; whether it did.
    pub(super) fn look_again(&mut self, now: Timestamp) -> bool {
        let is_due = self.walked.is_none_or(|walked| now.since(walked) >= WALK_EVERY);
        if is_due {
            self.walked = Some(now);
            self.walk();
        }
        is_due
    }

    /// Remembers a process that was seen in it. One of the host's namespace is of no use.
    pub(super) fn note(&mut self, inode: u32, pid: u32) {
        let has_room = self.processes.len() < NAMESPACES_MAX || self.processes.contains_key(&inode);
        if self.is_host(inode) || !has_room {
            return;
        }
        let processes = self.processes.entry(inode).or_default();
        if !processes.contains(&pid) {
            // An inode is given away at once: the others may be long gone, and this one was just seen.
            processes.truncate(PROCESSES_MAX - 1);
            processes.push(pid);
        }
    }

    fn walk(&mut self) {
        self.processes.clear();
        let until = Instant::now() + TIME_MAX;
        let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        for name in entries.map(|entry| entry.file_name()) {
            if Instant::now() > until {
                tracing::debug!("too many processes to look at the namespaces of all");
                return;
            }
            let found = name.to_str().and_then(|name| Some((name.parse().ok()?, inode(name)?)));
            if let Some((pid, netns)) = found {
                self.note(netns, pid);
            }
        }
    }
}

/// Of the network namespace of the process of that name in `/proc`.
fn inode(process: &str) -> Option<u32> {
    let metadata = fs::metadata(format!("/proc/{process}/ns/net")).ok()?;
    u32::try_from(metadata.ino()).ok()
}

const WALK_EVERY: Duration = Duration::from_secs(1);
const TIME_MAX: Duration = Duration::from_millis(50);
/// As many as a sweep visits; those past it stay nameless.
const NAMESPACES_MAX: usize = 4_096;
/// Of one namespace: its first processes are the sandbox's and those of the pod's containers.
const PROCESSES_MAX: usize = 8;
