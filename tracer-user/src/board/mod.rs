//! What the agent shows of itself and of what it found: fed by the records that are written, read by its pages.
//!
//! Pure: no I/O and no clock. Everything in it is bounded, and it is cheap to copy: whoever shows it works on a copy.

mod findings;
mod lost;
mod names;
mod owner;
mod ports;
mod shared;

pub use findings::{Findings, Judged};
pub use lost::{Lost, LostSource};
pub use names::NamesHealth;
pub use owner::RuleOwner;
pub use ports::{Listens, Ports};
pub use shared::SharedBoard;

use crate::model::event::{Event, EventKind, RstMaker};
use crate::model::reason::{DropReason, RstReason};
use crate::model::translation::Port;
use crate::sink::jsont::EventName;
use crate::sink::{Hello, Record, Stats};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The state of the agent, as its records tell it.
#[derive(Clone, Debug, Default)]
pub struct Board {
    hello: Option<Arc<Hello>>,
    stats: Option<Arc<Stats>>,
    findings: Findings,
    ports: Ports,
    lost: Lost,
    names: Option<NamesHealth>,
    events: BTreeMap<EventName, u64>,
    resets: BTreeMap<(RstMaker, Option<RstReason>), u64>,
    drops: BTreeMap<DropReason, u64>,
}

impl Board {
    /// Takes in one record. Of those that only a replay needs, and of the summary, which nobody will ask for any more,
    /// nothing is kept.
    pub fn take(&mut self, record: Record<'_>) {
        match record {
            Record::Hello(hello) => self.hello = Some(Arc::new(hello.clone())),
            Record::Event(event) => self.count(event),
            Record::Finding(finding) => self.findings.take(finding),
            Record::Port(port) => self.ports.add(port.clone()),
            Record::Stats(stats) => self.stats = Some(Arc::new(stats.clone())),
            Record::Loss(loss) => self.lost.take(loss),
            Record::Inquiry(_) | Record::Answer(_) | Record::Deadline(_) | Record::Summary(_) => {}
        }
    }

    /// The stolen ports as they are now; those from before are forgotten.
    pub fn replace_ports(&mut self, ports: Vec<Port>) {
        self.ports = Ports::new(ports);
    }

    pub fn set_names(&mut self, names: NamesHealth) {
        self.names = Some(names);
    }

    /// Who traces, and how its hooks run.
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_deref()
    }

    /// What tracing costs and missed, as it was last told.
    pub fn stats(&self) -> Option<&Stats> {
        self.stats.as_deref()
    }

    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    pub fn lost(&self) -> &Lost {
        &self.lost
    }

    /// `None`: names of containers and pods are not asked for.
    pub fn names(&self) -> Option<NamesHealth> {
        self.names
    }

    pub fn events(&self) -> impl Iterator<Item = (EventName, u64)> {
        self.events.iter().map(|(name, count)| (*name, *count))
    }

    /// Resets that were made on this host, by their maker and the kernel's reason, where it tells one.
    pub fn resets(&self) -> impl Iterator<Item = (RstMaker, Option<RstReason>, u64)> {
        self.resets
            .iter()
            .map(|((maker, reason), count)| (*maker, *reason, *count))
    }

    /// Packets dropped for one of the listed reasons.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> {
        self.drops.iter().map(|(reason, count)| (*reason, *count))
    }

    /// On the way of every event: two or three look-ups in small trees, and nothing allocated once a kind was seen.
    fn count(&mut self, event: &Event) {
        *self.events.entry(EventName::of(&event.kind)).or_default() += 1;
        match &event.kind {
            EventKind::RstSent(rst) => *self.resets.entry((rst.maker, rst.reason)).or_default() += 1,
            EventKind::Drop(dropped) => *self.drops.entry(dropped.reason).or_default() += 1,
            EventKind::Connect
            | EventKind::Established
            | EventKind::Failed { .. }
            | EventKind::Closed { .. }
            | EventKind::Retransmit(_)
            | EventKind::RstReceived { .. }
            | EventKind::Destroyed(_)
            | EventKind::Conntrack(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
