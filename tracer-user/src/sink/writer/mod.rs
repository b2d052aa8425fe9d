//! The thread that writes: pushing a record never waits for the output.
//!
//! A bounded queue lies between. Where it is full, events are lost first, then statistics, never findings; what is lost
//! is counted, and written as soon as there is room. Knows nothing about what records mean.
//!
//! `thread` makes lines of records and writes them to a `target`: a stream, or a rotated `file`.

mod batch;
mod file;
mod open;
mod queue;
mod seen;
mod target;
mod thread;

pub use file::RotateOptions;
pub use open::{create, stdout};

use crate::sink::clock::Clock;
use crate::sink::record::{Format, Record};
use file::RotatedFile;
use queue::{Phase, Queue};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use target::{Stream, Target};

/// The pushing side of an output. Dropped without [`Writer::finish`] it still writes what is queued, if it gets the time.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriterState {
    Open,
    /// The reader went away: nothing more is written.
    Closed,
    /// The last attempt failed, and why; it is tried again every second.
    Failing(String),
}

/// What became of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriterReport {
    /// Records written; the `loss` lines that an overflow makes are not among them.
    pub written: u64,
    /// Events, inquiries, answers and deadlines lost because the queue was full.
    pub lost_events: u64,
    /// `stats` lost because the queue was full.
    pub lost_stats: u64,
    /// Events, inquiries, answers and deadlines left out because the file system had too little room.
    pub left_out: u64,
    /// Parts of the file that this run has ended.
    pub parts: u32,
    /// Records that were queued and never written.
    pub unwritten: u64,
    /// Whether the reader went away.
    pub closed: bool,
    /// The last error that is not a closed pipe.
    pub error: Option<String>,
    /// How often writing failed.
    pub errors: u64,
    /// Whether it did not come to an end in time.
    pub timed_out: bool,
}

impl Writer {
    pub fn start(output: Box<dyn io::Write + Send>, format: Format, clock: Clock) -> io::Result<Self> {
        Self::start_with(output, format, clock, || {})
    }

    /// As [`Writer::start`]; `changed` is called, by the writing thread, when [`Writer::state`] has changed.
    pub fn start_with(
        output: Box<dyn io::Write + Send>,
        format: Format,
        clock: Clock,
        changed: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        Self::start_at(Box::new(Stream(output)), format, clock, Box::new(changed))
    }

    /// Writes JSONL to a file that is rotated; `changed` as for [`Writer::start_with`].
    ///
    /// Lines are added behind those of earlier runs. Every file begins with the last `hello` pushed, which is to be the
    /// first record; `part` of `hello` counts the files of this run, and `seq` runs on over them.
    ///
    /// # Errors
    /// The file cannot be opened or repaired, is no regular file, or was not written by conntracer.
    pub fn start_file(options: RotateOptions, clock: Clock, changed: impl Fn() + Send + 'static) -> io::Result<Self> {
        let file = RotatedFile::open(options)?;
        Self::start_at(Box::new(file), Format::Json, clock, Box::new(changed))
    }

    fn start_at(
        target: Box<dyn Target>,
        format: Format,
        clock: Clock,
        changed: Box<dyn Fn() + Send>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let output = thread::Output::new(target, format, clock, Arc::clone(&shared), changed);
        let thread = std::thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || output.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Queues a copy of `record`.
    pub fn push(&self, record: Record<'_>) {
        self.extend([record]);
    }

    /// As [`Writer::push`] of each, at the cost of one.
    pub fn extend<'a>(&self, records: impl IntoIterator<Item = Record<'a>>) {
        let wakes = self.shared.lock().extend(records);
        if wakes {
            self.shared.wake.notify_one();
        }
    }

    /// The clock for records pushed from now on.
    pub fn set_clock(&self, clock: Clock) {
        self.shared.lock().set_clock(clock);
    }

    /// Has the thread look at once what is at the path of its file, and begin another one if that is not the file that
    /// it writes: for SIGHUP. A stream has no path.
    pub fn reopen(&self) {
        self.shared.lock().reopen = true;
        self.shared.wake.notify_one();
    }

    /// What became of the output so far.
    pub fn report(&self) -> WriterReport {
        let queue = self.shared.lock();
        WriterReport {
            unwritten: queue.waiting(),
            ..queue.report.clone()
        }
    }

    pub fn state(&self) -> WriterState {
        let queue = self.shared.lock();
        match &queue.failing {
            _ if queue.report.closed => WriterState::Closed,
            Some(error) => WriterState::Failing(error.clone()),
            None => WriterState::Open,
        }
    }

    /// Writes what is queued and ends the thread, within [`FINISH`].
    pub fn finish(self) -> WriterReport {
        self.finish_within(FINISH)
    }

    /// As [`Writer::finish`]; a thread that hangs in its output longer than that is left behind.
    pub fn finish_within(mut self, time: Duration) -> WriterReport {
        let mut queue = self.shared.lock();
        queue.phase = Phase::Finishing;
        self.shared.wake.notify_one();
        let ended = self.shared.ended.wait_timeout_while(queue, time, |queue| !queue.ended);
        let (mut queue, _) = ended.unwrap_or_else(PoisonError::into_inner);
        let mut report = queue.report.clone();
        report.unwritten += queue.waiting();
        report.timed_out = !queue.ended;
        queue.phase = Phase::Abandoned;
        drop(queue);
        if !report.timed_out
            && let Some(thread) = self.thread.take()
        {
            // It has said its last word; a panic in it would have been reported by the panic hook.
            let _ = thread.join();
        }
        report
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.phase = queue.phase.max(Phase::Finishing);
        self.shared.wake.notify_one();
    }
}

/// The smallest page of the kernels that this runs on: a write(2) to a file that is killed ends with a page.
const PAGE: usize = 4096;

/// How long the end of a run waits for a slow output.
pub const FINISH: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// For the writing thread.
    wake: Condvar,
    /// For [`Writer::finish_within`].
    ended: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod folder;
#[cfg(test)]
mod tests;
