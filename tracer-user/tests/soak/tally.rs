//! What the clients saw.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub(crate) struct Tally {
    refused: AtomicU64,
    given_up: AtomicU64,
    by_kind: Mutex<BTreeMap<&'static str, usize>>,
    surprises: Mutex<Vec<String>>,
}

impl Tally {
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn gave_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn made_one(&self, kind: &'static str, outcome: io::Result<()>) {
        *self.by_kind.lock().unwrap().entry(kind).or_default() += 1;
        if let Err(error) = outcome {
            self.surprises.lock().unwrap().push(format!("{kind}: {error}"));
        }
    }

    pub(crate) fn made(&self) -> usize {
        self.by_kind.lock().unwrap().values().sum()
    }

    /// How many of these kinds.
    pub(crate) fn made_of(&self, kinds: &[&str]) -> usize {
        let made = self.by_kind.lock().unwrap();
        kinds.iter().filter_map(|kind| made.get(kind)).sum()
    }

    pub(crate) fn surprises(&self) -> Vec<String> {
        self.surprises.lock().unwrap().clone()
    }

    pub(crate) fn times_refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn times_given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.by_kind.lock().unwrap())?;
        write!(
            f,
            "refused {}, given up {}",
            self.times_refused(),
            self.times_given_up()
        )
    }
}
