//! A recording through the Tracker once more: the same inputs, the same findings.
//!
//! Pure: lines in, findings out. It needs nothing but the recording, neither privileges nor the machine it came from.

use crate::model::finding::Finding;
use crate::model::inquiry::{Answer, Inquiry, Question};
use crate::model::time::Timestamp;
use crate::sink::jsonl::{Input, Line, ReadError, read};
use crate::sink::{Clock, NAMES_OPTION, NETNS_OPTION, RULES_OPTION};
use crate::track::{Config, Totals, Tracker};
use std::collections::BTreeMap;

/// One recording, line by line.
#[derive(Debug, Default)]
pub struct Replay {
    tracker: Option<Tracker>,
    /// What the recorded run asked, by its numbers.
    recorded: BTreeMap<u64, Inquiry>,
    /// What this run asked and was not answered yet.
    asked: Vec<Inquiry>,
    last: Timestamp,
    clock: Clock,
}

impl Replay {
    /// Takes in a line; the findings that follow from it go to `found`.
    pub fn line(&mut self, line: &[u8], found: &mut dyn FnMut(&Finding)) -> Result<(), ReadError> {
        let Line { at, clock, input, .. } = read(line)?;
        self.clock = clock;
        match input {
            Input::Hello(hello) => {
                // A recording in parts has a hello for each.
                let options = &hello.options;
                let hang_after = options
                    .get("hang-after")
                    .and_then(|text| humantime::parse_duration(text).ok());
                let config = Config {
                    hang_after: hang_after.unwrap_or(Config::default().hang_after),
                    walk: options.contains_key(RULES_OPTION),
                    names: options.contains_key(NAMES_OPTION),
                    netns: options.get(NETNS_OPTION).map_or_else(Vec::new, |list| inodes(list)),
                    ..Config::default()
                };
                self.tracker.get_or_insert_with(|| Tracker::new(config, at));
            }
            Input::Event(event) => self.tracker(at).handle_event(&event),
            Input::Inquiry(inquiry) => {
                self.recorded.insert(inquiry.id, inquiry);
            }
            Input::Answer(answer) => self.answer(answer),
            Input::Deadline => {
                self.last = at;
                self.tracker(at).handle_timeout(at);
            }
            Input::Summary(_) => {
                let last = self.last;
                self.tracker(at).finish(last);
            }
            Input::Loss(loss) => {
                let lost = loss.lost;
                if loss.source().is_some_and(|source| source.is_input()) {
                    self.tracker(at).handle_loss(at, lost);
                }
            }
            Input::Finding(_) | Input::Port(_) | Input::Stats(_) => {}
        }
        self.drain(found);
        Ok(())
    }

    /// What the Tracker counted.
    pub fn totals(&self) -> Totals {
        self.tracker
            .as_ref()
            .map(|tracker| tracker.totals().clone())
            .unwrap_or_default()
    }

    /// The wall clock of the last line.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    fn tracker(&mut self, at: Timestamp) -> &mut Tracker {
        self.tracker.get_or_insert_with(|| Tracker::new(Config::default(), at))
    }

    /// The two runs may number their inquiries differently (a filter left events out): the same question is the same.
    fn answer(&mut self, answer: Answer) {
        let Some(recorded) = self.recorded.remove(&answer.id) else {
            return;
        };
        let same = |asked: &Inquiry| asked.question == recorded.question && asked.netns == recorded.netns;
        let alike = |asked: &Inquiry| is_alike(&asked.question, &recorded.question) && asked.netns == recorded.netns;
        let found = self.asked.iter().position(same);
        let Some(index) = found.or_else(|| self.asked.iter().position(alike)) else {
            return;
        };
        let asked = self.asked.remove(index);
        self.tracker(answer.at).handle_answer(Answer { id: asked.id, ..answer });
    }

    fn drain(&mut self, found: &mut dyn FnMut(&Finding)) {
        let Some(tracker) = &mut self.tracker else {
            return;
        };
        while let Some(inquiry) = tracker.poll_inquiry() {
            self.asked.push(inquiry);
        }
        while let Some(finding) = tracker.poll_finding() {
            found(&finding);
        }
    }
}

fn inodes(list: &str) -> Vec<u32> {
    list.split(',').filter_map(|inode| inode.parse().ok()).collect()
}

/// About the same connection: another version may have looked at less of its namespace.
fn is_alike(asked: &Question, recorded: &Question) -> bool {
    let connection = |question: &Question| match question {
        Question::Connection { tuple, target, .. } => Some((*tuple, *target)),
        Question::Link { .. } | Question::Sweep | Question::Stalled | Question::Walk { .. } | Question::Who(_) => None,
    };
    connection(asked).is_some_and(|asked| connection(recorded) == Some(asked))
}
