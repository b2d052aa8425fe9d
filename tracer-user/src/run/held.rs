//! Events that wait for a name: only where a filter on pods or containers has to decide about them.

use crate::model::event::Event;
use crate::model::time::Timestamp;
use crate::model::who::{Identity, Subject};
use crate::track::Tracker;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Held {
    events: VecDeque<Event>,
    /// Events that nobody waited for, because too many did.
    pub(super) lost: u64,
}

impl Held {
    /// Takes an event, and asks whose it is.
    pub(super) fn push(&mut self, event: Event, tracker: &mut Tracker) {
        for subject in subjects(&event) {
            tracker.expect_name(subject, event.netns, event.at);
        }
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
            self.lost += 1;
        }
        self.events.push_back(event);
    }

    /// Calls `each` with the events whose names are known by now, or have been waited for long enough.
    pub(super) fn release(
        &mut self,
        tracker: &Tracker,
        now: Timestamp,
        mut each: impl FnMut(&Event, Option<&Arc<Identity>>),
    ) {
        while let Some(event) = self.events.front() {
            let waits = subjects(event).any(|subject| tracker.awaits_name(subject));
            if waits && now.since(event.at) < PATIENCE {
                return;
            }
            // As of a finding: a process without a pod belongs to that of its namespace.
            let placed = subjects(event)
                .filter_map(|subject| tracker.identity(subject))
                .find(|identity| identity.is_placed());
            each(event, placed);
            self.events.pop_front();
        }
    }
}

/// Whose event it is: the process that connects, and the namespace.
fn subjects(event: &Event) -> impl Iterator<Item = Subject> {
    let owner = event.owner.as_ref().map(Subject::of_owner);
    owner.into_iter().chain([Subject::Netns(event.netns)])
}

const EVENTS_MAX: usize = 16_384;
/// The ring's delay and an answer's time.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
