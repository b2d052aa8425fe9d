//! Conntrack's entries of the namespace, as /proc shows them: TCP and UDP, in every zone.

use crate::frame::{Shot, TCP};
use std::fs;
use std::net::SocketAddr;
use tracer_user::model::conntrack::{Conntrack, Direction};
use tracer_user::model::rules::Tracking;
use tracer_user::model::tuple::Tuple;

pub(crate) struct Entries(Vec<Known>);

/// An entry with its protocol.
struct Known {
    protocol: u8,
    entry: Conntrack,
    /// A rule has reset it: what conntrack then says of a segment depends on its window.
    closed: bool,
}

impl Entries {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string("/proc/thread-self/net/nf_conntrack").unwrap();
        Self(text.lines().filter_map(parse).collect())
    }

    /// What conntrack will say of a packet; an error where that depends on its zone, or on more of TCP than is known here.
    pub(crate) fn of(&self, shot: &Shot) -> Result<Option<Tracking>, ()> {
        let tuple = Tuple::new(shot.source.into(), shot.destination.into());
        let mut found = self.0.iter().filter_map(|known| {
            let entry = &known.entry;
            let direction = if entry.original == tuple {
                Direction::Original
            } else if entry.reply == tuple {
                Direction::Reply
            } else {
                return None;
            };
            (known.protocol == shot.protocol).then_some((known, *entry, direction))
        });
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((known, entry, direction)), None) if entry.zone == 0 && !known.closed => Ok(Some(Tracking::Entry {
                entry,
                direction,
                established: direction == Direction::Reply || entry.status & SEEN_REPLY != 0,
            })),
            _ => Err(()),
        }
    }
}

fn parse(line: &str) -> Option<Known> {
    let protocol = if line.contains(" tcp ") { TCP } else { crate::frame::UDP };
    let values = |key: &str| -> Vec<String> {
        let found = line.split_whitespace().filter_map(|word| word.strip_prefix(key));
        found.map(str::to_owned).collect()
    };
    let tuple = |place: usize| -> Option<Tuple> {
        let end = |address: &str, port: &str| -> Option<SocketAddr> {
            let address = values(address).get(place)?.parse().ok()?;
            Some(SocketAddr::new(address, values(port).get(place)?.parse().ok()?))
        };
        Some(Tuple::new(end("src=", "sport=")?.into(), end("dst=", "dport=")?.into()))
    };
    let (original, reply) = (tuple(0)?, tuple(1)?);
    // Confirmed, and past both translations: /proc does not show that, and no confirmed entry lacks it where it matters.
    let mut status = 1 << 3 | 1 << 7 | 1 << 8;
    for (bit, set) in [
        (SEEN_REPLY, !line.contains("[UNREPLIED]")),
        (1 << 2, line.contains("[ASSURED]")),
        (1 << 4, reply.destination != original.source),
        (1 << 5, reply.source != original.destination),
    ] {
        status |= if set { bit } else { 0 };
    }
    let number = |key: &str| values(key).first().and_then(|value| value.parse().ok());
    let entry = Conntrack {
        original,
        reply,
        status,
        state: None,
        mark: number("mark=").unwrap_or(0),
        zone: number("zone=").and_then(|zone| u16::try_from(zone).ok()).unwrap_or(0),
        id: None,
    };
    Some(Known {
        protocol,
        entry,
        closed: line.contains(" CLOSE "),
    })
}

/// `IPS_SEEN_REPLY`.
const SEEN_REPLY: u32 = 1 << 1;
