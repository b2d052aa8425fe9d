//! The thread that reads: decodes changes, says which namespace they are of, and hands them on in batches.
//!
//! Never leaves our namespace. When nobody takes its batches it waits, and what comes too fast is lost in the kernel,
//! which counts it.

use super::Wish;
use super::listener::{Changes, IdChange, IdChanges, Next};
use super::shared::{Shared, add};
use super::waiting::Waiting;
use crate::ctnetlink::change::changes;
use crate::inspect::source::now;
use crate::model::event::{ConntrackChange, Event, EventKind};
use crate::model::identity::Netns;
use crate::model::time::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

pub(super) struct Reader {
    pub(super) changes: Changes,
    pub(super) ids: IdChanges,
    /// Readable when it is to end.
    pub(super) stop: Arc<OwnedFd>,
    pub(super) shared: Arc<Shared>,
    pub(super) wishes: SyncSender<Wish>,
    pub(super) events: Sender<Vec<Event>>,
    pub(super) waiting: Waiting,
    pub(super) lossy: bool,
}

/// One change and the id that it came with.
type Read = (Option<i32>, ConntrackChange);

impl Reader {
    /// Reads until it is told to end, or nobody takes what it read.
    pub(super) fn run(mut self) {
        loop {
            let ending = match self.wait(WAIT_MAX) {
                Ok(ending) => ending,
                Err(error) => return tracing::error!(%error, "conntrack changes cannot be waited for"),
            };
            match self.drain() {
                Ok(true) if !ending => {}
                Ok(_) => return,
                Err(error) => return tracing::error!(%error, "conntrack changes cannot be read"),
            }
            // The kernel wakes a waiting reader for every message; one that rests is not waited for.
            if self.rest().is_err() {
                return;
            }
        }
    }

    /// Waits until there is something to read; `true`: the end has come.
    fn wait(&self, longest: Duration) -> io::Result<bool> {
        let longest = Timespec::try_from(longest).map_err(io::Error::other)?;
        let mut sources = [
            PollFd::new(&self.stop, PollFlags::IN),
            PollFd::new(&self.changes, PollFlags::IN),
            PollFd::new(&self.ids, PollFlags::IN),
        ];
        match poll(&mut sources, Some(&longest)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [stop, ..] = &sources;
        Ok(!stop.revents().is_empty())
    }

    fn rest(&self) -> io::Result<()> {
        let rest = Timespec::try_from(REST).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.stop, PollFlags::IN)], Some(&rest)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what there is. `false`: nobody wants it any more.
    fn drain(&mut self) -> io::Result<bool> {
        loop {
            let mut read = Vec::new();
            let more = self.read(&mut read)?;
            let at = now();
            // Whatever was done to an id before a message was sent has been told by now.
            let freed = self.follow_ids()?;
            let events = self.identify(read, &freed, at);
            if !events.is_empty() && self.events.blocking_send(events).is_err() {
                return Ok(false);
            }
            if !more {
                return Ok(true);
            }
        }
    }

    /// Takes a batch; `true`: there may be more.
    fn read(&mut self, read: &mut Vec<Read>) -> io::Result<bool> {
        let counters = &self.shared.counters;
        while read.len() < BATCH {
            let (datagram, nsid) = match self.changes.next()? {
                Next::Some(some) => some,
                Next::Overrun => {
                    self.lossy = true;
                    continue;
                }
                Next::Empty => {
                    self.count_losses();
                    return Ok(false);
                }
            };
            for change in changes(datagram) {
                add(&counters.messages, 1);
                match change {
                    Ok(Some(change)) => read.push((nsid, change)),
                    Ok(None) => {}
                    Err(error) => {
                        add(&counters.undecodable, 1);
                        tracing::debug!(%error, "a conntrack change is left out");
                    }
                }
            }
        }
        Ok(true)
    }

    /// After an overrun the kernel drops everything until its queue is empty: then the count is whole.
    fn count_losses(&mut self) {
        if !std::mem::take(&mut self.lossy) {
            return;
        }
        let lost = self.changes.lost();
        add(&self.shared.counters.overrun, u64::from(lost));
        self.shared.stale.store(true, Ordering::Relaxed);
        self.wish(Wish::Look);
        tracing::debug!(lost, "conntrack changes came faster than they were read");
    }

    /// Follows ids of namespaces; the ones that were freed.
    fn follow_ids(&mut self) -> io::Result<HashSet<i32>> {
        let mut freed = HashSet::new();
        loop {
            match self.ids.next()? {
                Next::Empty => return Ok(freed),
                Next::Overrun => {
                    self.shared.free_all();
                    self.waiting.clear_nameless();
                    self.wish(Wish::Look);
                }
                Next::Some(ids) => {
                    for id in ids {
                        self.follow_id(id, &mut freed);
                    }
                }
            }
        }
    }

    fn follow_id(&mut self, change: IdChange, freed: &mut HashSet<i32>) {
        match change {
            IdChange::Given(id) => {
                if self.shared.netns(Some(id)).is_none() {
                    self.wish(Wish::Look);
                }
            }
            IdChange::Freed(id) => {
                self.shared.free(id);
                add(&self.shared.counters.nameless, self.waiting.free(id));
                freed.insert(id);
            }
        }
    }

    /// Makes events of what is known to be of a namespace, of now and of before.
    fn identify(&mut self, read: Vec<Read>, freed: &HashSet<i32>, at: Timestamp) -> Vec<Event> {
        let (moment, shared) = (Instant::now(), &self.shared);
        let mut events = Vec::with_capacity(read.len());
        let mut nameless = self.waiting.sort(
            moment,
            |id| shared.netns(Some(id)),
            |netns, at, change| events.push(event(netns, at, change)),
        );
        let mut unknown = false;
        for (nsid, change) in read {
            let again = nsid.is_some_and(|id| freed.contains(&id));
            match (shared.netns(nsid), nsid) {
                // It may be of the one that had the id before, or of the one that has it now.
                _ if again => nameless += 1,
                (Some(netns), _) => events.push(event(netns, at, change)),
                (None, Some(id)) if self.waiting.push(id, at, change, moment) => unknown = true,
                (None, _) => nameless += 1,
            }
        }
        add(&shared.counters.nameless, nameless);
        if unknown {
            self.wish(Wish::Look);
        }
        events
    }

    fn wish(&self, wish: Wish) {
        // Full: a look is to come anyway.
        let _ = self.wishes.try_send(wish);
    }
}

pub(super) fn event(netns: Netns, at: Timestamp, change: ConntrackChange) -> Event {
    Event {
        at,
        cpu: 0,
        netns,
        socket: None,
        tuple: None,
        owner: None,
        kind: EventKind::Conntrack(change),
    }
}

/// Changes handed on in one go.
const BATCH: usize = 512;
/// How long an emptied socket is left alone. A change is told this much later, and its time is that of the reading.
const REST: Duration = Duration::from_millis(10);
/// How often changes that wait for their namespace are looked at, if nothing else happens.
const WAIT_MAX: Duration = Duration::from_millis(100);
