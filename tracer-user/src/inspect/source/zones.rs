//! Finds the conntrack entry of a tuple when its zone is not known.
//!
//! The default zone and zones met before cost one question each. Any other takes a dump that visits the whole hash
//! table of the kernel (tens of milliseconds), so dumps are kept to a small part of the time: between them, and in tables
//! that are too large, an entry of a zone never met is not found.

use super::netlink::{Netlink, NetlinkError};
use crate::inspect::conntrack::{self, ConntrackError};
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::tuple::Tuple;
use rustix::io::Errno;
use std::ops::ControlFlow;
use std::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Zones {
    /// Those met, the latest first.
    known: Vec<u16>,
    /// When the next dump may be made.
    next_dump: Option<Instant>,
}

impl Zones {
    pub(super) fn entry(&mut self, netlink: &mut Netlink, tuple: Tuple) -> Result<Option<Conntrack>, NetlinkError> {
        let zones = std::iter::once(None).chain(self.known.iter().copied().map(Some));
        for zone in zones {
            if let Some(entry) = get(netlink, tuple, zone)? {
                return Ok(Some(entry));
            }
        }
        let count = count(netlink)?;
        let now = Instant::now();
        if count == 0 || tuple.source.port == 0 {
            return Ok(None);
        }
        if count > ENTRIES_MAX || self.next_dump.is_some_and(|next| now < next) {
            tracing::debug!(count, "conntrack zones that were never met are not searched");
            return Ok(None);
        }
        let found = search(netlink, tuple);
        self.next_dump = Some(Instant::now() + now.elapsed() * PAUSE);
        let found = found?;
        if let Some(entry) = found {
            self.remember(entry.zone);
        }
        Ok(found)
    }

    fn remember(&mut self, zone: u16) {
        if zone != 0 {
            self.known.retain(|&known| known != zone);
            self.known.insert(0, zone);
            self.known.truncate(KNOWN_MAX);
        }
    }
}

fn get(netlink: &mut Netlink, tuple: Tuple, zone: Option<u16>) -> Result<Option<Conntrack>, NetlinkError> {
    let mut entry = None;
    let answer = netlink.ask(
        |sequence| conntrack::get(sequence, tuple, zone),
        |payload| {
            entry = conntrack::parse(payload)?;
            Ok::<_, ConntrackError>(ControlFlow::Continue(()))
        },
    );
    match answer {
        Ok(()) | Err(NetlinkError::Refused(Errno::NOENT)) => Ok(entry),
        Err(error) => Err(error),
    }
}

/// How many entries the namespace has.
pub(super) fn count(netlink: &mut Netlink) -> Result<u32, NetlinkError> {
    let mut count = 0;
    netlink.ask(conntrack::count, |payload| {
        count = conntrack::parse_count(payload)?;
        Ok::<_, ConntrackError>(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

/// Looks into every zone.
fn search(netlink: &mut Netlink, tuple: Tuple) -> Result<Option<Conntrack>, NetlinkError> {
    for direction in [Direction::Original, Direction::Reply] {
        let mut found = None;
        netlink.ask(
            |sequence| conntrack::dump(sequence, tuple, direction),
            |payload| {
                found = conntrack::parse(payload)?.filter(|entry| match direction {
                    Direction::Original => entry.original == tuple,
                    Direction::Reply => entry.reply == tuple,
                });
                Ok::<_, ConntrackError>(match found {
                    Some(_) => ControlFlow::Break(()),
                    None => ControlFlow::Continue(()),
                })
            },
        )?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Zones remembered.
const KNOWN_MAX: usize = 8;
/// The largest table that is searched.
const ENTRIES_MAX: u32 = 200_000;
/// How many times as long as a search took there is none: two in a hundred of the time.
const PAUSE: u32 = 50;
