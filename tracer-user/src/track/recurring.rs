//! Resets that come from one peer again and again. Now and then one means nothing: a browser or a load balancer does it.
//! That most of the connections which are opened end so does.

use super::config::{MAX_RESETTERS, RESET_WINDOW};
use super::flow::Flow;
use super::recent::Recent;
use crate::model::aspect::Seen;
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};

/// Who resets whose connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Resetter {
    netns: u64,
    service: Endpoint,
    comm: Option<[u8; 16]>,
}

/// How many connections the namespace had opened at one of the resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) at: Timestamp,
    pub(super) opened: u64,
    /// Resets up to then, that one included.
    pub(super) resets: u32,
}

/// What came before a reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    /// Within the window.
    pub(super) lately: u32,
    /// All of them.
    pub(super) resets: u32,
    /// The first count within the window.
    pub(super) first: Option<Count>,
    /// When it was asked for a count the last time.
    pub(super) asked: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Series {
    times: Vec<Timestamp>,
    resets: u32,
    first: Option<Count>,
    asked: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Recurring {
    seen: Recent<Resetter, Series>,
}

impl Default for Recurring {
    fn default() -> Self {
        Self {
            seen: Recent::bounded(MAX_RESETTERS),
        }
    }
}

impl Recurring {
    /// What came before a reset at this time.
    pub(super) fn before(&self, resetter: Resetter, at: Timestamp) -> Before {
        let Some(series) = self.seen.get(resetter) else {
            return Before::default();
        };
        let lately = series.times.iter().filter(|time| is_near(**time, at)).count();
        Before {
            lately: u32::try_from(lately).unwrap_or(u32::MAX),
            resets: series.resets,
            first: series.first.filter(|first| is_near(first.at, at)),
            asked: series.asked,
        }
    }

    /// A count is on its way.
    pub(super) fn asked(&mut self, resetter: Resetter, now: Timestamp) {
        if let Some(series) = self.seen.get_mut(resetter) {
            series.asked = Some(now);
        }
    }

    /// One more, with what was counted at it.
    pub(super) fn add(&mut self, resetter: Resetter, at: Timestamp, opened: Option<(Timestamp, u64)>) {
        let series = self.seen.of(resetter);
        series.times.retain(|time| is_near(*time, at));
        if series.times.len() < MAX_TIMES {
            series.times.push(at);
        }
        series.resets = series.resets.saturating_add(1);
        if let Some((at, opened)) = opened {
            let count = Count {
                at,
                opened,
                resets: series.resets,
            };
            let first = series.first.filter(|first| is_near(first.at, at));
            series.first = first.or(Some(count));
        }
    }
}

impl Resetter {
    pub(super) fn of(flow: &Flow) -> Self {
        Self {
            netns: flow.netns().id(),
            service: service(flow.tuple),
            comm: flow.owner().map(|owner| owner.comm.0),
        }
    }
}

/// Resets are grouped by the service: the lower port, whichever end has it.
pub(super) fn service(tuple: Tuple) -> Endpoint {
    Endpoint {
        port: tuple.source.port.min(tuple.destination.port),
        ..tuple.destination
    }
}

/// How many connections the namespace had opened when this flow was examined.
pub(super) fn opened(flow: &Flow) -> Option<(Timestamp, u64)> {
    let looked = flow.examined()?;
    let seen = &looked.examined.ok()?.seen;
    seen.iter().find_map(|seen| {
        let Seen::ConnectionsOpened(opened) = seen else {
            return None;
        };
        Some((looked.at, *opened))
    })
}

fn is_near(time: Timestamp, at: Timestamp) -> bool {
    at.since(time) <= RESET_WINDOW
}

/// Times kept of each; more are not counted as recent.
const MAX_TIMES: usize = 100;
