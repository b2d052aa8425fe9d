//! Connections all the time, from as many loads as there are processors, while something else is measured.

use crate::load::{Job, Load};
use anyhow::Context as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

pub(crate) struct Background {
    stop: Arc<AtomicBool>,
    loads: Vec<JoinHandle<anyhow::Result<(Load, u64)>>>,
}

impl Background {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let loads = (0..thread::available_parallelism()?.get()).map(|_| {
            let (mut load, stop) = (Load::start()?, Arc::clone(&stop));
            Ok(thread::spawn(move || {
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    load.run(Job::Connect(ROUND))?;
                    count += u64::from(ROUND);
                }
                Ok((load, count))
            }))
        });
        let loads = loads.collect::<anyhow::Result<_>>()?;
        Ok(Self { stop, loads })
    }

    /// The loads, which rest from then on, and how many connections each made.
    pub(crate) fn finish(mut self) -> anyhow::Result<Vec<(Load, u64)>> {
        self.stop.store(true, Ordering::Relaxed);
        let loads = self
            .loads
            .drain(..)
            .map(|load| load.join().ok().context("a load's thread panicked")?);
        loads.collect()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for load in self.loads.drain(..) {
            let _ = load.join();
        }
    }
}

/// Connections between two looks at whether it is to stop.
const ROUND: u32 = 500;
