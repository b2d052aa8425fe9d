//! What was missed since it was last told: by hook and processor, by queue, and by event.

use crate::kernel::hooks::name;
use crate::kernel::stat::HookCounters;
use crate::model::time::Timestamp;
use crate::run::outputs::Outputs;
use crate::sink::jsont::EventName;
use crate::sink::{Loss, LossSource, Record};
use std::collections::BTreeMap;
use tracer_common::kind;

#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Records lost so far, by hook and processor.
    hooks: BTreeMap<(u32, usize), u64>,
    /// What was told of each queue.
    queues: BTreeMap<&'static str, u64>,
}

impl Losses {
    /// Returns how much of it the Tracker would have taken in.
    pub(super) fn hooks(&mut self, counters: &[HookCounters], now: Timestamp, outputs: &Outputs) -> u64 {
        let mut inputs = 0;
        for hook in counters {
            for (cpu, row) in hook.processors.iter().enumerate() {
                let known = self.hooks.entry((hook.hook as u32, cpu)).or_default();
                let source = LossSource::Hook(name(hook.hook).into());
                inputs += tell(known, row.lost, (source, u32::try_from(cpu).ok()), now, outputs);
            }
        }
        inputs
    }

    /// Returns how much of it the Tracker would have taken in.
    pub(super) fn queues(
        &mut self,
        totals: impl IntoIterator<Item = (&'static str, u64)>,
        now: Timestamp,
        outputs: &Outputs,
    ) -> u64 {
        let mut inputs = 0;
        for (queue, total) in totals {
            let known = self.queues.entry(queue).or_default();
            inputs += tell(known, total, (LossSource::Queue(queue.into()), None), now, outputs);
        }
        inputs
    }

    pub(super) fn total(&self) -> u64 {
        self.hooks.values().chain(self.queues.values()).sum()
    }
}

fn tell(
    known: &mut u64,
    total: u64,
    (source, cpu): (LossSource, Option<u32>),
    at: Timestamp,
    outputs: &Outputs,
) -> u64 {
    let lost = total.saturating_sub(*known);
    *known = total;
    let inputs = if source.is_input() { lost } else { 0 };
    if lost > 0 {
        outputs.push(Record::Loss(&Loss { at, source, cpu, lost }));
    }
    inputs
}

/// Kinds of records as the events that they tell.
pub(super) fn by_event(lost: Vec<(u8, u64)>) -> Vec<(EventName, u64)> {
    let named = lost.into_iter();
    named.filter_map(|(kind, count)| Some((event(kind)?, count))).collect()
}

fn event(kind: u8) -> Option<EventName> {
    Some(match kind {
        kind::CONNECT => EventName::Connect,
        kind::ESTABLISHED => EventName::Established,
        kind::FAILED => EventName::Failed,
        kind::CLOSED => EventName::Closed,
        kind::RETRANSMIT => EventName::Retransmit,
        kind::RST_SENT => EventName::RstSent,
        kind::RST_RECEIVED => EventName::RstReceived,
        kind::DROP => EventName::Drop,
        kind::CONNTRACK_NEW => EventName::ConntrackNew,
        kind::CONNTRACK_UPDATE => EventName::ConntrackUpdate,
        kind::CONNTRACK_DESTROY => EventName::ConntrackDestroy,
        kind::DESTROYED => EventName::Destroyed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::SharedBoard;
    use crate::sink::jsont::Spell as _;
    use std::collections::BTreeSet;

    #[test]
    fn every_event_has_its_kind() {
        let named: BTreeSet<_> = (0..=u8::MAX).filter_map(event).collect();
        assert_eq!(named, EventName::ALL.iter().copied().collect());
        assert_eq!(
            by_event(vec![(kind::CLOSED, 12), (99, 1), (kind::DROP, 3)]),
            [(EventName::Closed, 12), (EventName::Drop, 3)]
        );
    }

    #[test]
    fn only_what_came_since_is_told_and_all_of_it_counts() {
        let outputs = Outputs {
            board: Some(SharedBoard::default()),
            ..Outputs::default()
        };
        let mut losses = Losses::default();
        for total in [0, 3, 3, 5] {
            losses.queues([("names", total)], Timestamp::default(), &outputs);
        }
        let board = outputs.board.as_ref().unwrap().snapshot();
        let told: Vec<_> = board
            .lost()
            .counts()
            .map(|(source, count)| (&*source.name, count))
            .collect();
        assert_eq!((told, losses.total()), (vec![("names", 5)], 5));
    }
}
