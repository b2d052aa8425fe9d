//! The form for people: one readable block a finding, one line for everything else.
//!
//! Always writes colours: the caller strips them (anstream) where they are not wanted. Wording is [`crate::sink::words`]'s.

mod block;
mod line;
mod page;
mod ports;
mod revision;
mod style;

pub use ports::ports;

use crate::model::finding::{Finding, State};
use crate::sink::clock::Clock;
use crate::sink::record::Record;
use page::Page;
use revision::Shown;
use std::collections::BTreeMap;

/// Remembers which findings it showed, so that a revision is one line and not the block again.
#[derive(Debug)]
pub struct Term {
    width: usize,
    verbose: bool,
    shown: BTreeMap<u64, Shown>,
}

impl Term {
    pub fn new(width: usize, verbose: bool) -> Self {
        Self {
            width: width.clamp(NARROWEST, WIDEST),
            verbose,
            shown: BTreeMap::new(),
        }
    }

    /// Appends the text of `record`; nothing for what a person does not read.
    pub fn write(&mut self, record: Record<'_>, clock: Clock, out: &mut String) {
        let mut page = Page::new(out, self.width);
        match record {
            Record::Hello(hello) => line::hello(hello, self.verbose, &mut page),
            Record::Event(event) => line::event(event, clock, &mut page),
            Record::Finding(finding) => self.finding(finding, clock, &mut page),
            Record::Stats(stats) if self.verbose => line::stats(stats, &mut page),
            // Ports are a table, which is laid out when all are known.
            Record::Port(_) | Record::Stats(_) | Record::Inquiry(_) | Record::Answer(_) | Record::Deadline(_) => {}
            Record::Loss(loss) => line::loss(loss, &mut page),
            Record::Summary(summary) => line::summary(summary, self.verbose, &mut page),
        }
    }

    fn finding(&mut self, finding: &Finding, clock: Clock, page: &mut Page<'_>) {
        let now = Shown::of(finding);
        let before = self.shown.insert(finding.id, now);
        match before {
            Some(before) if before.cause == now.cause => revision::write(finding, before, page),
            None if finding.state == State::Retracted => {}
            before => block::write(finding, before.map(|before| before.cause), clock, page),
        }
        if matches!(finding.state, State::Closed | State::Retracted) {
            self.shown.remove(&finding.id);
        }
        if self.shown.len() > REMEMBERED {
            self.shown.pop_first();
        }
    }
}

/// Findings remembered; an older one that comes again is shown as a whole block again.
const REMEMBERED: usize = 4096;
/// Columns below which wrapping does more harm than good.
const NARROWEST: usize = 60;
/// Longer lines are hard to read.
const WIDEST: usize = 140;

#[cfg(test)]
mod tests;
