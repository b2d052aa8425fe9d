//! Where records go: files and streams, an exporter, and the board that an agent shows.

use crate::board::SharedBoard;
use crate::model::event::Event;
use crate::model::translation::Port;
use crate::otlp::Exporter;
use crate::redact::Redactor;
use crate::sink::{Clock, Record, Stats, Writer, WriterState, writer};
use std::time::Duration;

/// Everything that takes records; each of them bounded, none of them waited for.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Takes out what is not to be told, for all of them.
    pub redactor: Option<Redactor>,
    pub writers: Vec<Writer>,
    pub exporter: Option<Exporter>,
    pub board: Option<SharedBoard>,
    /// How often `stats` are written; the board has them more often.
    pub stats_interval: Option<Duration>,
}

impl Outputs {
    /// One output; `None`: records are written as they are.
    pub fn new(writer: Writer, redactor: Option<Redactor>) -> Self {
        Self {
            redactor,
            ..writer.into()
        }
    }

    pub fn push(&self, record: Record<'_>) {
        match &self.redactor {
            Some(redactor) => self.push_as_it_is(redactor.record(record).record()),
            None => self.push_as_it_is(record),
        }
    }

    /// As [`Self::push`] of each, at the cost of one.
    pub(super) fn extend<'a>(&self, events: impl Iterator<Item = &'a Event> + Clone) {
        if self.redactor.is_some() {
            return events.for_each(|event| self.push(Record::Event(event)));
        }
        for writer in &self.writers {
            writer.extend(events.clone().map(Record::Event));
        }
        if let Some(exporter) = &self.exporter {
            events.for_each(|event| exporter.push(Record::Event(event)));
        }
    }

    fn push_as_it_is(&self, record: Record<'_>) {
        for writer in &self.writers {
            writer.push(record);
        }
        if let Some(exporter) = &self.exporter {
            exporter.push(record);
        }
        if let (Some(board), false) = (&self.board, matches!(record, Record::Event(_))) {
            board.take(record);
        }
    }

    /// Every event is counted on the board, whether or not it is written.
    pub(super) fn saw(&self, event: &Event) {
        if let Some(board) = &self.board {
            board.take(Record::Event(event));
        }
    }

    /// For the board alone: it is not time to write them.
    pub(super) fn show(&self, stats: &Stats) {
        if let Some(board) = &self.board {
            board.take(Record::Stats(stats));
        }
    }

    /// Shows these stolen ports in the place of those before, and writes them, if they are to be written.
    pub(super) fn ports(&self, mut ports: Vec<Port>, are_written: bool) {
        if let Some(redactor) = &self.redactor {
            for port in &mut ports {
                redactor.port(port);
            }
        }
        for port in ports.iter().filter(|_| are_written) {
            self.push_as_it_is(Record::Port(port));
        }
        if let Some(board) = &self.board {
            board.update(|board| board.replace_ports(ports));
        }
    }

    /// The clock for records pushed from now on.
    pub fn set_clock(&self, clock: Clock) {
        for writer in &self.writers {
            writer.set_clock(clock);
        }
        if let Some(exporter) = &self.exporter {
            exporter.set_clock(clock);
        }
    }

    /// Begins files anew that were moved away.
    pub(super) fn reopen(&self) {
        self.writers.iter().for_each(Writer::reopen);
    }

    /// Whether the reader of one of them went away.
    pub(super) fn is_closed(&self) -> bool {
        self.writers.iter().any(|writer| writer.state() == WriterState::Closed)
    }

    /// Why something cannot be written now, a phrase each.
    pub(super) fn failures(&self) -> Vec<String> {
        let states = self.writers.iter().map(Writer::state);
        let failing = states.filter_map(|state| match state {
            WriterState::Failing(error) => Some(format!("the output cannot be written: {error}")),
            WriterState::Open | WriterState::Closed => None,
        });
        failing.collect()
    }

    /// What was lost on its way out so far, by queue; writers tell of theirs by themselves.
    pub(super) fn losses(&self) -> Option<(&'static str, u64)> {
        let dropped = self.exporter.as_ref()?.stats().dropped;
        Some(("otlp", dropped.findings + dropped.others))
    }

    /// Writes what is queued; why one of them could not, if so.
    pub fn finish(self) -> Option<String> {
        let reports: Vec<_> = self.writers.into_iter().map(Writer::finish).collect();
        if let Some(exporter) = self.exporter {
            let stats = exporter.finish(writer::FINISH);
            tracing::debug!(?stats, "the exporter ended");
        }
        reports.into_iter().find_map(|report| report.error)
    }
}

impl From<Writer> for Outputs {
    fn from(writer: Writer) -> Self {
        Self {
            writers: vec![writer],
            ..Self::default()
        }
    }
}
