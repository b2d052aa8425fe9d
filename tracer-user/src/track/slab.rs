//! Places for the flows, in chunks: growing moves none of them, and an empty chunk is given back.

use super::flow::Flow;
use slab::Slab as Chunk;
use std::num::NonZeroU32;

/// A place; it is used again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(NonZeroU32);

/// A flow, and its neighbours by age.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) flow: Flow,
    pub(super) older: Option<Slot>,
    pub(super) newer: Option<Slot>,
}

#[derive(Debug, Default)]
pub(super) struct Slab {
    chunks: Vec<Chunk<Node>>,
    /// The chunks that are not full, each once; the last is filled next.
    room: Vec<usize>,
    len: usize,
}

impl Slab {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Node> {
        let (chunk, key) = slot.split();
        self.chunks.get(chunk)?.get(key)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Node> {
        let (chunk, key) = slot.split();
        self.chunks.get_mut(chunk)?.get_mut(key)
    }

    /// There must be room: at most [`MAX_NODES`].
    pub(super) fn insert(&mut self, node: Node) -> Slot {
        if self.room.is_empty() {
            self.room.push(self.chunks.len());
            self.chunks.push(Chunk::new());
        }
        let index = self.room[self.room.len() - 1];
        let chunk = &mut self.chunks[index];
        if chunk.capacity() == 0 {
            chunk.reserve_exact(CHUNK);
        }
        let key = chunk.insert(node);
        if chunk.len() == CHUNK {
            self.room.pop();
        }
        self.len += 1;
        Slot::join(index, key)
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Node> {
        let (index, key) = slot.split();
        let chunk = self.chunks.get_mut(index)?;
        let node = chunk.try_remove(key)?;
        self.len -= 1;
        // The one that is filled next is kept, though it be empty: a lone flow comes and goes.
        if chunk.is_empty() && self.room.last() != Some(&index) {
            *chunk = Chunk::new();
        }
        if chunk.len() == CHUNK - 1 {
            let next = self.room.last().and_then(|next| self.chunks.get_mut(*next));
            if let Some(next) = next.filter(|next| next.is_empty()) {
                *next = Chunk::new();
            }
            self.room.push(index);
        }
        Some(node)
    }
}

impl Slot {
    fn join(chunk: usize, key: usize) -> Self {
        let index = u32::try_from(chunk * CHUNK + key).unwrap_or(u32::MAX);
        Self(NonZeroU32::MIN.saturating_add(index))
    }

    fn split(self) -> (usize, usize) {
        let index = usize::try_from(self.0.get() - 1).unwrap_or(usize::MAX);
        (index / CHUNK, index % CHUNK)
    }
}

/// As many as there are numbers for, and to spare.
pub(super) const MAX_NODES: usize = 1 << 31;
/// Flows in a chunk.
const CHUNK: usize = 1_024;
