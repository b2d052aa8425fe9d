//! Looks up who is behind a number: reads `/proc` and the tree of cgroups, and asks the node's container runtime.
//!
//! Blocks, within a bound: it has a thread of its own. No namespace is entered, and no descriptor outlives a call.

mod cgroups;
mod clock;
mod cri;
mod namespaces;
mod process;

pub use cri::{CriSocket, CriState};

use crate::enrich::cgroup::{self, Place};
use crate::enrich::directory::Directory;
use crate::enrich::kept::Kept;
use crate::inspect::source::now;
use crate::model::identity::Netns;
use crate::model::time::Timestamp;
use crate::model::who::{Identity, Pod, Subject};
use cgroups::Cgroups;
use clock::Boot;
use cri::Cri;
use namespaces::Namespaces;
use process::Process;
use std::sync::Arc;
use std::time::Duration;

/// What is looked up, and where.
#[derive(Clone, Debug, Default)]
pub struct NamerOptions {
    pub cri_socket: CriSocket,
    /// Labels of a pod that are told, by name.
    pub labels: Vec<String>,
    /// Whether command lines are told, without the secrets that names announce.
    pub command_line: bool,
}

/// How looking up goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamerHealth {
    pub cri: CriState,
    /// In all tables together.
    pub entries: usize,
    /// Entries that had to make room.
    pub evictions: u64,
    /// Questions.
    pub asked: u64,
    /// Of these: about what was gone, or is in a pod or container whose name was not found.
    pub failed: u64,
}

/// Names subjects; remembers what it has named.
#[derive(Debug)]
pub struct Namer {
    command_line: bool,
    answers: Kept<Subject, Answer>,
    directory: Directory,
    cgroups: Cgroups,
    namespaces: Namespaces,
    cri: Cri,
    asked: u64,
    failed: u64,
}

#[derive(Debug)]
struct Answer {
    seen: Seen,
    identity: Identity,
    /// When it is worth to look again.
    until: Timestamp,
}

/// What was found of a subject without its names.
#[derive(Clone, Debug, Default)]
struct Seen {
    executable: Option<Arc<str>>,
    command_line: Option<Arc<str>>,
    place: Place,
    /// Of a namespace that no process shows, as its sandbox tells it.
    pod: Option<Arc<Pod>>,
    /// It is not there any more: what was found before says more.
    is_gone: bool,
}

impl Namer {
    /// Reads nothing but where things are, and asks nobody.
    pub fn new(options: &NamerOptions) -> Self {
        Self {
            command_line: options.command_line,
            answers: Kept::new(ANSWERS_MAX, KEPT),
            directory: Directory::default(),
            cgroups: Cgroups::new(),
            namespaces: Namespaces::new(),
            cri: Cri::new(&options.cri_socket, &options.labels),
            asked: 0,
            failed: 0,
        }
    }

    /// Who that is, or was at `asked_at`, the time of the event that tells of it. At most a fifth of a second, whatever
    /// the runtime does; where it is late, the names are there when the subject is asked for again.
    pub fn name(&mut self, subject: Subject, asked_at: Timestamp) -> Identity {
        let now = now();
        self.asked += 1;
        if let Some(listing) = self.cri.collect(now) {
            self.directory.take_in(listing, now);
        }
        if let Some(answer) = self.answers.get(&subject, now)
            && now < answer.until
        {
            return answer.identity.clone();
        }
        let seen = self.look(subject, asked_at, now);
        let before = self.answers.get(&subject, now);
        let seen = match before {
            Some(before) if seen.is_gone => before.seen.clone(),
            Some(_) | None => seen,
        };
        self.ask_for(&seen.place, now);
        let (identity, is_whole) = self.identity(&seen, now);
        self.failed += u64::from(!is_whole);
        if is_reused(subject) {
            return identity;
        }
        let until = now
            + if is_whole || seen.is_gone {
                FRESH
            } else {
                FRESH_NAMELESS
            };
        let answer = Answer {
            seen,
            identity: identity.clone(),
            until,
        };
        self.answers.insert(subject, answer, now);
        identity
    }

    /// The cgroup that the process was in, where everybody in it runs in the same container and pod as it was told to.
    pub fn shared_cgroup(&mut self, subject: Subject) -> Option<u64> {
        let Subject::Process { cgroup: Some(id), .. } = subject else {
            return None;
        };
        let now = now();
        let place = self.answers.get(&subject, now)?.seen.place.clone();
        (!place.is_empty() && self.cgroups.is_at(id, &place, now)).then_some(id)
    }

    pub fn health(&self) -> NamerHealth {
        NamerHealth {
            cri: self.cri.state().clone(),
            entries: self.answers.len() + self.directory.entries() + self.cgroups.entries(),
            evictions: self.answers.evictions() + self.directory.evictions() + self.cgroups.evictions(),
            asked: self.asked,
            failed: self.failed,
        }
    }

    fn look(&mut self, subject: Subject, asked_at: Timestamp, now: Timestamp) -> Seen {
        match subject {
            Subject::Process { pid, cgroup, .. } => self.look_at_process(pid, cgroup, asked_at, now),
            Subject::Netns(netns) => self.look_at_netns(netns, asked_at, now),
        }
    }

    fn look_at_process(&mut self, pid: u32, cgroup: Option<u64>, asked_at: Timestamp, now: Timestamp) -> Seen {
        let Some(process) = Process::open(pid, asked_at, &Boot::read()) else {
            return Seen {
                place: cgroup.map(|id| self.cgroups.find(id, now)).unwrap_or_default(),
                is_gone: true,
                ..Seen::default()
            };
        };
        if let Some(inode) = process.netns() {
            self.namespaces.note(inode, pid);
        }
        let executable = process.executable();
        let text = process.cgroup();
        let mut place = cgroup::place(&text);
        if let Some(id) = cgroup {
            let unified = cgroup::unified(&text);
            if !unified.is_empty() {
                self.cgroups.learn(id, &unified, now);
            } else if executable.is_none() && place.is_empty() {
                // It has ended and was not waited for: it has left its cgroups.
                place = self.cgroups.find(id, now);
            }
        }
        Seen {
            executable,
            command_line: self.command_line.then(|| process.command_line()).flatten(),
            place,
            pod: None,
            is_gone: false,
        }
    }

    fn look_at_netns(&mut self, netns: Netns, asked_at: Timestamp, now: Timestamp) -> Seen {
        if netns.inode == 0 || self.namespaces.is_host(netns.inode) {
            return Seen::default();
        }
        let mut found = self.place_within(netns.inode, asked_at, now);
        if found.is_none() && self.namespaces.look_again(now) {
            found = self.place_within(netns.inode, asked_at, now);
        }
        if found.is_none() && self.directory.of_netns(netns.inode).is_none() {
            self.ask(now);
        }
        let pod = found.is_none().then(|| self.directory.of_netns(netns.inode)).flatten();
        Seen {
            is_gone: found.is_none() && pod.is_none(),
            place: found.unwrap_or_default(),
            pod,
            ..Seen::default()
        }
    }

    /// Where the first of a namespace's processes is that is in a container; of a pod, rather in one of its containers
    /// than in the sandbox. Nowhere, if none is in a container; `None` if it has no process.
    fn place_within(&mut self, inode: u32, asked_at: Timestamp, now: Timestamp) -> Option<Place> {
        let boot = Boot::read();
        let mut nearest: Option<Place> = None;
        for pid in self.namespaces.processes(inode) {
            let Some(process) = Process::open(pid, asked_at, &boot).filter(|process| process.netns() == Some(inode))
            else {
                continue;
            };
            let place = cgroup::place(&process.cgroup());
            self.ask_for(&place, now);
            if place.container.is_some() && !self.directory.name(&place, now).is_sandbox {
                return Some(place);
            }
            nearest = nearest.filter(|nearest| !nearest.is_empty()).or(Some(place));
        }
        nearest
    }

    /// Asks the runtime, if it could tell more of this place than is known.
    fn ask_for(&mut self, place: &Place, now: Timestamp) {
        if !self.directory.knows(place, now) && self.ask(now) {
            self.directory.note_stranger(place, now);
        }
    }

    /// Whether an answer came.
    fn ask(&mut self, now: Timestamp) -> bool {
        let Some(listing) = self.cri.ask(self.directory.with_netns(), now) else {
            return false;
        };
        self.directory.take_in(listing, now);
        true
    }

    /// With the names that are known, and whether these are all that it should have.
    fn identity(&self, seen: &Seen, now: Timestamp) -> (Identity, bool) {
        let named = self.directory.name(&seen.place, now);
        let pod = named.pod.or_else(|| seen.pod.clone());
        let is_there = !seen.is_gone || !seen.place.is_empty() || pod.is_some();
        let has_names = self.directory.knows(&seen.place, now) && pod.as_ref().is_none_or(|pod| pod.name.is_some());
        let is_whole = is_there && (has_names || *self.cri.state() == CriState::Off);
        let identity = Identity {
            executable: seen.executable.clone(),
            command_line: seen.command_line.clone(),
            container: named.container,
            pod,
        };
        (identity, is_whole)
    }
}

/// Whether something else may have its number at once, so that nothing can be remembered of it: the inode of a namespace,
/// where the kernel has no cookies.
fn is_reused(subject: Subject) -> bool {
    matches!(subject, Subject::Netns(Netns { cookie: 0, .. }))
}

/// Subjects whose answers are remembered; past it those answered longest ago go first, and are counted.
const ANSWERS_MAX: usize = 8_192;
/// What is gone keeps its names for the findings about it.
const KEPT: Duration = Duration::from_hours(1);
/// A process may become another program, and a namespace get other processes.
const FRESH: Duration = Duration::from_secs(10);
/// The runtime may have come, or list a container by now.
const FRESH_NAMELESS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
