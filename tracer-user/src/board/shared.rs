//! One board for the loop that feeds it and for those who show it.

use crate::board::Board;
use crate::sink::Record;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Clones are handles of the same board.
#[derive(Clone, Debug, Default)]
pub struct SharedBoard(Arc<Mutex<Board>>);

impl SharedBoard {
    pub fn take(&self, record: Record<'_>) {
        self.lock().take(record);
    }

    pub fn update(&self, change: impl FnOnce(&mut Board)) {
        change(&mut self.lock());
    }

    /// The board as it is now. Its findings and ports are shared, not copied, so that nobody waits for this.
    pub fn snapshot(&self) -> Board {
        self.lock().clone()
    }

    /// A board is whole after every call: that somebody panicked meanwhile takes nothing from it.
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
