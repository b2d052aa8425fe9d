//! The table of connections under suspicion, by number, socket and tuple; bounded.

use super::flow::Flow;
use super::slab::{MAX_NODES, Node, Slab, Slot};
use crate::model::identity::SocketCookie;
use crate::model::tuple::{Endpoint, Tuple};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};

/// Which flow: the older is the smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Handle {
    /// The low half of its number, by which a place that has another flow by now is told.
    number: u32,
    slot: Slot,
}

impl Handle {
    /// Below `bound`, another for each of neighbours.
    pub(super) fn spread(self, bound: u32) -> u32 {
        self.number % bound
    }
}

/// The two endpoints of a tuple, whichever way the packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair(Endpoint, Endpoint);

impl From<Tuple> for Pair {
    fn from(tuple: Tuple) -> Self {
        let Tuple { source, destination } = tuple;
        let rank = |end: Endpoint| (bits(end.address), end.port);
        if rank(source) <= rank(destination) {
            Self(source, destination)
        } else {
            Self(destination, source)
        }
    }
}

impl Pair {
    fn joins(self, tuple: Tuple) -> bool {
        let Tuple { source, destination } = tuple;
        (source, destination) == (self.0, self.1) || (destination, source) == (self.0, self.1)
    }
}

impl Hash for Pair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let word = |address: Ipv4Addr, port: u16| u128::from(address.to_bits()) << 16 | u128::from(port);
        let Self(one, other) = *self;
        match (one.address, other.address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => state.write_u128(word(a, one.port) << 64 | word(b, other.port)),
            (a, b) => {
                state.write_u128(bits(a));
                state.write_u128(bits(b));
                state.write_u32(u32::from(one.port) << 16 | u32::from(other.port));
            }
        }
    }
}

/// The indices keep no keys: they look into the flows.
#[derive(Debug)]
pub(super) struct Flows {
    bound: usize,
    next: u64,
    slab: Slab,
    oldest: Option<Slot>,
    newest: Option<Slot>,
    by_socket: HashTable<Slot>,
    /// The flows whose socket has another name too.
    by_other_name: HashMap<SocketCookie, Handle, RandomState>,
    by_pair: HashTable<Slot>,
    /// The translated ones, by what they are translated to.
    by_translation: HashTable<Slot>,
    random: RandomState,
}

impl Flows {
    pub(super) fn bounded(bound: usize) -> Self {
        Self {
            bound: bound.clamp(1, MAX_NODES),
            next: 0,
            slab: Slab::default(),
            oldest: None,
            newest: None,
            by_socket: HashTable::new(),
            by_other_name: HashMap::default(),
            by_pair: HashTable::new(),
            by_translation: HashTable::new(),
            random: RandomState::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn get(&self, handle: Handle) -> Option<&Flow> {
        let flow = &self.slab.get(handle.slot)?.flow;
        (low_half(flow.id) == handle.number).then_some(flow)
    }

    pub(super) fn get_mut(&mut self, handle: Handle) -> Option<&mut Flow> {
        let flow = &mut self.slab.get_mut(handle.slot)?.flow;
        (low_half(flow.id) == handle.number).then_some(flow)
    }

    pub(super) fn by_socket(&self, socket: SocketCookie) -> Option<Handle> {
        let hash = self.random.hash_one(socket);
        let is_its = |slot: &Slot| {
            self.slab
                .get(*slot)
                .is_some_and(|node| node.flow.socket == Some(socket))
        };
        match self.by_socket.find(hash, is_its) {
            Some(slot) => self.handle(*slot),
            None => self.by_other_name.get(&socket).copied(),
        }
    }

    /// Every flow that has these two endpoints before or after translation, in no order.
    pub(super) fn by_pair(&self, pair: Pair) -> impl Iterator<Item = (Handle, &Flow)> {
        let hash = self.random.hash_one(pair);
        let own = self.within(&self.by_pair, hash);
        let own = own.filter(move |(_, flow)| pair.joins(flow.tuple));
        let translated = self.within(&self.by_translation, hash);
        let translated =
            translated.filter(move |(_, flow)| flow.signs().translation.is_some_and(|tuple| pair.joins(tuple)));
        own.chain(translated)
    }

    fn within<'a>(&'a self, index: &'a HashTable<Slot>, hash: u64) -> impl Iterator<Item = (Handle, &'a Flow)> {
        index.iter_hash(hash).filter_map(|slot| {
            let flow = &self.slab.get(*slot)?.flow;
            let number = low_half(flow.id);
            Some((Handle { number, slot: *slot }, flow))
        })
    }

    /// Enters the flow under a new number, and gives back the oldest one if it had to make room.
    pub(super) fn insert(&mut self, mut flow: Flow) -> (Handle, Option<Flow>) {
        let oldest = self.oldest.filter(|_| self.slab.len() >= self.bound);
        let evicted = oldest.and_then(|slot| self.remove(self.handle(slot)?));
        flow.id = self.next;
        self.next += 1;
        let (socket, tuple, number) = (flow.socket, flow.tuple, low_half(flow.id));
        let older = self.newest;
        let slot = self.slab.insert(Node {
            flow,
            older,
            newer: None,
        });
        self.newest = Some(slot);
        match older.and_then(|older| self.slab.get_mut(older)) {
            Some(older) => older.newer = Some(slot),
            None => self.oldest = Some(slot),
        }
        if let Some(socket) = socket {
            self.index_socket(slot, socket);
        }
        self.index_pair(slot, tuple);
        (Handle { number, slot }, evicted)
    }

    /// The flow is of this socket, which was not known of it.
    pub(super) fn set_socket(&mut self, handle: Handle, socket: SocketCookie) {
        if let Some(flow) = self.get_mut(handle) {
            flow.socket = Some(socket);
            self.index_socket(handle.slot, socket);
        }
    }

    /// Makes the flow known under another name of its socket.
    pub(super) fn name(&mut self, handle: Handle, socket: SocketCookie) {
        self.by_other_name.insert(socket, handle);
    }

    /// The socket belongs to another connection from now on.
    pub(super) fn detach(&mut self, handle: Handle) {
        let Some(flow) = self.get_mut(handle) else {
            return;
        };
        let counted = flow.take_other_name();
        let socket = flow.socket.take();
        if let Some(other) = counted.filter(|other| self.by_other_name.get(other) == Some(&handle)) {
            self.by_other_name.remove(&other);
        }
        if let Some(socket) = socket {
            let hash = self.random.hash_one(socket);
            take(&mut self.by_socket, hash, handle.slot);
        }
    }

    pub(super) fn remove(&mut self, handle: Handle) -> Option<Flow> {
        self.detach(handle);
        let (tuple, translation) = self.get(handle).map(|flow| (flow.tuple, flow.signs().translation))?;
        let hash = self.hash(tuple);
        take(&mut self.by_pair, hash, handle.slot);
        if let Some(translation) = translation {
            let hash = self.hash(translation);
            take(&mut self.by_translation, hash, handle.slot);
        }
        let Node { flow, older, newer } = self.slab.remove(handle.slot)?;
        match older.and_then(|older| self.slab.get_mut(older)) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match newer.and_then(|newer| self.slab.get_mut(newer)) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        Some(flow)
    }

    /// The flow has this tuple, whose source port was not known.
    pub(super) fn set_tuple(&mut self, handle: Handle, tuple: Tuple) {
        let Some(before) = self.get(handle).map(|flow| flow.tuple) else {
            return;
        };
        let hash = self.hash(before);
        take(&mut self.by_pair, hash, handle.slot);
        if let Some(flow) = self.get_mut(handle) {
            flow.tuple = tuple;
        }
        self.index_pair(handle.slot, tuple);
        self.reindex(handle);
    }

    /// Its translation may be another one: makes the flow known under it, and no longer under the one before.
    pub(super) fn reindex(&mut self, handle: Handle) {
        let Some(flow) = self.get_mut(handle) else {
            return;
        };
        let leaving = flow.leaving();
        let translation = (leaving != flow.tuple).then_some(leaving);
        let before = flow.signs().translation;
        if before == translation {
            return;
        }
        flow.signs_mut().translation = translation;
        if let Some(before) = before {
            let hash = self.hash(before);
            take(&mut self.by_translation, hash, handle.slot);
        }
        if let Some(translation) = translation {
            let hash = self.hash(translation);
            let (slab, random) = (&self.slab, &self.random);
            self.by_translation.insert_unique(hash, handle.slot, |slot| {
                let translation = slab.get(*slot).and_then(|node| node.flow.signs().translation);
                translation.map_or(0, |tuple| random.hash_one(Pair::from(tuple)))
            });
        }
    }

    fn index_socket(&mut self, slot: Slot, socket: SocketCookie) {
        let hash = self.random.hash_one(socket);
        let (slab, random) = (&self.slab, &self.random);
        let socket_of = |slot: &Slot| slab.get(*slot).and_then(|node| node.flow.socket);
        let entry = self.by_socket.entry(
            hash,
            |slot| socket_of(slot) == Some(socket),
            |slot| socket_of(slot).map_or(0, |socket| random.hash_one(socket)),
        );
        entry.insert(slot);
    }

    fn index_pair(&mut self, slot: Slot, tuple: Tuple) {
        // Many have no port yet, and none of them is meant by it.
        if tuple.source.port == 0 {
            return;
        }
        let hash = self.hash(tuple);
        let (slab, random) = (&self.slab, &self.random);
        self.by_pair.insert_unique(hash, slot, |slot| {
            slab.get(*slot)
                .map_or(0, |node| random.hash_one(Pair::from(node.flow.tuple)))
        });
    }

    fn hash(&self, tuple: Tuple) -> u64 {
        self.random.hash_one(Pair::from(tuple))
    }

    fn handle(&self, slot: Slot) -> Option<Handle> {
        let number = low_half(self.slab.get(slot)?.flow.id);
        Some(Handle { number, slot })
    }
}

fn take(index: &mut HashTable<Slot>, hash: u64, slot: Slot) {
    if let Ok(entry) = index.find_entry(hash, |other| *other == slot) {
        entry.remove();
    }
}

fn low_half(id: u64) -> u32 {
    let [.., a, b, c, d] = id.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}
