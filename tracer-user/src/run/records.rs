//! The rings as the loop waits for them: a first record waits for others, so that a busy node wakes us once for many.

use crate::kernel::ring::{Ring, Rings};
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

pub(super) struct Records {
    rings: Rings<AsyncFd<Ring>>,
    /// When to take what is there.
    due: Option<Instant>,
}

impl Records {
    /// To be called within the runtime.
    pub(super) fn new(rings: Rings) -> io::Result<Self> {
        let Rings { events, bulk } = rings;
        let rings = Rings {
            events: super::ready::readable(events)?,
            bulk: super::ready::readable(bulk)?,
        };
        Ok(Self { rings, due: None })
    }

    /// Waits until there are records to take. The kernel wakes a reader only when it has taken everything: waiting before
    /// taking makes it one wake-up for all that comes in that time. Nothing is lost if the wait is given up.
    pub(super) async fn ready(&mut self) -> io::Result<()> {
        let due = if let Some(due) = self.due {
            due
        } else {
            let Rings { events, bulk } = &self.rings;
            tokio::select! {
                ready = events.readable() => drop(ready?),
                ready = bulk.readable() => drop(ready?),
            }
            *self.due.insert(Instant::now() + REST)
        };
        sleep_until(due).await;
        Ok(())
    }

    /// The one that was fuller of the two, for its size.
    pub(super) fn fullest(&self) -> &Ring {
        let Rings { events, bulk } = &self.rings;
        let (events, bulk) = (events.get_ref(), bulk.get_ref());
        let share = |ring: &Ring, of: &Ring| ring.high_water().saturating_mul(of.bytes().unwrap_or(1));
        if share(bulk, events) > share(events, bulk) {
            bulk
        } else {
            events
        }
    }

    /// Hands a batch to `take`, symptoms first; `true`: nothing is left.
    pub(super) fn drain(&mut self, mut take: impl FnMut(&[u8])) -> bool {
        let Rings { events, bulk } = &mut self.rings;
        let symptoms = events.get_mut().drain(BATCH, &mut take);
        let taken = symptoms + bulk.get_mut().drain(BATCH - symptoms, take);
        let is_empty = taken < BATCH;
        if is_empty {
            self.due = None;
            for ring in [events, bulk] {
                // What came since is told by the runtime when it looks again.
                let empty = |_: &mut Ring| Err::<(), _>(io::Error::from(ErrorKind::WouldBlock));
                let _ = ring.try_io_mut(Interest::READABLE, empty);
            }
        }
        is_empty
    }
}

/// Records taken in one go, before anything else gets its turn.
pub(super) const BATCH: usize = 512;
/// Batches in which everything is taken that both rings hold.
pub(super) const LAST_BATCHES: usize = 128;
/// How long a first record waits for others. The rings hold some thirteen thousand each; a finding comes this much later.
const REST: Duration = Duration::from_millis(10);
