//! A packet on its way: what of it changes from rule to rule.

use super::number::Mark;
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::rules::{Effect, Fact, Hook, Packet, Step, Tracking};
use crate::model::tuple::Tuple;
use std::net::IpAddr;

/// A packet in one of the ways that it can go, and the rules that it met.
#[derive(Clone, Debug)]
pub(super) struct Traveller {
    pub(super) state: State,
    pub(super) steps: Vec<Step>,
}

impl Traveller {
    pub(super) fn last(&self) -> Option<(Step, Effect)> {
        self.steps
            .last()
            .map(|step| (Step { certain: true, ..*step }, step.effect))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct State {
    /// As it began, but for the facts that actions do not change.
    pub(super) packet: Packet,
    pub(super) flow: Flow,
    pub(super) mark: Mark,
    /// Without meaning where there is no entry.
    pub(super) connmark: Mark,
    pub(super) track: Track,
    /// What conntrack will say, where it has not yet.
    pub(super) tracking: Tracking,
    pub(super) hook: Hook,
    pub(super) input: Device,
    pub(super) output: Device,
    /// It goes, or came, over loopback from a local socket.
    pub(super) loopback: bool,
    /// A transparent socket has it.
    pub(super) taken: bool,
    /// What a chain that routes again compares: destination and mark as the hook began.
    pub(super) before: (Site, Mark),
    /// A route chain saw the mark changed.
    pub(super) rerouted: bool,
}

impl State {
    pub(super) fn is_ipv6(&self) -> bool {
        self.packet.source.is_ipv6()
    }

    pub(super) fn entry(&self) -> Option<&Entry> {
        match &self.track {
            Track::Entry(entry) => Some(entry),
            Track::None | Track::Template(_) | Track::Untracked => None,
        }
    }

    /// Whether TCP's or UDP's ports, or the like, are there to be translated.
    pub(super) fn has_ports(&self) -> bool {
        matches!(self.packet.protocol, 6 | 17 | 33 | 132 | 136)
    }
}

/// Addresses and ports, as far as they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) source: Site,
    pub(super) destination: Site,
    pub(super) source_port: Fact<u16>,
    pub(super) destination_port: Fact<u16>,
}

impl Flow {
    pub(super) fn of(packet: &Packet) -> Self {
        Self {
            source: Site::Known(packet.source),
            destination: Site::Known(packet.destination),
            source_port: packet.source_port,
            destination_port: packet.destination_port,
        }
    }

    fn tuple(tuple: Tuple) -> Self {
        Self {
            source: Site::Known(tuple.source.address),
            destination: Site::Known(tuple.destination.address),
            source_port: Fact::Known(tuple.source.port),
            destination_port: Fact::Known(tuple.destination.port),
        }
    }

    pub(super) const UNKNOWN: Self = Self {
        source: Site::Unknown,
        destination: Site::Unknown,
        source_port: Fact::Unknown,
        destination_port: Fact::Unknown,
    };
}

/// An address, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    Known(IpAddr),
    /// One of this namespace's.
    Own,
    Unknown,
}

/// A device, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    Known(u32),
    /// There is none at this hook: the number 0 and no name.
    Absent,
    /// Any but loopback.
    Other,
    Unknown,
}

impl From<Fact<u32>> for Device {
    fn from(fact: Fact<u32>) -> Self {
        match fact {
            Fact::Known(index) => Self::Known(index),
            Fact::Absent => Self::Absent,
            Fact::Unknown => Self::Unknown,
        }
    }
}

/// What the packet carries of conntrack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Track {
    /// Not seen yet, or invalid: both look alike to a rule.
    None,
    /// A zone was set ahead of conntrack.
    Template(Fact<u16>),
    Untracked,
    Entry(Entry),
}

/// A conntrack entry, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    /// NEW 8, ESTABLISHED 2, RELATED 4.
    pub(super) state: u8,
    /// Reply; `None`: not known.
    pub(super) reply: Option<bool>,
    /// As the connection began.
    pub(super) original: Flow,
    /// The original direction after translation.
    pub(super) leaving: Flow,
    pub(super) status: Mark,
    pub(super) zone: Fact<u16>,
    /// Translations that were decided: for destination and source.
    pub(super) bound: [bool; 2],
    /// It is in the table: a translation cannot be added.
    pub(super) confirmed: bool,
}

impl Entry {
    pub(super) const NEW: u8 = 8;
    pub(super) const ESTABLISHED: u8 = 2;
    pub(super) const RELATED: u8 = 4;
    pub(super) const SRC_NAT: u32 = 1 << 4;
    pub(super) const DST_NAT: u32 = 1 << 5;
    const CONFIRMED: u32 = 1 << 3;
    const SRC_NAT_DONE: u32 = 1 << 7;
    const DST_NAT_DONE: u32 = 1 << 8;

    /// Of the first packet.
    pub(super) fn fresh(flow: Flow, zone: Fact<u16>) -> Self {
        Self {
            state: Self::NEW,
            reply: Some(false),
            original: flow,
            leaving: flow,
            status: Mark::ZERO,
            zone,
            bound: [false; 2],
            confirmed: false,
        }
    }

    pub(super) fn of(entry: &Conntrack, direction: Direction, established: bool) -> Self {
        let done = |bit| entry.status & bit != 0 || established;
        Self {
            state: if established { Self::ESTABLISHED } else { Self::NEW },
            reply: Some(direction == Direction::Reply),
            original: Flow::tuple(entry.original),
            leaving: Flow::tuple(entry.leaving()),
            status: Mark::exactly(entry.status),
            zone: Fact::Known(entry.zone),
            bound: [done(Self::DST_NAT_DONE), done(Self::SRC_NAT_DONE)],
            confirmed: true,
        }
    }

    /// Of which only the state is known.
    pub(super) fn vague(state: u8) -> Self {
        Self {
            state,
            reply: None,
            original: Flow::UNKNOWN,
            leaving: Flow::UNKNOWN,
            status: Mark::UNKNOWN.learn(Self::CONFIRMED, Self::CONFIRMED),
            zone: Fact::Unknown,
            bound: [state == Self::ESTABLISHED; 2],
            confirmed: state == Self::ESTABLISHED,
        }
    }

    /// The translation of one kind is decided.
    pub(super) fn bind(&mut self, manip: Manip) {
        let (slot, bit) = match manip {
            Manip::Destination => (0, Self::DST_NAT_DONE),
            Manip::Source => (1, Self::SRC_NAT_DONE),
        };
        if let Some(bound) = self.bound.get_mut(slot) {
            *bound = true;
        }
        self.status = self.status.learn(bit, bit);
    }

    pub(super) fn is_bound(&self, manip: Manip) -> bool {
        let [destination, source] = self.bound;
        match manip {
            Manip::Destination => destination,
            Manip::Source => source,
        }
    }

    pub(super) fn confirm(&mut self) {
        self.confirmed = true;
        self.status = self.status.learn(Self::CONFIRMED, Self::CONFIRMED);
    }
}

/// What of a packet is translated: the destination in PREROUTING and OUTPUT, the source in POSTROUTING and INPUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manip {
    Destination,
    Source,
}

impl Manip {
    pub(super) fn at(hook: Hook) -> Option<Self> {
        match hook {
            Hook::Prerouting | Hook::Output => Some(Self::Destination),
            Hook::Input | Hook::Postrouting => Some(Self::Source),
            Hook::Ingress | Hook::Forward | Hook::Egress => None,
        }
    }
}
