//! What the threads and the shell know together: whose an id is, what is not covered, what was counted.
//!
//! Does no I/O.

use crate::model::identity::Netns;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) own: Netns,
    pub(super) counters: Counters,
    /// What is known of entries is out of date: they are to be read again.
    pub(super) stale: AtomicBool,
    ids: Mutex<HashMap<i32, Netns>>,
    uncovered: Mutex<Uncovered>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) messages: AtomicU64,
    pub(super) overrun: AtomicU64,
    pub(super) nameless: AtomicU64,
    pub(super) undecodable: AtomicU64,
    pub(super) not_read_again: AtomicU64,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub messages: u64,
    /// Changes lost because they came faster than they were read.
    pub overrun: u64,
    /// Changes of a namespace that was not found.
    pub nameless: u64,
    pub undecodable: u64,
    /// Entries that, after an overrun, were not read again: they were too many, or it took too long.
    pub not_read_again: u64,
    /// Namespaces whose changes are not told.
    pub uncovered: u64,
}

impl Counts {
    /// Of two streams, one after the other.
    #[must_use]
    pub fn plus(self, later: Self) -> Self {
        Self {
            messages: self.messages + later.messages,
            overrun: self.overrun + later.overrun,
            nameless: self.nameless + later.nameless,
            undecodable: self.undecodable + later.undecodable,
            not_read_again: self.not_read_again + later.not_read_again,
            uncovered: later.uncovered,
        }
    }
}

/// Namespaces whose changes are not told, by inode, and why.
#[derive(Debug, Default)]
struct Uncovered {
    reasons: BTreeMap<u32, Arc<str>>,
    changed: bool,
}

impl Shared {
    pub(super) fn new(own: Netns) -> Self {
        Self {
            own,
            counters: Counters::default(),
            stale: AtomicBool::new(false),
            ids: Mutex::default(),
            uncovered: Mutex::default(),
        }
    }

    /// Says whose an id is. To be called while that namespace is held: then nobody else can have the id. `false`: there
    /// is no room.
    pub(super) fn name(&self, id: i32, netns: Netns) -> bool {
        let mut ids = self.ids();
        if ids.len() >= IDS_MAX && !ids.contains_key(&id) {
            return false;
        }
        ids.insert(id, netns);
        true
    }

    pub(super) fn free(&self, id: i32) {
        self.ids().remove(&id);
    }

    pub(super) fn free_all(&self) {
        self.ids().clear();
    }

    /// Which namespace a message is from.
    pub(super) fn netns(&self, nsid: Option<i32>) -> Option<Netns> {
        nsid.map_or(Some(self.own), |id| self.ids().get(&id).copied())
    }

    /// Inodes of the namespaces that have a known id, or are known as not covered.
    pub(super) fn judged(&self) -> HashSet<u32> {
        let mut inodes: HashSet<_> = self.ids().values().map(|netns| netns.inode).collect();
        inodes.extend(lock(&self.uncovered).reasons.keys());
        inodes
    }

    pub(super) fn knows(&self, netns: Netns) -> bool {
        netns == self.own || self.ids().values().any(|known| *known == netns)
    }

    /// All that are covered, the own one first.
    pub(super) fn covered(&self) -> Vec<Netns> {
        let mut all = vec![self.own];
        all.extend(self.ids().values().filter(|&&netns| netns != self.own));
        all
    }

    /// `true`: that is new.
    pub(super) fn set_uncovered(&self, inode: u32, reason: &str) -> bool {
        let mut uncovered = lock(&self.uncovered);
        if uncovered.reasons.get(&inode).is_some_and(|known| **known == *reason) {
            return false;
        }
        if uncovered.reasons.len() >= IDS_MAX && !uncovered.reasons.contains_key(&inode) {
            return false;
        }
        uncovered.reasons.insert(inode, reason.into());
        uncovered.changed = true;
        true
    }

    pub(super) fn set_covered(&self, inode: u32) {
        let mut uncovered = lock(&self.uncovered);
        if uncovered.reasons.remove(&inode).is_some() {
            uncovered.changed = true;
        }
    }

    /// Forgets those of which `exists` says that they are gone.
    pub(super) fn forget_uncovered(&self, exists: impl Fn(u32) -> bool) {
        let mut uncovered = lock(&self.uncovered);
        let before = uncovered.reasons.len();
        uncovered.reasons.retain(|inode, _| exists(*inode));
        uncovered.changed |= uncovered.reasons.len() != before;
    }

    /// The first few, by inode, and how many there are.
    pub(super) fn uncovered(&self, first: usize) -> (Vec<(u32, Arc<str>)>, usize) {
        let uncovered = lock(&self.uncovered);
        let shown = uncovered.reasons.iter().take(first);
        (
            shown.map(|(inode, reason)| (*inode, reason.clone())).collect(),
            uncovered.reasons.len(),
        )
    }

    /// Whether other namespaces are not covered than at the last call.
    pub(super) fn take_changed(&self) -> bool {
        std::mem::take(&mut lock(&self.uncovered).changed)
    }

    pub(super) fn counts(&self) -> Counts {
        let Counters {
            messages,
            overrun,
            nameless,
            undecodable,
            not_read_again,
        } = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            messages: read(messages),
            overrun: read(overrun),
            nameless: read(nameless),
            undecodable: read(undecodable),
            not_read_again: read(not_read_again),
            uncovered: u64::try_from(lock(&self.uncovered).reasons.len()).unwrap_or(u64::MAX),
        }
    }

    fn ids(&self) -> MutexGuard<'_, HashMap<i32, Netns>> {
        lock(&self.ids)
    }
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

/// Nobody panics while holding it; if somebody did, the table would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Namespaces known by an id, and namespaces known as not covered.
const IDS_MAX: usize = 8192;
