//! The probes and a reader of their ring inside this process: for what the released program has no option for.

use crate::process::Runs;
use crate::tracer::Used;
use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tracer_user::decode::Tables;
use tracer_user::kernel::clock;
use tracer_user::kernel::hooks::name;
use tracer_user::kernel::load::{Probes, Settings};
use tracer_user::kernel::ring::Rings;

pub(crate) struct Inside {
    probes: Probes,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Inside {
    /// Loads the probes; a thread hands every record to `take`.
    pub(crate) fn start(export_all: bool, mut take: impl FnMut(&[u8]) + Send + 'static) -> anyhow::Result<Self> {
        let mut probes = Probes::load(&Settings {
            export_all,
            drops_per_second: 1_000_000,
            resets_per_second: 1_000_000,
            ..Settings::default()
        })?;
        let mut rings = probes.take_rings()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let reader = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                wait(&rings);
                while rings.drain(BATCH, &mut take) == BATCH {}
                thread::sleep(REST);
            }
            while rings.drain(BATCH, &mut take) == BATCH {}
        });
        Ok(Self {
            probes,
            stop,
            reader: Some(reader),
        })
    }

    /// This kernel's numbers for decoding.
    pub(crate) fn tables(&self) -> Tables {
        let facts = self.probes.facts();
        Tables {
            drop_reasons: facts.drop_reasons.clone(),
            rst_reasons: facts.rst_reasons.clone(),
            jiffy: clock::jiffy(),
        }
    }

    /// The CPU time is that of this whole process, which only waits otherwise.
    pub(crate) fn used(&self) -> anyhow::Result<Used> {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let programs = self.probes.costs().into_iter().map(|(hook, cost)| {
            let runs = Runs {
                count: cost.runs,
                time: cost.time,
            };
            (name(hook).to_owned(), runs)
        });
        Ok(Used {
            programs: programs.collect(),
            cpu: Duration::try_from(time).context("the process's clock")?,
        })
    }

    /// Ends the reader, which has taken everything by then.
    pub(crate) fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.end();
    }
}

/// Until there are records, or some time has passed.
fn wait(rings: &Rings) {
    const SOME_TIME: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 50_000_000,
    };
    // An interrupted wait is as good as a short one.
    let of = |ring| PollFd::new(ring, PollFlags::IN);
    let _ = poll(&mut [of(&rings.events), of(&rings.bulk)], Some(&SOME_TIME));
}

const BATCH: usize = 512;
/// As the program does: who waits for every single record is woken, and pays, for every single one.
const REST: Duration = Duration::from_millis(10);
