//! What tracing costs and what it missed: read now and then, written as `stats`, `loss` and `summary`.

mod losses;
mod probes;
mod process;

use super::clock::{self, clock};
use super::conntrack::Conntrack;
use super::metering::Metering;
use super::outputs::Outputs;
use crate::decode::DecodeError;
use crate::failure::Failure;
use crate::kernel::hooks::name;
use crate::kernel::load::Probes;
use crate::kernel::meter::counts_always;
use crate::kernel::ring::Ring;
use crate::kernel::stat::{HookCounters, Stats as Counters};
use crate::model::time::Timestamp;
use crate::sink::{Cost, HookStats, Record, Stats, Summary, UNDECODABLE_QUEUE};
use crate::track::Tracker;
use losses::Losses;
use probes::Spending;
use process::Process;
use std::time::Duration;

pub(super) struct Account {
    counters: Counters,
    metering: Metering,
    spending: Spending,
    process: Process,
    started: Timestamp,
    last_stats: Timestamp,
    /// When they were last written, beside shown.
    last_written: Timestamp,
    losses: Losses,
    undecodable: u64,
    /// Events that waited for a name and had to make room.
    pub(super) unnamed: u64,
    newest: Timestamp,
}

/// What is looked at; the Tracker is told of losses.
pub(super) struct Parts<'a> {
    pub(super) probes: &'a Probes,
    pub(super) ring: &'a Ring,
    pub(super) tracker: &'a mut Tracker,
    pub(super) conntrack: &'a Conntrack,
}

impl Account {
    /// To be called once the ring was taken, by a thread that gave up nothing yet.
    pub(super) fn open(probes: &mut Probes) -> Result<Self, Failure> {
        let now = clock::now();
        let metering = Metering::start(now);
        Ok(Self {
            counters: probes.take_stats()?,
            metering: metering.map_err(Failure::system("the thread that measures the probes cannot start"))?,
            spending: Spending::new(probes.clock_cost(), now),
            process: Process::new(),
            started: now,
            last_stats: now,
            last_written: now,
            losses: Losses::default(),
            undecodable: 0,
            unnamed: 0,
            newest: now,
        })
    }

    pub(super) fn saw(&mut self, at: Timestamp) {
        self.newest = self.newest.max(at);
    }

    /// Bytes that are no record of ours: counted, and told as a loss.
    pub(super) fn undecodable(&mut self, error: &DecodeError) {
        self.undecodable += 1;
        tracing::debug!(%error, "a record of the ring is left out");
    }

    pub(super) fn tick(&mut self, parts: &mut Parts<'_>, outputs: &Outputs) {
        let now = clock::now();
        let counters = self.read();
        self.tell_losses(&counters, parts.conntrack, now, outputs, parts.tracker);
        self.take_windows(now);
        self.metering.tick(now, parts.probes);
        if now.since(self.last_stats) >= INTERVAL {
            let interval = outputs.stats_interval.unwrap_or(INTERVAL);
            let is_due = now.since(self.last_written) + TICK_SLACK >= interval;
            self.stats(&counters, now, parts, outputs, is_due);
        }
    }

    /// What the Tracker concludes last takes the last losses into account.
    pub(super) fn last_losses(&mut self, tracker: &mut Tracker, conntrack: &Conntrack, outputs: &Outputs) {
        let counters = self.read();
        self.tell_losses(&counters, conntrack, clock::now(), outputs, tracker);
    }

    pub(super) fn finish(mut self, parts: &mut Parts<'_>, all: bool, outputs: &Outputs) {
        let now = clock::now();
        let counters = self.read();
        self.tell_losses(&counters, parts.conntrack, now, outputs, parts.tracker);
        self.take_windows(now);
        self.stats(&counters, now, parts, outputs, true);
        let totals = parts.tracker.totals();
        outputs.push(Record::Summary(&Summary {
            at: now,
            duration: now.since(self.started),
            events: totals.events,
            inspected: None,
            established: all.then_some(totals.established),
            refused: totals.refused,
            aborted: totals.aborted,
            given_up: totals.given_up,
            findings: totals.findings.iter().map(|(cause, count)| (*cause, *count)).collect(),
            lost: self.losses.total(),
            evictions: totals.evicted,
            unresolved_inquiries: totals.unresolved,
            cost: Some(Cost {
                probes: self.spending.mean(),
                process: Some(self.process.whole_share()),
                ..self.held(parts.ring)
            }),
        }));
    }

    /// Whether the kernel lets us read the counters.
    pub(super) fn can_read(&self) -> bool {
        self.counters.read().is_ok()
    }

    fn read(&self) -> Vec<HookCounters> {
        self.counters.read().unwrap_or_else(|error| {
            tracing::warn!(%error, "the probes' counters cannot be read");
            Vec::new()
        })
    }

    fn take_windows(&mut self, now: Timestamp) {
        for window in self.metering.windows() {
            self.spending.take(&window, now);
        }
    }

    /// Writes what was lost since the last time; the Tracker is told how much of it was meant for it.
    fn tell_losses(
        &mut self,
        counters: &[HookCounters],
        conntrack: &Conntrack,
        now: Timestamp,
        outputs: &Outputs,
        tracker: &mut Tracker,
    ) {
        let records = self.losses.hooks(counters, now, outputs);
        let own = [(UNDECODABLE_QUEUE, self.undecodable), ("names", self.unnamed)];
        let queues = own.into_iter().chain(conntrack.losses()).chain(outputs.losses());
        let others = self.losses.queues(queues, now, outputs);
        if records + others > 0 {
            tracker.handle_loss(now, records + others);
        }
    }

    fn stats(
        &mut self,
        counters: &[HookCounters],
        now: Timestamp,
        parts: &Parts<'_>,
        outputs: &Outputs,
        is_written: bool,
    ) {
        self.last_stats = now;
        outputs.set_clock(clock());
        let stats = Stats {
            at: now,
            hooks: hooks(counters, parts.probes).chain(parts.conntrack.stats()).collect(),
            tracked: u64::try_from(parts.tracker.tracked()).unwrap_or(u64::MAX),
            evictions: parts.tracker.totals().evicted,
            cpu: Some(clock::cpu()),
            cost: Cost {
                probes: self.spending.latest().cloned(),
                process: Some(self.process.share()),
                ..self.held(parts.ring)
            },
            watermark: Some(self.newest.min(now - RING_DELAY)),
        };
        if is_written {
            self.last_written = now;
            outputs.push(Record::Stats(&stats));
        } else {
            outputs.show(&stats);
        }
    }

    /// Memory, and what it had no place for.
    fn held(&self, ring: &Ring) -> Cost {
        let lost = self.counters.lost().unwrap_or_else(|error| {
            tracing::warn!(%error, "the counters of lost records cannot be read");
            Vec::new()
        });
        Cost {
            probes: None,
            process: None,
            ring_high_water: Some(ring.high_water()),
            ring_bytes: ring.bytes(),
            resident_bytes: self.process.resident_bytes(),
            map_bytes: process::map_bytes(),
            lost: losses::by_event(lost),
        }
    }
}

fn hooks(counters: &[HookCounters], probes: &Probes) -> impl Iterator<Item = HookStats> {
    let costs = probes.costs();
    // Else only the windows were counted.
    let are_counted = counts_always();
    counters.iter().map(move |counted| {
        let total = counted.total();
        let cost = costs
            .iter()
            .find(|(hook, _)| *hook == counted.hook)
            .map(|(_, cost)| *cost);
        let measured = cost.filter(|cost| are_counted && cost.runs > 0);
        HookStats {
            name: name(counted.hook).into(),
            runs: measured.map(|cost| cost.runs),
            nanos: measured.and_then(|cost| u64::try_from(cost.time.as_nanos()).ok()),
            lost: total.lost,
            recursion_misses: cost.map(|cost| cost.recursion_misses),
            suppressed: total.suppressed,
            filtered: total.filtered,
            failed_reads: total.failed_reads,
            table_full: total.table_full,
        }
    })
}

/// How often `stats` are made, and written where nothing else is asked for.
const INTERVAL: Duration = Duration::from_secs(10);
/// A tick may come a little early.
const TICK_SLACK: Duration = Duration::from_millis(500);
/// Nothing older than this is still on its way through the ring.
const RING_DELAY: Duration = Duration::from_secs(1);
