//! Which process holds a socket: looked up in the descriptors under `/proc`.
//!
//! Of several holders one is told. A holder that the own user may not look into is not found.

use crate::model::identity::{Comm, Process};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// Finds the holders of these socket inodes, first among the processes of the namespaces given (a holder in another
/// one is possible: an agent that entered and left).
pub(super) fn holders(wanted: &HashSet<u32>, namespaces: &HashSet<u32>) -> HashMap<u32, Process> {
    holders_within(TIME_MAX, wanted, namespaces)
}

/// The holders that a search came by, for the questions of the next moment: many connections of one process are looked
/// at one by one.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    since: Option<Instant>,
    all: HashMap<u32, Process>,
}

impl Remembered {
    /// As [`holders`].
    pub(super) fn holders(&mut self, wanted: HashSet<u32>, namespaces: &HashSet<u32>) -> HashMap<u32, Process> {
        let fresh = self.since.is_some_and(|since| since.elapsed() < REMEMBERED);
        let known = |inode: &u32| *inode == 0 || self.all.contains_key(inode);
        if !fresh || !wanted.iter().all(known) {
            self.since = Some(Instant::now());
            self.all.clear();
            search(TIME_MAX, wanted.clone(), namespaces, &mut self.all);
        }
        let found = |inode| Some((inode, *self.all.get(&inode)?));
        wanted.into_iter().filter_map(found).collect()
    }
}

pub(crate) fn holders_within(
    time: Duration,
    wanted: &HashSet<u32>,
    namespaces: &HashSet<u32>,
) -> HashMap<u32, Process> {
    let mut all = HashMap::new();
    search(time, wanted.clone(), namespaces, &mut all);
    all.retain(|inode, _| wanted.contains(inode));
    all
}

/// Looks until all that are wanted are found, and keeps the holders of all sockets on the way.
fn search(time: Duration, mut wanted: HashSet<u32>, namespaces: &HashSet<u32>, all: &mut HashMap<u32, Process>) {
    wanted.remove(&0);
    if wanted.is_empty() {
        return;
    }
    let mut budget = Budget {
        links: LINKS_MAX,
        until: Instant::now() + time,
    };
    let (near, far): (Vec<u32>, Vec<u32>) =
        super::paths::processes().partition(|&process| is_inside(process, namespaces));
    for process in near.into_iter().chain(far) {
        if wanted.is_empty() {
            break;
        }
        if !budget.is_left() {
            tracing::debug!(
                missing = wanted.len(),
                "too many descriptors to find who holds a socket"
            );
            break;
        }
        let mut holder = None;
        for inode in sockets(process, &mut budget) {
            wanted.remove(&inode);
            let new = || Process {
                pid: process,
                comm: comm(process),
            };
            all.entry(inode).or_insert(*holder.get_or_insert_with(new));
        }
    }
}

/// The processes of each namespace; of those that `with_threads` picks, also by the namespaces of their threads.
pub(crate) fn by_namespace(with_threads: impl Fn(Comm) -> bool) -> HashMap<u32, Vec<Process>> {
    let mut all: HashMap<u32, Vec<Process>> = HashMap::new();
    for pid in super::paths::processes() {
        let process = Process { pid, comm: comm(pid) };
        let mut inodes: HashSet<u32> = inode(&super::paths::process_path(pid)).into_iter().collect();
        if with_threads(process.comm) {
            inodes.extend(super::paths::thread_paths(pid).filter_map(|path| inode(&path)));
        }
        for inode in inodes {
            all.entry(inode).or_default().push(process);
        }
    }
    all
}

fn inode(path: &str) -> Option<u32> {
    fs::metadata(path)
        .ok()
        .and_then(|metadata| u32::try_from(metadata.ino()).ok())
}

struct Budget {
    links: usize,
    until: Instant,
}

impl Budget {
    fn is_left(&self) -> bool {
        self.links > 0 && Instant::now() < self.until
    }
}

fn is_inside(process: u32, namespaces: &HashSet<u32>) -> bool {
    fs::metadata(format!("/proc/{process}/ns/net"))
        .is_ok_and(|metadata| u32::try_from(metadata.ino()).is_ok_and(|inode| namespaces.contains(&inode)))
}

fn sockets(process: u32, budget: &mut Budget) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(format!("/proc/{process}/fd"))
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    entries
        .map_while(|entry| {
            budget.links = budget.links.checked_sub(1)?;
            Some(
                fs::read_link(entry.path())
                    .ok()
                    .and_then(|link| socket_inode(link.as_os_str().as_encoded_bytes())),
            )
        })
        .flatten()
}

/// The inode in `socket:[123]`.
fn socket_inode(link: &[u8]) -> Option<u32> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    str::from_utf8(digits).ok()?.parse().ok()
}

pub(crate) fn comm(process: u32) -> Comm {
    let name = fs::read(format!("/proc/{process}/comm")).unwrap_or_default();
    Comm::new(name.strip_suffix(b"\n").unwrap_or(&name))
}

const LINKS_MAX: usize = 200_000;
const TIME_MAX: Duration = Duration::from_millis(300);
/// A socket changes hands rarely, and its inode is not given to another one at once.
const REMEMBERED: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_sockets_have_an_inode() {
        assert_eq!(socket_inode(b"socket:[4711]"), Some(4711));
        for other in [
            &b"pipe:[4711]"[..],
            b"socket:[]",
            b"socket:[4711",
            b"/tmp/socket:[1]",
            b"socket:[-1]",
            b"",
        ] {
            assert_eq!(socket_inode(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_own_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&listener)))
            .unwrap()
            .ino();
        let inode = u32::try_from(inode).unwrap();
        let patience = Duration::from_mins(1);
        let found = holders_within(patience, &HashSet::from([inode, 0]), &HashSet::new());
        assert_eq!(found.get(&inode).map(|process| process.pid), Some(std::process::id()));
    }
}
