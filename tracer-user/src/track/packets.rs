//! Drops and RSTs that wait for the connection they belong to; bounded.

use super::config::MAX_PACKETS;
use super::flows::Pair;
use crate::model::event::{Packet, RstMaker};
use crate::model::identity::Netns;
use crate::model::reason::{DropReason, RstReason};
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::slice;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct PacketSeen {
    pub(super) at: Timestamp,
    pub(super) netns: Netns,
    pub(super) packet: Packet,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Drop {
        reason: DropReason,
        location: Option<Arc<str>>,
    },
    Reset {
        maker: RstMaker,
        reason: Option<RstReason>,
    },
    /// A rule answered it with a RST, and drops it next.
    Rejected,
}

impl PacketSeen {
    /// The pairs under which a connection could know this packet: its own, and its conntrack entry's.
    pub(super) fn each_pair(&self, mut visit: impl FnMut(Pair)) {
        let own = Pair::from(self.packet.tuple);
        visit(own);
        let Some(entry) = &self.packet.conntrack else {
            return;
        };
        let (original, reply) = (Pair::from(entry.original), Pair::from(entry.reply));
        if original != own {
            visit(original);
        }
        if reply != own && reply != original {
            visit(reply);
        }
    }
}

/// The packets of a pair: nearly always one.
#[derive(Debug)]
enum Ids {
    One(u64),
    More(Vec<u64>),
}

impl Ids {
    fn as_slice(&self) -> &[u64] {
        match self {
            Self::One(id) => slice::from_ref(id),
            Self::More(ids) => ids,
        }
    }

    fn add(&mut self, id: u64) {
        match self {
            Self::One(first) => *self = Self::More(vec![*first, id]),
            Self::More(ids) => ids.push(id),
        }
    }

    /// Whether none is left.
    fn remove(&mut self, id: u64) -> bool {
        match self {
            Self::One(only) => *only == id,
            Self::More(ids) => {
                ids.retain(|other| *other != id);
                ids.is_empty()
            }
        }
    }
}

/// By number, in order of arrival, and by pair.
#[derive(Debug, Default)]
pub(super) struct Packets {
    next: u64,
    /// The first one that waits, or `next`.
    oldest: u64,
    waiting: HashMap<u64, Arc<PacketSeen>, RandomState>,
    by_pair: HashMap<Pair, Ids, RandomState>,
}

impl Packets {
    /// Its number, and whether the oldest had to make room.
    pub(super) fn insert(&mut self, packet: Arc<PacketSeen>) -> (u64, bool) {
        let is_full = self.waiting.len() >= MAX_PACKETS;
        if is_full {
            self.remove(self.oldest);
        }
        let id = self.next;
        self.next += 1;
        packet.each_pair(|pair| {
            let ids = self.by_pair.entry(pair);
            ids.and_modify(|ids| ids.add(id)).or_insert(Ids::One(id));
        });
        self.waiting.insert(id, packet);
        (id, is_full)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Arc<PacketSeen>> {
        self.waiting.get(&id)
    }

    /// The packets that came by this device.
    pub(super) fn of_device(&self, netns: u64, ifindex: u32) -> Vec<u64> {
        let by = |seen: &PacketSeen| seen.packet.ifindex == Some(ifindex) && seen.netns.id() == netns;
        let mine = self.waiting.iter().filter(|(_, seen)| by(seen));
        let mut mine: Vec<_> = mine.map(|(id, _)| *id).collect();
        mine.sort_unstable();
        mine
    }

    pub(super) fn by_pair(&self, tuple: Tuple) -> SmallVec<[u64; 2]> {
        if self.by_pair.is_empty() {
            return SmallVec::new();
        }
        let ids = self.by_pair.get(&tuple.into());
        ids.map_or_else(SmallVec::new, |ids| ids.as_slice().into())
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Arc<PacketSeen>> {
        let packet = self.waiting.remove(&id)?;
        packet.each_pair(|pair| {
            if let Entry::Occupied(mut ids) = self.by_pair.entry(pair)
                && ids.get_mut().remove(id)
            {
                ids.remove();
            }
        });
        while self.oldest < self.next && !self.waiting.contains_key(&self.oldest) {
            self.oldest += 1;
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tuple::Endpoint;

    fn packet(port: u16) -> Arc<PacketSeen> {
        let end = |port| Endpoint::new([127, 0, 0, 1].into(), port);
        Arc::new(PacketSeen {
            at: Timestamp::default(),
            netns: Netns::default(),
            packet: Packet {
                tuple: Tuple::new(end(port), end(80)),
                mark: 0,
                ifindex: None,
                tcp_flags: 0,
                sequence: 0,
                acknowledgement: 0,
                conntrack: None,
            },
            what: What::Rejected,
        })
    }

    #[test]
    fn the_oldest_that_still_waits_makes_room() {
        let mut packets = Packets::default();
        for _ in 0..MAX_PACKETS {
            packets.insert(packet(1));
        }
        for id in [0, 1, 3] {
            packets.remove(id);
            packets.insert(packet(2));
        }
        assert!(packets.insert(packet(3)).1);
        assert!(packets.get(2).is_none() && packets.get(4).is_some());
        packets.insert(packet(3));
        assert!(packets.get(4).is_none() && packets.len() == MAX_PACKETS);
    }

    #[test]
    fn those_that_came_and_went_are_not_looked_for_again() {
        let mut packets = Packets::default();
        let stays = packets.insert(packet(1)).0;
        for _ in 0..1_000 {
            let (id, _) = packets.insert(packet(2));
            packets.remove(id);
        }
        assert_eq!(packets.oldest, stays);
        packets.remove(stays);
        assert_eq!((packets.oldest, packets.len()), (packets.next, 0));
    }
}
