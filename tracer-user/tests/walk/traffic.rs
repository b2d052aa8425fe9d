//! Random packets, and the answers to those that came somewhere.

use crate::chance::Chance;
use crate::frame::{ACK, FIN, Kind, RST, SYN, Shot, TCP, UDP};
use crate::rule::{Plan, Tool};
use crate::run::{Fate, Sent};
use crate::trip::{FOLLOWING, Trip, Way, is_own};
use crate::world::{BOX, LOW_PORT, Place, SOURCE_PORT, Side, USERS, address};
use std::net::SocketAddr;

/// The first packet of a connection that no other packet of the ruleset belongs to.
pub(crate) fn first(chance: &mut Chance, plan: &Plan, index: u16) -> Trip {
    let columns: Vec<bool> = plan
        .tables
        .iter()
        .flat_map(|table| match table.column.tool {
            Tool::Inet => vec![false, true],
            Tool::Nft | Tool::IptablesNft | Tool::IptablesLegacy => vec![table.column.v6],
        })
        .collect();
    let v6 = if columns.is_empty() {
        false
    } else {
        chance.one(&columns)
    };
    let side = chance.one(&[Side::Lan, Side::Wan]);
    let other = if side == Side::Lan { Side::Wan } else { Side::Lan };
    let host = chance.one(&[2, 3]);
    let (way, source, destination) = match chance.below(6) {
        0 | 1 => (Way::FromHere(chance.one(&USERS)), BOX, address(v6, side, host)),
        2 => (Way::FromHere(chance.one(&USERS)), BOX, address(v6, side, BOX)),
        3 => (Way::FromFar(side), host, address(v6, side, BOX)),
        _ => (Way::FromFar(side), host, address(v6, other, chance.one(&[2, 3]))),
    };
    let protocol = chance.one(&[TCP, UDP]);
    let here = matches!(way, Way::FromHere(_));
    let shot = Shot {
        number: u64::from(index),
        protocol,
        source: SocketAddr::new(address(v6, side, source), SOURCE_PORT + index),
        destination: SocketAddr::new(destination, LOW_PORT + u16::try_from(chance.below(8)).unwrap()),
        flags: chance.one(&[SYN, SYN, SYN, SYN, SYN, SYN, SYN, ACK, RST, SYN | FIN]),
        sequence: 1000,
        acknowledgment: 0,
    };
    Trip {
        shot,
        way,
        mark: if here { chance.one(&[0, 0, 1, 5, 0x12]) } else { 0 },
    }
}

/// What may come after a packet of the same connection; nothing where that did not get through.
pub(crate) fn next(chance: &mut Chance, sent: &Sent) -> Vec<Trip> {
    let shot = &sent.trip.shot;
    let number = shot.number + FOLLOWING;
    let tcp = shot.protocol == TCP;
    let Fate::Came(place, seen) = sent.fate else {
        return Vec::new();
    };
    if (tcp && shot.flags != SYN) || !matches!(seen.kind, Kind::Shot(_)) {
        return Vec::new();
    }
    let again = Trip {
        shot: Shot { number, ..*shot },
        ..sent.trip
    };
    let reply = Trip {
        shot: Shot {
            number: number + FOLLOWING,
            source: seen.destination,
            destination: seen.source,
            flags: SYN | ACK,
            sequence: 5000,
            acknowledgment: 1001,
            ..*shot
        },
        way: match place {
            Place::Far(side) => Way::FromFar(side),
            Place::Here => Way::FromHere(chance.one(&USERS)),
        },
        mark: 0,
    };
    let more = Trip {
        shot: Shot {
            number: number + 2 * FOLLOWING,
            flags: ACK,
            sequence: 1009,
            acknowledgment: 5009,
            ..*shot
        },
        ..sent.trip
    };
    let mut all = match chance.below(4) {
        0 => vec![again],
        1 => vec![again, reply, more],
        2 => vec![reply, more],
        _ => Vec::new(),
    };
    all.retain(is_sendable);
    all
}

/// Whether a packet of the router has a source that is the router's.
fn is_sendable(trip: &Trip) -> bool {
    match trip.way {
        Way::FromHere(_) => is_own(trip.shot.source.ip()),
        Way::FromFar(_) => true,
    }
}
