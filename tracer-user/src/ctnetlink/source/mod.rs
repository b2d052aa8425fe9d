//! The stream: a thread that reads the socket, and one that visits namespaces.
//!
//! The only part of `ctnetlink` that does I/O. Every queue and table is bounded; what does not fit is counted.

mod cover;
mod listener;
mod raw;
mod reader;
mod shared;
mod waiting;

pub use shared::Counts;

use crate::confine::{self, Role};
use crate::inspect::source::netns::Namespaces;
use crate::model::event::Event;
use crate::model::identity::Netns;
use cover::{Cover, Ended, Post};
use listener::{Changes, IdChanges};
use reader::Reader;
use rustix::event::{EventfdFlags, eventfd};
use shared::Shared;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use waiting::Waiting;

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes of messages that may wait in the kernel; what does not fit is lost, and counted.
    pub receive_buffer: usize,
    /// The kernel turns events on only in the namespace of the one who listens.
    pub listeners_per_namespace: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            receive_buffer: RECEIVE_BUFFER,
            listeners_per_namespace: false,
        }
    }
}

#[derive(Debug, Error)]
pub enum StreamError {
    #[error("without CAP_NET_BROADCAST the kernel does not tell of other namespaces")]
    Privilege,
    #[error("{what}: {error}")]
    Io { what: &'static str, error: io::Error },
}

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Stream {
    events: mpsc::Receiver<Vec<Event>>,
    wishes: Option<SyncSender<Wish>>,
    stop: Arc<OwnedFd>,
    reader: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    met: HashSet<u64>,
}

/// What the visiting thread is asked for.
#[derive(Clone, Copy, Debug)]
enum Wish {
    /// There is a namespace that it does not know.
    Look,
    /// There is this one.
    Find(Netns),
}

impl Stream {
    /// Opens the socket, and waits until the namespaces that there are have been looked at, if that does not take long.
    pub fn start(settings: Settings) -> Result<Self, StreamError> {
        let failed = |what| move |error| StreamError::Io { what, error };
        if !caps::has_cap(None, caps::CapSet::Effective, caps::Capability::CAP_NET_BROADCAST).unwrap_or(true) {
            return Err(StreamError::Privilege);
        }
        let own = Namespaces::new().map_err(failed("the own network namespace"))?.own();
        let shared = Arc::new(Shared::new(own));
        let stop = eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| failed("eventfd")(error.into()))?;
        let stop = Arc::new(stop);
        let (wishes, inbox) = sync_channel(WISHES_MAX);
        let (sender, events) = mpsc::channel(BATCHES_MAX);
        let (looked, first_look) = sync_channel(1);
        // Before anybody looks: no id changes unnoticed.
        let ids = IdChanges::open().map_err(failed("a netlink socket for ids of namespaces"))?;
        let reader = Reader {
            changes: Changes::open(settings.receive_buffer).map_err(failed("a ctnetlink socket"))?,
            ids,
            stop: stop.clone(),
            shared: shared.clone(),
            wishes: wishes.clone(),
            events: sender.clone(),
            waiting: Waiting::default(),
            lossy: false,
        };
        let reader = start_thread("ctnetlink", move || reader.run())?;
        let stream = Self {
            events,
            wishes: Some(wishes),
            stop,
            reader: Some(reader),
            shared: shared.clone(),
            met: HashSet::new(),
        };
        let post = Post {
            settings,
            shared,
            wishes: inbox,
            events: sender,
            looked,
        };
        start_thread("ctnetlink-home", move || stay_at_home(post))?;
        if first_look.recv_timeout(FIRST_LOOK_MAX).is_err() {
            tracing::warn!("there are so many network namespaces that some are looked at only after the start");
        }
        Ok(stream)
    }

    /// The next changes; `None`: the stream broke off.
    pub async fn recv(&mut self) -> Option<Vec<Event>> {
        self.events.recv().await
    }

    /// A namespace that connections were met in: it may have neither a name nor a process to be found by.
    pub fn met(&mut self, netns: Netns) {
        if self.met.contains(&netns.id()) || netns.inode == 0 {
            return;
        }
        if self.met.len() >= MET_MAX {
            self.met.clear();
        }
        let sent = self.wishes.as_ref().map(|wishes| wishes.try_send(Wish::Find(netns)));
        if matches!(sent, Some(Ok(()))) {
            self.met.insert(netns.id());
        }
    }

    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// What the stream cannot see, in one line.
    pub fn limits(&self) -> String {
        let (first, all) = self.shared.uncovered(SHOWN_MAX);
        let mut text = LIMITS.to_owned();
        for (inode, reason) in &first {
            let _ = write!(text, "; not told: net:[{inode}] ({reason})");
        }
        if all > first.len() {
            let _ = write!(text, " and {} more namespaces", all - first.len());
        }
        text
    }

    /// Whether [`Self::limits`] has become another since the last call.
    pub fn limits_changed(&self) -> bool {
        self.shared.take_changed()
    }

    /// Ends it; the changes that were on their way.
    pub fn end(&mut self) -> Vec<Event> {
        self.signal_end();
        let patience = Instant::now() + END_MAX;
        let mut last = Vec::new();
        loop {
            let ended = self.reader.as_ref().is_none_or(JoinHandle::is_finished);
            match self.events.try_recv() {
                Ok(events) => last.extend(events),
                Err(TryRecvError::Empty) if !ended && Instant::now() < patience => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return last,
            }
        }
    }

    fn signal_end(&mut self) {
        // The visiting thread ends when the reading one has.
        self.wishes = None;
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.signal_end();
        // Whoever waits for room gets an error.
        self.events.close();
        while self.events.try_recv().is_ok() {}
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Runs the visiting thread, and another one whenever it could not come home.
fn stay_at_home(post: Post) {
    let mut post = post;
    loop {
        let visiting = thread::Builder::new().name("ctnetlink-visit".into()).spawn(move || {
            let ended = match Cover::new(&post) {
                Ok(cover) => cover.run(),
                Err(error) => {
                    tracing::error!(%error, "network namespaces cannot be visited");
                    Ended::Done
                }
            };
            (ended, post)
        });
        match visiting.map(JoinHandle::join) {
            Ok(Ok((Ended::Stranded, kept))) => {
                tracing::error!("the visiting thread is started again");
                post = kept;
            }
            Ok(Ok((Ended::Done, _)) | Err(_)) => return,
            Err(error) => return tracing::error!(%error, "the visiting thread cannot be started"),
        }
    }
}

fn start_thread(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StreamError> {
    let started = thread::Builder::new().name(name.into()).spawn(move || {
        confine::thread(Role::Inspect);
        work();
    });
    started.map_err(|error| StreamError::Io {
        what: "a thread of the stream",
        error,
    })
}

/// Some hundred milliseconds of a busy node.
const RECEIVE_BUFFER: usize = 32 << 20;
const BATCHES_MAX: usize = 64;
const WISHES_MAX: usize = 64;
/// Namespaces told to the visiting thread once.
const MET_MAX: usize = 8192;
const FIRST_LOOK_MAX: Duration = Duration::from_millis(500);
const END_MAX: Duration = Duration::from_millis(500);
/// Namespaces named one by one.
const SHOWN_MAX: usize = 3;
const LIMITS: &str = "entries older than this run tell their end only where net.netfilter.nf_conntrack_events was 1, \
                      and those of a deleted namespace nowhere";
