//! Drops and RSTs that wait for the connection they belong to; bounded.

use super::config::MAX_PACKETS;
use super::flows::Pair;
use crate::model::event::{Dropped, Packet, RstSent};
use crate::model::identity::Netns;
use crate::model::time::Timestamp;
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap};

#[derive(Clone, Debug)]
pub(super) struct PacketSeen {
    pub(super) at: Timestamp,
    pub(super) netns: Netns,
    pub(super) packet: Packet,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Drop(Dropped),
    Reset(RstSent),
    /// A rule answered it with a RST, and drops it next.
    Rejected,
}

impl PacketSeen {
    /// The pairs under which a connection could know this packet: its own, and its conntrack entry's.
    pub(super) fn pairs(&self) -> impl Iterator<Item = Pair> {
        let Packet { tuple, conntrack, .. } = self.packet;
        let tuples = [
            Some(tuple),
            conntrack.map(|entry| entry.original),
            conntrack.map(|entry| entry.reply),
        ];
        let mut seen = [None; 3];
        tuples
            .into_iter()
            .flatten()
            .map(Pair::from)
            .enumerate()
            .filter_map(move |(index, pair)| {
                let new = !seen.contains(&Some(pair));
                if let Some(slot) = seen.get_mut(index) {
                    *slot = Some(pair);
                }
                new.then_some(pair)
            })
    }
}

/// In order of arrival, and by pair.
#[derive(Debug, Default)]
pub(super) struct Packets {
    next: u64,
    waiting: BTreeMap<u64, PacketSeen>,
    by_pair: HashMap<Pair, Vec<u64>, RandomState>,
}

impl Packets {
    /// Gives back the oldest packet if it had to make room.
    pub(super) fn insert(&mut self, packet: PacketSeen) -> (u64, Option<PacketSeen>) {
        let full = self.waiting.len() >= MAX_PACKETS;
        let oldest = if full {
            self.waiting.keys().next().copied()
        } else {
            None
        };
        let evicted = oldest.and_then(|id| self.remove(id));
        let id = self.next;
        self.next += 1;
        for pair in packet.pairs() {
            self.by_pair.entry(pair).or_default().push(id);
        }
        self.waiting.insert(id, packet);
        (id, evicted)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn get(&self, id: u64) -> Option<&PacketSeen> {
        self.waiting.get(&id)
    }

    /// The packets that came by this device.
    pub(super) fn of_device(&self, netns: u64, ifindex: u32) -> Vec<u64> {
        let by = |seen: &PacketSeen| seen.packet.ifindex == Some(ifindex) && seen.netns.id() == netns;
        let mine = self.waiting.iter().filter(|(_, seen)| by(seen));
        mine.map(|(id, _)| *id).collect()
    }

    pub(super) fn by_pair(&self, pair: Pair) -> Vec<u64> {
        self.by_pair.get(&pair).cloned().unwrap_or_default()
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<PacketSeen> {
        let packet = self.waiting.remove(&id)?;
        for pair in packet.pairs() {
            if let Some(ids) = self.by_pair.get_mut(&pair) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.by_pair.remove(&pair);
                }
            }
        }
        Some(packet)
    }
}
