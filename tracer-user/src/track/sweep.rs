//! Completed connections that nobody accepts: the kernel acknowledges the request, so no timer of the client runs.

use super::config::{CALM_INTERVAL, CALM_SWEEPS, MAX_WAITING};
use super::naming::{self, Ask};
use super::theory::Diagnosis;
use crate::model::aspect::Aspect;
use crate::model::conntrack::Conntrack;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Connection, Considered, Culprit, Severity, Way};
use crate::model::inquiry::{Listener, Waiting};
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A waiting connection: its namespace and tuple.
pub(super) type Place = (u64, Tuple);

#[derive(Debug)]
struct Entry {
    since: Timestamp,
    last: Timestamp,
    waiting: Waiting,
    /// The patience ran out, and it was decided what that means.
    judged: bool,
    /// The finding, if it has one.
    finding: Option<u64>,
    connection: u64,
}

/// One that has waited for too long.
#[derive(Debug)]
pub(super) struct Overdue {
    pub(super) place: Place,
    pub(super) connection: Connection,
    pub(super) diagnosis: Option<Diagnosis>,
    /// What the rules are asked about it.
    pub(super) ask: Option<Ask>,
}

#[derive(Debug, Default)]
pub(super) struct Sweeps {
    pub(super) next_at: Option<Timestamp>,
    next: u64,
    waiting: BTreeMap<Place, Entry>,
    /// The first of them at each endpoint whose listener's queue is full.
    full: BTreeMap<Endpoint, Place>,
    /// Sweeps in a row that found nobody waiting, while nothing else was under suspicion.
    calm: u32,
}

impl Sweeps {
    /// `None`: never.
    pub(super) fn starting(next_at: Option<Timestamp>) -> Self {
        Self {
            next_at,
            ..Self::default()
        }
    }

    /// Whether there was anything to see by the last sweep, or to suspect.
    pub(super) fn calm(&mut self, is_calm: bool) {
        self.calm = if is_calm { self.calm.saturating_add(1) } else { 0 };
    }

    /// Until the next one: longer where it has been calm for long, since each visits every namespace of the node.
    pub(super) fn pause(&self, interval: Duration) -> Duration {
        if self.calm < CALM_SWEEPS {
            interval
        } else {
            interval.max(CALM_INTERVAL)
        }
    }

    /// Something is under suspicion: a long pause ends by then.
    pub(super) fn hurry(&mut self, by: Timestamp) {
        if self.calm >= CALM_SWEEPS {
            self.next_at = self.next_at.map(|at| at.min(by));
        }
        self.calm = 0;
    }

    /// Takes in a sweep, and gives back the connections that wait no more, with their findings.
    pub(super) fn update(&mut self, at: Timestamp, swept: Vec<Waiting>) -> Vec<(u64, Connection)> {
        for waiting in swept {
            let place = (waiting.netns.id(), waiting.tuple);
            if let Some(entry) = self.waiting.get_mut(&place) {
                entry.last = at;
                entry.waiting = waiting;
            } else if self.waiting.len() < MAX_WAITING {
                self.next += 1;
                let connection = WAITING_IDS + self.next;
                self.waiting.insert(
                    place,
                    Entry {
                        since: at,
                        last: at,
                        waiting,
                        judged: false,
                        finding: None,
                        connection,
                    },
                );
            }
        }
        let gone = self.waiting.extract_if(.., |_, entry| entry.last < at);
        let gone = gone.filter_map(|(_, entry)| Some((entry.finding?, connection(&entry, Some(at)))));
        let gone = gone.collect();
        self.full.clear();
        for (place, Entry { waiting, .. }) in &self.waiting {
            if waiting.listener.is_full() {
                self.full.entry(waiting.tuple.source).or_insert(*place);
            }
        }
        gone
    }

    /// The connections that have waited for `patience` since they were first seen, each once.
    pub(super) fn overdue(&mut self, now: Timestamp, patience: Duration) -> Vec<Overdue> {
        let overdue = |entry: &Entry| !entry.judged && entry.last.since(entry.since) >= patience;
        let loops: BTreeSet<Loop> = self
            .waiting
            .values()
            .filter_map(|entry| looped(&entry.waiting))
            .collect();
        let report = |(place, entry): (&Place, &mut Entry)| {
            entry.judged = true;
            Overdue {
                place: *place,
                connection: connection(entry, None),
                diagnosis: diagnose(entry, now),
                ask: ask(&entry.waiting, entry.since, &loops),
            }
        };
        self.waiting
            .iter_mut()
            .filter(|(_, entry)| overdue(entry))
            .map(report)
            .collect()
    }

    /// The host stood still until then, whoever accepts with it.
    pub(super) fn resumed(&mut self, at: Timestamp) {
        for entry in self.waiting.values_mut() {
            (entry.since, entry.last) = (at, at);
        }
    }

    pub(super) fn set_finding(&mut self, place: Place, finding: u64) {
        if let Some(entry) = self.waiting.get_mut(&place) {
            entry.finding = Some(finding);
        }
    }

    /// A listener in any namespace whose queue was full at the last sweep and that serves this endpoint.
    pub(super) fn full_listener(&self, endpoint: Endpoint) -> Option<(Timestamp, &Listener)> {
        let entry = self.waiting.get(self.full.get(&endpoint)?)?;
        Some((entry.last, &entry.waiting.listener))
    }
}

/// Numbers of waiting connections start here, apart from those of flows.
const WAITING_IDS: u64 = 1 << 48;

/// A listener, and the destination whose connections its own process was led back to it with.
type Loop = (u64, u32, Endpoint);

/// The connection waits for the very process that opened it.
fn looped(waiting: &Waiting) -> Option<Loop> {
    let opened = waiting.client.as_ref()?.process?;
    let listens = waiting.listener.process?;
    (opened.pid == listens.pid).then(|| place(waiting)).flatten()
}

fn place(waiting: &Waiting) -> Option<Loop> {
    let entry = waiting.conntrack.filter(Conntrack::redirects)?;
    Some((waiting.netns.id(), waiting.listener.inode, entry.original.destination))
}

/// Where a process connects to itself it is asked how often it does, too.
fn ask(waiting: &Waiting, since: Timestamp, loops: &BTreeSet<Loop>) -> Option<Ask> {
    let mut ask = naming::ask_waiting(waiting, since)?;
    if place(waiting).is_some_and(|place| loops.contains(&place)) {
        let original = waiting.conntrack?.original;
        ask.aspects.push(Aspect::SocketsTo {
            source: original.source.address,
            destination: original.destination,
        });
    }
    Some(ask)
}

/// Only a translation that leads to a local listener makes it a finding; otherwise it is the server's own affair.
fn diagnose(entry: &Entry, now: Timestamp) -> Option<Diagnosis> {
    let Waiting {
        listener,
        tuple,
        receive_queue,
        conntrack,
        client,
        ..
    } = &entry.waiting;
    let conntrack = conntrack.filter(Conntrack::redirects)?;
    let mut evidence = vec![
        Evidence::NotAccepted {
            at: entry.last,
            since: entry.since,
            tuple: *tuple,
            receive_queue: *receive_queue,
        },
        Evidence::Listener {
            at: entry.last,
            listener: listener.clone(),
        },
        Evidence::Conntrack {
            at: entry.last,
            entry: conntrack,
            queried: true,
        },
    ];
    evidence.extend(client.clone().map(|socket| Evidence::Socket { at: now, socket }));
    Some(Diagnosis {
        cause: Cause::RedirectTargetStalled,
        severity: Severity::Error,
        confidence: Confidence::Proved,
        target: tuple.source,
        evidence,
        culprits: vec![Culprit::Listener(listener.clone())],
        considered: vec![Considered {
            cause: Cause::RedirectToDeadPort,
            why_not: "a listener is there",
        }],
        victims: Vec::new(),
        by_absence: false,
        since: entry.since,
        until: now,
    })
}

/// As the initiating side has it.
fn connection(entry: &Entry, ended: Option<Timestamp>) -> Connection {
    let Waiting {
        netns,
        enter,
        tuple,
        conntrack,
        client,
        ..
    } = &entry.waiting;
    let original = conntrack.map_or(tuple.inverted(), |conntrack| conntrack.original);
    let leaving = tuple.inverted();
    Connection {
        id: Some(entry.connection),
        tuple: original,
        translated: (leaving != original).then_some(leaving),
        way: if client.is_some() { Way::Outbound } else { Way::Inbound },
        netns: *netns,
        enter: enter.clone(),
        owner: None,
        holder: client.as_ref().and_then(|client| client.process),
        state: Some(TcpState::Established),
        started: None,
        ended,
        syn_retransmits: 0,
        retransmits: 0,
        unacked: 0,
    }
}
