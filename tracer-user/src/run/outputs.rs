//! Everything that records go to, and the one place where they are redacted before.

use crate::redact::Redactor;
use crate::sink::{Clock, Record, Writer, WriterReport, WriterState};

#[derive(Debug)]
pub struct Outputs {
    writer: Writer,
    redactor: Option<Redactor>,
}

impl Outputs {
    /// Without a redactor records are written as they are.
    pub fn new(writer: Writer, redactor: Option<Redactor>) -> Self {
        Self { writer, redactor }
    }

    pub fn push(&self, record: Record<'_>) {
        match &self.redactor {
            Some(redactor) => self.hand_out(redactor.record(record).record()),
            None => self.hand_out(record),
        }
    }

    /// The clock for records pushed from now on.
    pub fn set_clock(&self, clock: Clock) {
        self.writer.set_clock(clock);
    }

    /// Of the output that a run cannot do without.
    pub fn state(&self) -> WriterState {
        self.writer.state()
    }

    pub fn finish(self) -> WriterReport {
        self.writer.finish()
    }

    fn hand_out(&self, record: Record<'_>) {
        self.writer.push(record);
    }
}
