//! The writing thread: takes batches, makes them lines, writes them whole.

use crate::model::time::Timestamp;
use crate::sink::clock::Clock;
use crate::sink::jsonl;
use crate::sink::record::{Format, Hello, Loss, LossSource, Record};
use crate::sink::term::Term;
use crate::sink::writer::Shared;
use crate::sink::writer::batch::{Batch, Item};
use crate::sink::writer::queue::{Phase, Queue, Turn, Waiting, is_event};
use crate::sink::writer::target::{Place, Target};
use std::io::{self, ErrorKind};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use std::{iter, mem};

pub(super) struct Output {
    target: Box<dyn Target>,
    form: Form,
    clock: Clock,
    /// The latest time that a record told: the sinks read no clock.
    now: Timestamp,
    seq: u64,
    /// The last `hello`, with which every file begins.
    hello: Option<Box<Hello>>,
    /// Number of the file within the run.
    part: u32,
    /// There is too little room for events.
    is_short: bool,
    /// Events that were left out for that and are not told of yet.
    left_out: u64,
    /// Lines that are not written yet.
    lines: Vec<u8>,
    /// How much of `lines` is written.
    done: usize,
    /// Records in `lines`, our own losses left out.
    pending: u64,
    /// Records that were left out since `pending` was last told.
    skipped: u64,
    /// Pause before a failing target (a full disk) is tried again.
    pub(super) again: Duration,
    shared: Arc<Shared>,
    changed: Box<dyn Fn() + Send>,
}

enum Form {
    Json,
    Text { term: Term, text: String },
}

/// The output takes nothing more.
pub(super) struct Over;

impl Output {
    pub(super) fn new(
        target: Box<dyn Target>,
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
            target,
            form,
            clock,
            now: Timestamp::default(),
            seq: 0,
            hello: None,
            part: 0,
            is_short: false,
            left_out: 0,
            lines: Vec::with_capacity(2 * CHUNK),
            done: 0,
            pending: 0,
            skipped: 0,
            again: AGAIN,
            shared,
            changed,
        }
    }

    pub(super) fn run(mut self) {
        let mut batch = Batch::default();
        while let Some(turn) = self.next(&mut batch)
            && self.write_batch(&mut batch, turn).is_ok()
        {}
        let Self { mut target, shared, .. } = self;
        target.finish();
        drop(target);
        shared.lock().ended = true;
        shared.ended.notify_all();
    }

    /// Waits for a batch, or to be told to look at the target; `None` at the end.
    fn next(&self, batch: &mut Batch) -> Option<Turn> {
        let mut queue = self.shared.lock();
        while queue.is_empty() && queue.phase == Phase::Running && !queue.reopen {
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
        let turn = queue.take(batch);
        (turn.reopen || !batch.is_empty()).then_some(turn)
    }

    pub(super) fn write_batch(&mut self, batch: &mut Batch, turn: Turn) -> Result<(), Over> {
        self.now = self.now.max(batch.latest().unwrap_or_default());
        self.look(turn.reopen)?;
        batch.drain(|item| {
            match item {
                Item::Clock(clock) => self.clock = clock,
                Item::Record(record) => {
                    self.append(record)?;
                    self.pending += 1;
                }
                Item::Lost(loss) => self.append(Record::Loss(loss))?,
            }
            if self.lines.len() >= CHUNK {
                self.flush()
            } else {
                Ok(())
            }
        })?;
        self.flush()
    }

    /// Looks at the target while no line is half written.
    fn look(&mut self, force: bool) -> Result<(), Over> {
        let mut looked = self.target.look(self.wall(), force);
        while let Err(error) = &looked {
            self.failed(error)?;
            looked = self.target.look(self.wall(), true);
        }
        let outlook = looked.unwrap_or_default();
        self.is_short = outlook.is_short;
        if outlook.is_new {
            self.begin_part();
        }
        Ok(())
    }

    /// Begins a new file with `hello`, before the lines that are not written yet.
    fn begin_part(&mut self) {
        let rest = self.lines.split_off(self.done);
        self.lines.clear();
        self.done = 0;
        self.seq -= jsonl::count(&rest);
        // A file that has nothing of this run is none of its parts.
        self.part += u32::from(self.seq > 0);
        if let Some(hello) = self.hello.clone() {
            self.put(Record::Hello(&Hello {
                at: self.now,
                part: self.part,
                ..*hello
            }));
        }
        self.seq = jsonl::renumber(&rest, self.seq, &mut self.lines);
    }

    fn append(&mut self, record: Record<'_>) -> Result<(), Over> {
        if self.is_short && is_event(record) {
            self.left_out += 1;
            self.skipped += 1;
            return Ok(());
        }
        if self.left_out > 0 {
            let loss = Loss {
                at: self.now,
                source: LossSource::Queue("disk-floor".into()),
                cpu: None,
                lost: mem::take(&mut self.left_out),
            };
            self.append_line(Record::Loss(&loss))?;
        }
        let Record::Hello(hello) = record else {
            return self.append_line(record);
        };
        let mut hello = hello.clone();
        hello.part = self.part;
        self.hello = Some(Box::new(hello.clone()));
        self.append_line(Record::Hello(&hello))
    }

    /// Appends a line to `lines`, behind the beginning of the next part where it belongs there.
    fn append_line(&mut self, record: Record<'_>) -> Result<(), Over> {
        let start = self.lines.len();
        self.render(record);
        match self.target.place(start, self.lines.len() - start) {
            Place::Here { indent } => {
                self.indent(start, indent);
                self.seq += 1;
            }
            Place::NextPart => {
                self.lines.truncate(start);
                self.flush()?;
                self.next_part()?;
                if !matches!(record, Record::Hello(_)) {
                    self.put(record);
                }
            }
        }
        Ok(())
    }

    fn next_part(&mut self) -> Result<(), Over> {
        while let Err(error) = self.target.next_part(self.wall(), self.part) {
            self.failed(&error)?;
        }
        self.begin_part();
        Ok(())
    }

    /// Appends a line that belongs here in any case.
    fn put(&mut self, record: Record<'_>) {
        let start = self.lines.len();
        self.render(record);
        if let Place::Here { indent } = self.target.place(start, self.lines.len() - start) {
            self.indent(start, indent);
        }
        self.seq += 1;
    }

    /// Puts spaces before the line that begins at `start`.
    fn indent(&mut self, start: usize, indent: usize) {
        if indent > 0 {
            self.lines.splice(start..start, iter::repeat_n(b' ', indent));
        }
    }

    fn wall(&self) -> jiff::Timestamp {
        self.clock.wall(self.now)
    }

    fn render(&mut self, record: Record<'_>) {
        match &mut self.form {
            Form::Json => {
                let session = self.hello.as_ref().map(|hello| hello.session.as_str());
                jsonl::write(record, self.clock, self.seq, session, &mut self.lines);
            }
            Form::Text { term, text } => {
                text.clear();
                term.write(record, self.clock, text);
                self.lines.extend_from_slice(text.as_bytes());
            }
        }
    }
    /// Writes all lines, however long that takes: what is left of a line after an error is written before anything else.
    fn flush(&mut self) -> Result<(), Over> {
        while let Some(rest) = self.lines.get(self.done..).filter(|rest| !rest.is_empty()) {
            match self.target.write(rest) {
                Ok(0) => self.retry(&ErrorKind::WriteZero.into())?,
                Ok(written) => self.done += written,
                Err(error) => self.retry(&error)?,
            }
        }
        while let Err(error) = self.target.flush() {
            self.failed(&error)?;
        }
        self.lines.clear();
        self.done = 0;
        let mut queue = self.shared.lock();
        queue.wrote(mem::take(&mut self.pending), mem::take(&mut self.skipped));
        queue.report.parts = self.part;
        let recovered = queue.failing.take().is_some();
        drop(queue);
        if recovered {
            (self.changed)();
        }
        Ok(())
    }

    /// Waits after an error. Where the target can take back what is half written, it shows whole lines meanwhile, and is
    /// looked at again: a full disk may be the fault of a file that was deleted and is still held open here.
    fn retry(&mut self, error: &io::Error) -> Result<(), Over> {
        let written = self.lines.get(..self.done).unwrap_or_default();
        let half = written.iter().rev().take_while(|byte| **byte != b'\n').count();
        if half > 0 && !self.target.take_back(half) {
            return self.failed(error);
        }
        self.done -= half;
        self.failed(error)?;
        self.look(true)
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
        self.pause(self.shared.lock(), self.again, Phase::Finishing)
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
/// See [`Output::again`].
const AGAIN: Duration = Duration::from_secs(1);
