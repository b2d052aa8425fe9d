//! Where records go: files and streams, and what an agent shows and exports.

use crate::sink::{Clock, Record, Writer, WriterState};

/// Everything that takes records; each of them bounded, none of them waited for.
#[derive(Debug, Default)]
pub struct Outputs {
    pub writers: Vec<Writer>,
}

impl Outputs {
    pub(super) fn push(&self, record: Record<'_>) {
        for writer in &self.writers {
            writer.push(record);
        }
    }

    /// The clock for records pushed from now on.
    pub(super) fn set_clock(&self, clock: Clock) {
        for writer in &self.writers {
            writer.set_clock(clock);
        }
    }

    /// Whether the reader of one of them went away.
    pub(super) fn is_closed(&self) -> bool {
        self.writers.iter().any(|writer| writer.state() == WriterState::Closed)
    }

    /// Writes what is queued; why one of them could not, if so.
    pub(super) fn finish(self) -> Option<String> {
        let reports = self.writers.into_iter().map(Writer::finish);
        reports.filter_map(|report| report.error).last()
    }
}

impl From<Writer> for Outputs {
    fn from(writer: Writer) -> Self {
        Self { writers: vec![writer] }
    }
}
