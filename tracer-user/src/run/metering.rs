//! The thread that has the kernel count what the probes cost, for a moment now and then.
//!
//! Counting is switched on by CAP_SYS_ADMIN and for as long as a descriptor lives, so whoever does it keeps that right and
//! does nothing else.

use crate::confine::{self, Role};
use crate::kernel::load::Probes;
use crate::kernel::meter::{Meter, Reading, Window, counts_always};
use crate::kernel::stat::enable_cost;
use crate::model::time::Timestamp;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryIter, channel, sync_channel};
use std::time::Duration;

/// The thread ends when it is dropped.
#[derive(Debug)]
pub(super) struct Metering {
    asked: SyncSender<Meter>,
    windows: Receiver<Window>,
    started: Timestamp,
    due: Timestamp,
}

impl Metering {
    pub(super) fn start(now: Timestamp) -> io::Result<Self> {
        let (asked, inbox) = sync_channel(1);
        let (outbox, windows) = channel();
        std::thread::Builder::new().name("cost".into()).spawn(move || {
            confine::thread(Role::Measure);
            serve(&inbox, &outbox);
        })?;
        Ok(Self {
            asked,
            windows,
            started: now,
            due: now,
        })
    }

    /// Asks for a window where it is time: often at the start, so that a short run has some, and later rarely.
    pub(super) fn tick(&mut self, now: Timestamp, probes: &Probes) {
        if now + EARLY < self.due {
            return;
        }
        self.due = now + pause(now.since(self.started));
        match probes.meter() {
            // One that still measures, or cannot, is not asked.
            Ok(meter) => drop(self.asked.try_send(meter)),
            Err(error) => tracing::debug!(%error, "the probes' descriptors cannot be copied"),
        }
    }

    /// Those that ended since this was last asked.
    pub(super) fn windows(&self) -> TryIter<'_, Window> {
        self.windows.try_iter()
    }
}

fn pause(age: Duration) -> Duration {
    age.clamp(SHORTEST_PAUSE, PAUSE)
}

fn serve(inbox: &Receiver<Meter>, outbox: &Sender<Window>) {
    let mut last = None;
    while let Ok(meter) = inbox.recv() {
        match measure(&meter, &mut last) {
            Ok(window) => {
                if outbox.send(window).is_err() {
                    return;
                }
            }
            Err(error) => return tracing::debug!(%error, "what the probes cost cannot be measured"),
        }
    }
}

/// A window of its own; where the kernel counts always, the time since the last one.
fn measure(meter: &Meter, last: &mut Option<Reading>) -> io::Result<Window> {
    let is_on = counts_always();
    let before = last.take().filter(|_| is_on);
    let statistics = if is_on { None } else { Some(enable_cost()?) };
    let before = before.unwrap_or_else(|| {
        let before = meter.read();
        std::thread::sleep(WINDOW);
        before
    });
    let after = meter.read();
    drop(statistics);
    let window = after.since(&before);
    *last = is_on.then_some(after);
    Ok(window)
}

/// Long enough to see a busy probe run a thousand times, and a hundredth of the time between two.
const WINDOW: Duration = Duration::from_millis(100);
/// Ticks come once a second, and some a little early.
const EARLY: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_secs(10);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_frequent_at_first_and_then_rare() {
        let mut asked = vec![0];
        while let Some(last) = asked.last().copied().filter(|last| *last < 40) {
            asked.push(last + pause(Duration::from_secs(last)).as_secs());
        }
        assert_eq!(asked, [0, 1, 2, 4, 8, 16, 26, 36, 46]);
    }
}
