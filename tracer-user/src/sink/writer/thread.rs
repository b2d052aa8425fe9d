//! The writing thread: takes batches, makes them lines, writes them whole.

use crate::sink::clock::Clock;
use crate::sink::jsonl;
use crate::sink::record::{Format, Record};
use crate::sink::term::Term;
use crate::sink::writer::Shared;
use crate::sink::writer::queue::{Item, Phase, Queue, Waiting};
use std::collections::VecDeque;
use std::io;
use std::io::ErrorKind;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) struct Output {
    sink: Box<dyn io::Write + Send>,
    form: Form,
    clock: Clock,
    seq: u64,
    /// That of the last `hello`.
    session: Option<String>,
    /// Lines that are not written yet.
    lines: Vec<u8>,
    /// How much of `lines` is written.
    done: usize,
    /// Records in `lines`, our own losses left out.
    pending: u64,
    shared: Arc<Shared>,
    changed: Box<dyn Fn() + Send>,
}

enum Form {
    Json,
    Text { term: Term, text: String },
}

/// The output takes nothing more.
struct Over;

impl Output {
    pub(super) fn new(
        sink: Box<dyn io::Write + Send>,
        format: Format,
        clock: Clock,
        shared: Arc<Shared>,
        changed: Box<dyn Fn() + Send>,
    ) -> Self {
        let form = match format {
            Format::Json => Form::Json,
            Format::Text { width, verbose } => Form::Text {
                term: Term::new(width, verbose),
                text: String::new(),
            },
        };
        Self {
            sink,
            form,
            clock,
            seq: 0,
            session: None,
            lines: Vec::with_capacity(2 * CHUNK),
            done: 0,
            pending: 0,
            shared,
            changed,
        }
    }

    pub(super) fn run(mut self) {
        let mut batch = VecDeque::new();
        while self.next(&mut batch) && self.write_batch(&mut batch).is_ok() {}
        let mut queue = self.shared.lock();
        queue.ended = true;
        self.shared.ended.notify_all();
    }

    /// Waits for a batch; false at the end.
    fn next(&self, batch: &mut VecDeque<Item>) -> bool {
        let mut queue = self.shared.lock();
        while queue.is_empty() && queue.phase == Phase::Running {
            queue.waiting_for = Waiting::Anything;
            queue = self.shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if !queue.is_due() {
            queue.waiting_for = Waiting::Batch;
            let waited = self
                .shared
                .wake
                .wait_timeout_while(queue, LINGER, |queue| !queue.is_due());
            (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        queue.take(batch);
        !batch.is_empty()
    }

    fn write_batch(&mut self, batch: &mut VecDeque<Item>) -> Result<(), Over> {
        for item in batch.drain(..) {
            if let Item::Clock(clock) = item {
                self.clock = clock;
            }
            item.each(|record| self.append(record));
            self.pending += u64::from(item.is_record());
            if self.lines.len() >= CHUNK {
                self.flush()?;
            }
        }
        self.flush()
    }

    fn append(&mut self, record: Record<'_>) {
        if let Record::Hello(hello) = record {
            self.session = Some(hello.session.clone());
        }
        match &mut self.form {
            Form::Json => jsonl::write(record, self.clock, self.seq, self.session.as_deref(), &mut self.lines),
            Form::Text { term, text } => {
                text.clear();
                term.write(record, self.clock, text);
                self.lines.extend_from_slice(text.as_bytes());
            }
        }
        self.seq += 1;
    }

    /// Writes all lines, however long that takes: what is left of a line after an error is written before anything else.
    fn flush(&mut self) -> Result<(), Over> {
        while let Some(rest) = self.lines.get(self.done..).filter(|rest| !rest.is_empty()) {
            match self.sink.write(rest) {
                Ok(0) => self.failed(&ErrorKind::WriteZero.into())?,
                Ok(written) => self.done += written,
                Err(error) => self.failed(&error)?,
            }
        }
        while let Err(error) = self.sink.flush() {
            self.failed(&error)?;
        }
        self.lines.clear();
        self.done = 0;
        let mut queue = self.shared.lock();
        queue.wrote(self.pending);
        self.pending = 0;
        let recovered = queue.failing.take().is_some();
        drop(queue);
        if recovered {
            (self.changed)();
        }
        Ok(())
    }

    /// Decides what to do about an error: again at once, again later, or never.
    fn failed(&self, error: &io::Error) -> Result<(), Over> {
        let kind = error.kind();
        if kind == ErrorKind::Interrupted {
            return Ok(());
        }
        let mut queue = self.shared.lock();
        if kind == ErrorKind::WouldBlock {
            return self.pause(queue, BUSY, Phase::Abandoned);
        }
        let news = !queue.report.closed && queue.failing.is_none();
        if kind == ErrorKind::BrokenPipe {
            queue.report.closed = true;
        } else {
            queue.report.errors += 1;
            queue.report.error = Some(error.to_string());
            queue.failing = Some(error.to_string());
        }
        let over = queue.report.closed || queue.phase > Phase::Running;
        drop(queue);
        if news {
            (self.changed)();
        }
        if over {
            return Err(Over);
        }
        self.pause(self.shared.lock(), AGAIN, Phase::Finishing)
    }

    /// Waits for `time`, or until `phase` is reached.
    fn pause(&self, queue: MutexGuard<'_, Queue>, time: Duration, phase: Phase) -> Result<(), Over> {
        let waits = |queue: &mut Queue| queue.phase < phase;
        let waited = self.shared.wake.wait_timeout_while(queue, time, waits);
        let (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if queue.phase == Phase::Abandoned {
            Err(Over)
        } else {
            Ok(())
        }
    }
}

/// Bytes collected before they are written.
const CHUNK: usize = 64 * 1024;
/// How long a few records wait for more.
const LINGER: Duration = Duration::from_millis(50);
/// Pause before a non-blocking output is tried again.
const BUSY: Duration = Duration::from_millis(10);
/// Pause before a failing output (a full disk) is tried again.
const AGAIN: Duration = Duration::from_secs(1);
