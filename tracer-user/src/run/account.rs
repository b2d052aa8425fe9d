//! What tracing costs and what it missed: read now and then, written as `stats`, `loss` and `summary`.

use super::clock::{self, clock};
use super::conntrack::Conntrack;
use super::outputs::Outputs;
use crate::decode::DecodeError;
use crate::kernel::hooks::name;
use crate::kernel::load::Probes;
use crate::kernel::stat::{HookCounters, Stats as Counters};
use crate::model::time::Timestamp;
use crate::sink::{HookStats, Loss, LossSource, Record, Stats, Summary, UNDECODABLE_QUEUE};
use crate::track::Tracker;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// How often `stats` are made, and written where nothing else is asked for.
const INTERVAL: Duration = Duration::from_secs(10);
/// A tick may come a little early.
const TICK_SLACK: Duration = Duration::from_millis(500);
/// Nothing older than this is still on its way through the ring.
const RING_DELAY: Duration = Duration::from_secs(1);

pub(super) struct Account {
    counters: Counters,
    started: Timestamp,
    last_stats: Timestamp,
    /// When they were last written, beside shown.
    last_written: Timestamp,
    /// Records lost so far, by hook and processor.
    lost: BTreeMap<(u32, usize), u64>,
    undecodable: u64,
    /// Events that waited for a name and had to make room.
    pub(super) unnamed: u64,
    /// What was told of each queue.
    told: BTreeMap<&'static str, u64>,
    newest: Timestamp,
}

impl Account {
    pub(super) fn new(counters: Counters) -> Self {
        let now = clock::now();
        Self {
            counters,
            started: now,
            last_stats: now,
            last_written: now,
            lost: BTreeMap::new(),
            undecodable: 0,
            unnamed: 0,
            told: BTreeMap::new(),
            newest: now,
        }
    }

    pub(super) fn saw(&mut self, at: Timestamp) {
        self.newest = self.newest.max(at);
    }

    /// Whether everything is taken in that happened before this time.
    pub(super) fn has_seen(&self, at: Timestamp) -> bool {
        self.newest >= at
    }

    /// Bytes that are no record of ours: counted, and told as a loss.
    pub(super) fn undecodable(&mut self, error: &DecodeError) {
        self.undecodable += 1;
        tracing::debug!(%error, "a record of the ring is left out");
    }

    pub(super) fn tick(&mut self, probes: &Probes, tracker: &mut Tracker, conntrack: &Conntrack, outputs: &Outputs) {
        let now = clock::now();
        let counters = self.read();
        self.notice(&counters, conntrack, now, outputs, tracker);
        if now.since(self.last_stats) >= INTERVAL {
            let interval = outputs.stats_interval.unwrap_or(INTERVAL);
            let is_due = now.since(self.last_written) + TICK_SLACK >= interval;
            self.stats(&counters, now, (probes, conntrack), tracker, outputs, is_due);
        }
    }

    /// What the Tracker concludes last takes the last losses into account.
    pub(super) fn last_losses(&mut self, tracker: &mut Tracker, conntrack: &Conntrack, outputs: &Outputs) {
        let counters = self.read();
        self.notice(&counters, conntrack, clock::now(), outputs, tracker);
    }

    pub(super) fn finish(
        mut self,
        probes: &Probes,
        tracker: &Tracker,
        conntrack: &Conntrack,
        all: bool,
        outputs: &Outputs,
    ) {
        let now = clock::now();
        let counters = self.read();
        self.losses(&counters, conntrack, now, outputs);
        self.stats(&counters, now, (probes, conntrack), tracker, outputs, true);
        let totals = tracker.totals();
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
            lost: self.lost.values().chain(self.told.values()).sum(),
            evictions: totals.evicted,
            unresolved_inquiries: totals.unresolved,
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

    fn notice(
        &mut self,
        counters: &[HookCounters],
        conntrack: &Conntrack,
        now: Timestamp,
        outputs: &Outputs,
        tracker: &mut Tracker,
    ) {
        let lost = self.losses(counters, conntrack, now, outputs);
        if lost > 0 {
            tracker.handle_loss(now, lost);
        }
    }

    /// Writes what was lost since the last time; how much of it the Tracker would have taken in.
    fn losses(&mut self, counters: &[HookCounters], conntrack: &Conntrack, now: Timestamp, outputs: &Outputs) -> u64 {
        let mut inputs = 0;
        let mut tell = |source: LossSource, cpu, lost| {
            if lost > 0 {
                inputs += if source.is_input() { lost } else { 0 };
                let loss = Loss {
                    at: now,
                    source,
                    cpu,
                    lost,
                };
                outputs.push(Record::Loss(&loss));
            }
        };
        for hook in counters {
            for (cpu, row) in hook.processors.iter().enumerate() {
                let known = self.lost.entry((hook.hook as u32, cpu)).or_default();
                let lost = row.lost.saturating_sub(*known);
                *known = row.lost;
                tell(LossSource::Hook(name(hook.hook).into()), u32::try_from(cpu).ok(), lost);
            }
        }
        let undecodable = (UNDECODABLE_QUEUE, self.undecodable);
        let own = [undecodable, ("names", self.unnamed)];
        for (queue, total) in own.into_iter().chain(conntrack.losses()).chain(outputs.losses()) {
            let told = self.told.entry(queue).or_default();
            let lost = total.saturating_sub(*told);
            *told = total;
            tell(LossSource::Queue(queue.into()), None, lost);
        }
        inputs
    }

    fn stats(
        &mut self,
        counters: &[HookCounters],
        now: Timestamp,
        (probes, conntrack): (&Probes, &Conntrack),
        tracker: &Tracker,
        outputs: &Outputs,
        is_written: bool,
    ) {
        self.last_stats = now;
        outputs.set_clock(clock());
        let costs = probes.costs();
        let hooks = counters.iter().map(|counted| {
            let total = counted.total();
            let cost = costs
                .iter()
                .find(|(hook, _)| *hook == counted.hook)
                .map(|(_, cost)| *cost);
            let measured = cost.filter(|cost| cost.runs > 0);
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
        });
        let stats = Stats {
            at: now,
            hooks: hooks.chain(conntrack.stats()).collect(),
            ring_high_water: None,
            ring_bytes: None,
            tracked: u64::try_from(tracker.tracked()).unwrap_or(u64::MAX),
            evictions: tracker.totals().evicted,
            cpu: Some(clock::cpu()),
            resident_bytes: resident_bytes(),
            map_bytes: map_bytes(),
            watermark: Some(self.newest.min(now - RING_DELAY)),
        };
        if is_written {
            self.last_written = now;
            outputs.push(Record::Stats(&stats));
        } else {
            outputs.show(&stats);
        }
    }
}

/// The second number of /proc/self/statm, in bytes.
fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * u64::try_from(rustix::param::page_size()).ok()?)
}

/// The memory of our BPF maps, as the kernel accounts it to their descriptors.
fn map_bytes() -> Option<u64> {
    let entries = fs::read_dir("/proc/self/fdinfo").ok()?;
    let of = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).ok()?;
        text.lines().find(|line| line.starts_with("map_type:"))?;
        let memory = text.lines().find_map(|line| line.strip_prefix("memlock:"))?;
        memory.trim().parse::<u64>().ok()
    };
    Some(entries.flatten().filter_map(of).sum())
}
