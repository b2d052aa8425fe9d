//! More than a hundred thousand connections under suspicion at once: a recording, told of so many at the same time.

use crate::feed::{feed, now};
use crate::followed;
use crate::load::Job;
use crate::record::Recording;
use std::time::Duration;

/// How it went.
pub(crate) struct Crowd {
    pub(crate) events: u64,
    pub(crate) cpu: Duration,
    /// Connections that the Tracker followed at once, at the most.
    pub(crate) tracked: u64,
}

/// Refused, aborted and unanswered connections, a thousand of each; the last ones stay until its end.
pub(crate) fn record() -> anyhow::Result<Recording> {
    Recording::of(false, &FAILURES, PATIENCE)
}

/// The same, and as many ordinary connections, with every step of all of them.
pub(crate) fn record_mixed() -> anyhow::Result<Recording> {
    let [hang, refuse, abort] = FAILURES;
    Recording::of(true, &[hang, Job::Connect(1_000), refuse, abort], PATIENCE)
}

/// Tells it so often at the same time to a Tracker that follows so many others already.
pub(crate) fn run(recording: &Recording, tellings: u32, others: u32) -> anyhow::Result<Crowd> {
    let mut tracker = followed::roomy(recording.begin);
    followed::follow(&mut tracker, others, recording.begin);
    let mut crowd = Crowd {
        events: 0,
        cpu: Duration::ZERO,
        tracked: 0,
    };
    for batch in recording.retell_together(tellings) {
        let start = now()?;
        feed(&recording.tables, &batch, &mut tracker);
        crowd.cpu += now()?.saturating_sub(start);
        crowd.events += u64::try_from(batch.len())?;
        crowd.tracked = crowd.tracked.max(u64::try_from(tracker.tracked())?);
    }
    Ok(crowd)
}

const FAILURES: [Job; 3] = [Job::Hang(1_000), Job::Refuse(1_000), Job::Abort(1_000)];
/// Two retransmits of each SYN.
const PATIENCE: Duration = Duration::from_millis(3_300);
/// As many as make more than 100,000 unanswered connections.
pub(crate) const TELLINGS: u32 = 105;
