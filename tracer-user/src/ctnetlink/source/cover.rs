//! The thread that visits: finds namespaces, gives them ids, and reads entries again after an overrun.
//!
//! Holds no descriptor of a namespace beyond one visit. What it changes is that a namespace has an id in ours, which
//! every veth between the two would have given it as well.

use super::shared::{Shared, add};
use super::{Settings, Wish, reader};
use crate::inspect::source::netns::{Found, Namespaces, NetnsError};
use crate::inspect::source::now;
use crate::inspect::source::probe::{Probe, ProbeError};
use crate::model::event::{Change, ConntrackChange, Event};
use crate::model::identity::Netns;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};
use std::{fs, io};
use thiserror::Error;
use tokio::sync::mpsc::Sender;

/// What lasts when the thread is replaced by another.
pub(super) struct Post {
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    pub(super) wishes: Receiver<Wish>,
    pub(super) events: Sender<Vec<Event>>,
    /// Told when every namespace that there is has been looked at.
    pub(super) looked: SyncSender<()>,
}

/// How it ended.
pub(super) enum Ended {
    /// It cannot come home from another namespace: it is to be replaced.
    Stranded,
    Done,
}

pub(super) struct Cover<'a> {
    post: &'a Post,
    namespaces: Namespaces,
    /// When each was looked at, by inode.
    checked: HashMap<u32, Instant>,
    /// Those met in connections that have neither name nor process, by inode.
    hidden: HashMap<u32, Netns>,
    /// When entries may be read again.
    next_reading: Instant,
}

#[derive(Debug, Error)]
enum CoverError {
    #[error(transparent)]
    Netns(#[from] NetnsError),
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

impl<'a> Cover<'a> {
    /// The calling thread's namespace is the own one.
    pub(super) fn new(post: &'a Post) -> io::Result<Self> {
        Ok(Self {
            post,
            namespaces: Namespaces::new()?,
            checked: HashMap::new(),
            hidden: HashMap::new(),
            next_reading: Instant::now(),
        })
    }

    /// Works until nobody wishes for anything any more.
    pub(super) fn run(mut self) -> Ended {
        let mut next_look = Instant::now();
        loop {
            if Instant::now() >= next_look {
                let started = Instant::now();
                self.look();
                next_look = Instant::now() + LOOK_EVERY.max(started.elapsed() * LOOK_SHARE);
                // Only the first time is somebody waiting for it.
                let _ = self.post.looked.try_send(());
            }
            if Instant::now() >= self.next_reading && self.post.shared.stale.swap(false, Ordering::Relaxed) {
                let started = Instant::now();
                self.read_again();
                self.next_reading = Instant::now() + READING_PAUSE.max(started.elapsed() * READING_SHARE);
            }
            if self.namespaces.stranded() {
                return Ended::Stranded;
            }
            let pause = next_look.saturating_duration_since(Instant::now());
            match self.post.wishes.recv_timeout(pause) {
                Ok(Wish::Look) => next_look = next_look.min(Instant::now() + LOOK_PAUSE),
                Ok(Wish::Find(netns)) if self.post.shared.knows(netns) => {}
                Ok(Wish::Find(netns)) => self.find(netns),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ended::Done,
            }
        }
    }

    /// Looks at every namespace that was not looked at for a while.
    fn look(&mut self) {
        let (started, judged) = (Instant::now(), self.post.shared.judged());
        let all = self.namespaces.all();
        let seen: HashSet<u32> = all.iter().map(|(inode, _)| *inode).collect();
        self.hidden.retain(|inode, _| !seen.contains(inode));
        for netns in self.hidden.values().copied().collect::<Vec<_>>() {
            if !self.is_fresh(netns.inode, &judged) {
                self.find(netns);
            }
        }
        let is_there = |inode: u32| seen.contains(&inode) || self.hidden.contains_key(&inode);
        self.post.shared.forget_uncovered(is_there);
        self.checked.retain(|inode, _| is_there(*inode));
        for (inode, path) in all {
            if self.is_fresh(inode, &judged) {
                continue;
            }
            if started.elapsed() > LOOK_MAX {
                tracing::warn!("looking at all network namespaces takes long: the rest comes later");
                return;
            }
            match self.namespaces.open_path(inode, path) {
                Ok(found) => self.judge(&found),
                // Gone since.
                Err(NetnsError::Gone) => {}
                Err(error) => self.uncovered(inode, &error.to_string()),
            }
        }
    }

    fn is_fresh(&self, inode: u32, judged: &HashSet<u32>) -> bool {
        let checked = self.checked.get(&inode);
        checked.is_some_and(|at| at.elapsed() < CHECK_AGAIN)
            && (judged.contains(&inode) || inode == self.post.shared.own.inode)
    }

    /// One that was met in another way, and may have neither name nor process.
    fn find(&mut self, netns: Netns) {
        match self.namespaces.find_quickly(netns) {
            Ok(found) => self.judge(&found),
            Err(NetnsError::Gone | NetnsError::Unknown) => {
                self.hidden.remove(&netns.inode);
                return;
            }
            Err(error) => self.uncovered(netns.inode, &error.to_string()),
        }
        if self.hidden.len() < HIDDEN_MAX {
            self.hidden.insert(netns.inode, netns);
        }
    }

    fn judge(&mut self, found: &Found) {
        match self.cover(found) {
            Ok(None) => self.post.shared.set_covered(found.inode),
            Ok(Some(reason)) => self.uncovered(found.inode, &reason),
            Err(CoverError::Netns(NetnsError::Gone)) => {}
            Err(error) => self.uncovered(found.inode, &error.to_string()),
        }
        self.checked.insert(found.inode, Instant::now());
    }

    /// Makes its changes reach our socket; why they do not.
    fn cover(&mut self, found: &Found) -> Result<Option<String>, CoverError> {
        let (netns, setting) = self
            .namespaces
            .inside(found, |netns| (netns, fs::read_to_string(SETTING).ok()))?;
        let is_own = netns == self.post.shared.own;
        let reason = match setting.as_deref().map(str::trim) {
            Some("0") => Some(format!("{NAME} is 0 there")),
            Some("2") if self.post.settings.listeners_per_namespace && !is_own => Some(format!(
                "{NAME} is 2 there, which on this kernel needs a listener in that very namespace; 1 would do"
            )),
            _ => None,
        };
        let mut probe = Probe::new(Instant::now() + VISIT_MAX);
        let descriptor = found.descriptor().unwrap_or_else(|| self.namespaces.home());
        let mut id = probe.id_of(descriptor)?;
        if id.is_none() && !is_own && reason.is_none() {
            probe.give_id(descriptor)?;
            id = probe.id_of(descriptor)?;
        }
        Ok(match id {
            Some(id) if !self.post.shared.name(id, netns) => Some("there are too many".to_owned()),
            None if !is_own && reason.is_none() => Some("it got no id here".to_owned()),
            _ => reason,
        })
    }

    fn uncovered(&self, inode: u32, reason: &str) {
        if self.post.shared.set_uncovered(inode, reason) {
            tracing::warn!(inode, reason, "conntrack changes of a network namespace are not told");
        }
    }

    /// Tells the state of every TCP entry again, as an update.
    fn read_again(&mut self) {
        let started = Instant::now();
        let mut room = READING_ENTRIES_MAX;
        for netns in self.post.shared.covered() {
            let in_time = started.elapsed() < READING_MAX;
            match self.read_entries(netns, if in_time { room } else { 0 }) {
                Ok((events, left_out)) => {
                    room = room.saturating_sub(events.len());
                    add(&self.post.shared.counters.not_read_again, left_out);
                    // No namespace is held here, however long it takes.
                    if !events.is_empty() && self.post.events.blocking_send(events).is_err() {
                        return;
                    }
                }
                Err(CoverError::Netns(NetnsError::Gone)) => {}
                Err(error) => {
                    tracing::warn!(inode = netns.inode, %error, "conntrack entries cannot be read again");
                    add(&self.post.shared.counters.not_read_again, 1);
                }
            }
        }
    }

    /// Up to `room` entries of a namespace, and how many there are besides.
    fn read_entries(&mut self, netns: Netns, room: usize) -> Result<(Vec<Event>, u64), CoverError> {
        let found = self.namespaces.find_quickly(netns)?;
        let read = self.namespaces.inside(&found, |netns| {
            let mut probe = Probe::new(Instant::now() + VISIT_MAX);
            let count = usize::try_from(probe.conntrack_count()?).unwrap_or(usize::MAX);
            let mut events = Vec::new();
            if count == 0 || room == 0 {
                return Ok((events, count));
            }
            let ended = probe.conntrack_dump(|entry| {
                if events.len() >= room {
                    return ControlFlow::Break(());
                }
                let change = Change::Update;
                let by = None;
                events.push(reader::event(netns, now(), ConntrackChange { change, entry, by }));
                ControlFlow::Continue(())
            });
            // Entries of other protocols are among the count: what was cut short misses at most so many.
            let left_out = if ended.is_ok() && events.len() < room {
                0
            } else {
                count.saturating_sub(events.len())
            };
            Ok::<_, ProbeError>((events, left_out))
        })??;
        let (events, left_out) = read;
        Ok((events, u64::try_from(left_out).unwrap_or(u64::MAX)))
    }
}

/// Where the thread's namespace keeps the setting.
const SETTING: &str = "/proc/sys/net/netfilter/nf_conntrack_events";
const NAME: &str = "net.netfilter.nf_conntrack_events";
/// How often it looks for new namespaces, and how many times as long as a look took it does not.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_SHARE: u32 = 50;
/// For one look.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// How long a look that is wished for waits for more reasons.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// How long what was found of a namespace is believed: settings change.
const CHECK_AGAIN: Duration = Duration::from_secs(30);
const HIDDEN_MAX: usize = 1024;
/// How long one namespace may be held.
const VISIT_MAX: Duration = Duration::from_millis(500);
/// Reading entries again: how many, how long, and the pause after, at least and as many times as long as it took.
const READING_ENTRIES_MAX: usize = 100_000;
const READING_MAX: Duration = Duration::from_secs(5);
const READING_PAUSE: Duration = Duration::from_secs(5);
const READING_SHARE: u32 = 10;
