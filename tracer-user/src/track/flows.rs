//! The table of connections under suspicion, by number, socket and tuple; bounded.

use super::config::MAX_FLOWS;
use super::flow::Flow;
use crate::model::identity::SocketCookie;
use crate::model::tuple::{Endpoint, Tuple};
use foldhash::fast::RandomState;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::slice;

/// The two endpoints of a tuple, whichever way the packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair(Endpoint, Endpoint);

impl From<Tuple> for Pair {
    fn from(tuple: Tuple) -> Self {
        let Tuple { source, destination } = tuple;
        if source <= destination {
            Self(source, destination)
        } else {
            Self(destination, source)
        }
    }
}

/// The flows of a pair: nearly always one.
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
        if self.as_slice().contains(&id) {
            return;
        }
        match self {
            Self::One(first) => *self = Self::More(vec![*first, id]),
            Self::More(ids) => ids.push(id),
        }
    }
}

#[derive(Debug)]
pub(super) struct Flows {
    bound: usize,
    next: u64,
    /// Boxed: the table is as good as half empty after it grew, and flows are large.
    by_id: HashMap<u64, Box<Flow>, RandomState>,
    by_socket: HashMap<SocketCookie, u64, RandomState>,
    by_pair: HashMap<Pair, Ids, RandomState>,
    /// Oldest first; numbers of flows that are gone are skipped.
    ages: VecDeque<u64>,
}

impl Default for Flows {
    fn default() -> Self {
        Self::bounded(MAX_FLOWS)
    }
}

impl Flows {
    pub(super) fn bounded(bound: usize) -> Self {
        Self {
            bound,
            next: 0,
            by_id: HashMap::default(),
            by_socket: HashMap::default(),
            by_pair: HashMap::default(),
            ages: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Flow> {
        self.by_id.get(&id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Flow> {
        self.by_id.get_mut(&id).map(Box::as_mut)
    }

    pub(super) fn by_socket(&self, socket: SocketCookie) -> Option<u64> {
        self.by_socket.get(&socket).copied()
    }

    /// Every flow that has these two endpoints before or after translation.
    pub(super) fn by_pair(&self, pair: Pair) -> &[u64] {
        self.by_pair.get(&pair).map_or(&[], Ids::as_slice)
    }

    /// Enters the flow under a new number, and gives back the oldest one if it had to make room.
    pub(super) fn insert(&mut self, mut flow: Flow) -> (u64, Option<Box<Flow>>) {
        let evicted = if self.by_id.len() >= self.bound {
            self.oldest()
        } else {
            None
        };
        let evicted = evicted.and_then(|id| self.remove(id));
        let id = self.next;
        self.next += 1;
        flow.id = id;
        if let Some(socket) = flow.socket {
            self.by_socket.insert(socket, id);
        }
        let tuple = flow.tuple;
        self.by_id.insert(id, Box::new(flow));
        self.index(id, tuple);
        self.ages.push_back(id);
        self.forget_gone();
        (id, evicted)
    }

    /// Makes the flow known under (another) name of its socket.
    pub(super) fn name(&mut self, id: u64, socket: SocketCookie) {
        self.by_socket.insert(socket, id);
    }

    /// The socket belongs to another connection from now on.
    pub(super) fn detach(&mut self, id: u64) {
        let Some(flow) = self.by_id.get_mut(&id) else {
            return;
        };
        let counted = flow.counted.as_mut().and_then(|counted| counted.cookie.take());
        for socket in flow.socket.take().into_iter().chain(counted) {
            if self.by_socket.get(&socket) == Some(&id) {
                self.by_socket.remove(&socket);
            }
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Box<Flow>> {
        self.detach(id);
        let flow = self.by_id.remove(&id)?;
        self.unindex(id, flow.tuple);
        self.unindex(id, flow.leaving());
        Some(flow)
    }

    /// Makes the flow known under another tuple too (its translated one, or a source port that was unknown).
    pub(super) fn index(&mut self, id: u64, tuple: Tuple) {
        if tuple.source.port == 0 {
            return;
        }
        match self.by_pair.entry(tuple.into()) {
            Entry::Occupied(ids) => ids.into_mut().add(id),
            Entry::Vacant(free) => {
                free.insert(Ids::One(id));
            }
        }
    }

    /// Its translation may be another one than `before`: makes the flow known under it, and no longer under that.
    pub(super) fn reindex(&mut self, id: u64, before: Tuple) {
        let Some(flow) = self.by_id.get(&id) else {
            return;
        };
        let (own, leaving) = (flow.tuple, flow.leaving());
        if before != leaving && before != own {
            self.unindex(id, before);
        }
        self.index(id, leaving);
    }

    fn unindex(&mut self, id: u64, tuple: Tuple) {
        let pair = tuple.into();
        let is_last = match self.by_pair.get_mut(&pair) {
            Some(Ids::One(only)) => *only == id,
            Some(Ids::More(ids)) => {
                ids.retain(|other| *other != id);
                ids.is_empty()
            }
            None => false,
        };
        if is_last {
            self.by_pair.remove(&pair);
        }
    }

    fn oldest(&mut self) -> Option<u64> {
        while let Some(id) = self.ages.pop_front() {
            if self.by_id.contains_key(&id) {
                return Some(id);
            }
        }
        None
    }

    fn forget_gone(&mut self) {
        if self.ages.len() > 1_024 + self.by_id.len().saturating_mul(2) {
            let flows = &self.by_id;
            self.ages.retain(|id| flows.contains_key(id));
        }
    }
}
