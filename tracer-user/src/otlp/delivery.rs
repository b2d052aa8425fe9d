//! What is sent when, and what becomes of it: a state machine without a socket or a clock.
//!
//! One request is under way at a time. It holds at most 512 records and goes when it is full or its oldest record has
//! waited for a second. What may succeed later (by the specification: 429, 502, 503, 504 and broken connections) comes
//! back into the queue and waits; what a server refuses for good is dropped and counted.

use crate::model::time::Timestamp;
use crate::otlp::backoff::Backoff;
use crate::otlp::queue::{Dropped, Entry, Queue};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Delivery {
    queue: Queue,
    phase: Phase,
    backoff: Backoff,
    /// Nothing more will be pushed.
    finishing: bool,
    counts: Counts,
    failing: Option<String>,
    complaint: Complaint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ready,
    Sending,
    Paused { until: Timestamp },
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Taken, but for so many records.
    Delivered { rejected: u64, message: Option<String> },
    /// It would be refused again.
    Refused(String),
    /// It may succeed later; the server may have said when.
    Failed { why: String, retry_after: Option<Duration> },
}

/// What the caller is to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Send these, and tell [`Delivery::settle`] what came of it.
    Send(Vec<Entry>),
    /// Wait until then, or for the next push.
    Wait(Option<Timestamp>),
    /// Everything is sent that was to be.
    Over,
}

/// What an exporter did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtlpStats {
    /// Records that a server took.
    pub sent: u64,
    /// Records that wait, or are under way.
    pub queued: u64,
    /// Bytes of these, as they are on the wire.
    pub queued_bytes: u64,
    /// Records dropped for want of room, because no server took them in time.
    pub dropped: Dropped,
    /// Records that a server refused for good, whole requests or some of one.
    pub refused: u64,
    /// Requests that failed and were, or will be, tried again.
    pub failures: u64,
    /// Why nothing can be sent now.
    pub failing: Option<String>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    refused: u64,
    failures: u64,
}

/// What a person is told of failures, at most once a minute.
#[derive(Debug, Default)]
struct Complaint {
    waiting: Option<String>,
    told: Option<Timestamp>,
}

impl Delivery {
    /// `seed` is for the chance in pauses.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            queue: Queue::default(),
            phase: Phase::Ready,
            backoff: Backoff::new(seed),
            finishing: false,
            counts: Counts::default(),
            failing: None,
            complaint: Complaint::default(),
        }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.queue.push(entry);
    }

    /// Nothing more will be pushed: what waits goes now, whatever it waits for.
    pub(super) fn finish(&mut self) {
        self.finishing = true;
        if self.phase != Phase::Sending {
            self.phase = Phase::Ready;
        }
    }

    /// To be called after every push, outcome and deadline; too often is harmless.
    pub(super) fn step(&mut self, now: Timestamp) -> Step {
        match self.phase {
            Phase::Sending => return Step::Wait(None),
            Phase::Paused { until } if now < until => return Step::Wait(Some(until)),
            Phase::Paused { .. } | Phase::Ready => {}
        }
        let Some(oldest) = self.queue.oldest() else {
            return if self.finishing { Step::Over } else { Step::Wait(None) };
        };
        let due = oldest + LINGER;
        if now < due && !self.finishing && !self.queue.fills_a_batch() {
            return Step::Wait(Some(due));
        }
        self.phase = Phase::Sending;
        Step::Send(self.queue.take())
    }

    /// What became of the batch that [`Step::Send`] handed out.
    pub(super) fn settle(&mut self, batch: Vec<Entry>, outcome: Outcome, now: Timestamp) {
        let records = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        match outcome {
            Outcome::Delivered { rejected, message } => {
                self.succeed();
                let rejected = rejected.min(records);
                self.counts.sent += records - rejected;
                self.counts.refused += rejected;
                if rejected > 0 {
                    let why = message.unwrap_or_else(|| "the server does not say why".to_owned());
                    self.complain(format!("{rejected} of {records} records were refused: {why}"), now);
                }
            }
            Outcome::Refused(why) => {
                self.succeed();
                self.counts.refused += records;
                self.complain(format!("{records} records were refused: {why}"), now);
            }
            Outcome::Failed { why, retry_after } => {
                self.queue.put_back(batch);
                self.counts.failures += 1;
                let pause = self.backoff.next();
                let pause = retry_after.map_or(pause, |asked| asked.clamp(LEAST_PAUSE, LONGEST_PAUSE));
                self.phase = Phase::Paused { until: now + pause };
                self.complain(format!("{why}; tried again in {pause:.1?}"), now);
                self.failing = Some(why);
            }
        }
    }

    /// A sentence for the log, if one is due.
    pub(super) fn poll_complaint(&mut self) -> Option<String> {
        self.complaint.waiting.take()
    }

    pub(super) fn stats(&self) -> OtlpStats {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        OtlpStats {
            sent: self.counts.sent,
            queued: count(self.queue.len()),
            queued_bytes: count(self.queue.bytes()),
            dropped: self.queue.dropped(),
            refused: self.counts.refused,
            failures: self.counts.failures,
            failing: self.failing.clone(),
        }
    }

    /// The server answers: whatever it said, the next request need not wait.
    fn succeed(&mut self) {
        self.queue.settle();
        self.backoff.reset();
        self.phase = Phase::Ready;
        self.failing = None;
    }

    fn complain(&mut self, text: String, now: Timestamp) {
        let told_lately = |told: Timestamp| now.since(told) < COMPLAIN_EVERY;
        if !self.complaint.told.is_some_and(told_lately) {
            self.complaint = Complaint {
                waiting: Some(text),
                told: Some(now),
            };
        }
    }
}

/// How long a record waits for others.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// A server that asks for less is asked again no sooner.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// A server that asks for more is mistaken about its clock, or hostile.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::queue::{BYTES, RECORDS};
    use proptest::prelude::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    fn entry(number: u64, bytes: usize, now: Timestamp) -> Entry {
        Entry {
            log: number.to_be_bytes().into(),
            bytes,
            is_finding: !number.is_multiple_of(5),
            pushed: now,
        }
    }

    fn number_of(entry: &Entry) -> u64 {
        u64::from_be_bytes(entry.log[..].try_into().unwrap())
    }

    fn failed(retry_after: Option<Duration>) -> Outcome {
        Outcome::Failed {
            why: "answers 503".to_owned(),
            retry_after,
        }
    }

    fn taken() -> Outcome {
        Outcome::Delivered {
            rejected: 0,
            message: None,
        }
    }

    fn sent(step: Step) -> Vec<Entry> {
        let Step::Send(batch) = step else {
            panic!("{step:?}");
        };
        batch
    }

    fn waits_until(step: &Step) -> Option<Timestamp> {
        let Step::Wait(until) = step else {
            panic!("{step:?}");
        };
        *until
    }

    #[test]
    fn a_record_waits_a_second_for_others_and_a_full_request_goes_at_once() {
        let mut delivery = Delivery::new(1);
        delivery.push(entry(1, 10, at(0)));
        assert_eq!(waits_until(&delivery.step(at(0))), Some(at(1000)));
        delivery.push(entry(2, 10, at(999)));
        let batch = sent(delivery.step(at(1000)));
        assert_eq!(batch.len(), 2);
        for number in 0..512 {
            delivery.push(entry(number, 10, at(1001)));
        }
        assert_eq!(waits_until(&delivery.step(at(1001))), None, "one request at a time");
        delivery.settle(batch, taken(), at(1002));
        assert_eq!(sent(delivery.step(at(1002))).len(), 512);
    }

    #[test]
    fn a_server_that_says_when_is_asked_again_then() {
        let mut delivery = Delivery::new(1);
        for (asked, waits) in [(7, 7), (0, 1), (u64::MAX, 3600)] {
            delivery.push(entry(1, 10, at(0)));
            delivery.finish();
            let batch = sent(delivery.step(at(0)));
            delivery.settle(batch, failed(Some(Duration::from_secs(asked))), at(0));
            assert_eq!(waits_until(&delivery.step(at(0))), Some(at(waits * 1000)), "{asked}");
            let batch = sent(delivery.step(at(waits * 1000)));
            delivery.settle(batch, taken(), at(waits * 1000));
        }
    }

    #[test]
    fn what_is_refused_goes_and_the_next_request_need_not_wait() {
        let mut delivery = Delivery::new(1);
        delivery.push(entry(1, 10, at(0)));
        let batch = sent(delivery.step(at(5000)));
        delivery.settle(batch, Outcome::Refused("answers 400".to_owned()), at(5000));
        delivery.push(entry(2, 10, at(5000)));
        assert_eq!(sent(delivery.step(at(6000))).len(), 1);
        assert_eq!(delivery.stats().refused, 1);
    }

    #[test]
    fn an_hour_without_an_endpoint_is_survived_and_told_once_a_minute() {
        let mut delivery = Delivery::new(7);
        let (mut now, mut number, mut complaints, mut requests) = (0, 0, 0, 0);
        while now < 3_600_000 {
            for _ in 0..10 {
                delivery.push(entry(number, 12_000, at(now)));
                number += 1;
            }
            if let Step::Send(batch) = delivery.step(at(now)) {
                requests += 1;
                delivery.settle(batch, failed(None), at(now));
            }
            complaints += u64::from(delivery.poll_complaint().is_some());
            let stats = delivery.stats();
            assert!(stats.queued <= RECORDS as u64 && stats.queued_bytes <= BYTES as u64);
            now += 1000;
        }
        let stats = delivery.stats();
        assert_eq!(stats.queued + stats.dropped.findings + stats.dropped.others, number);
        assert!((60..=140).contains(&requests), "{requests} requests");
        assert!((30..=60).contains(&complaints), "{complaints} complaints");
        assert_eq!(stats.failing.as_deref(), Some("answers 503"));
        // Then it is back: what was kept arrives, in its order, the newest among it.
        let mut arrived = Vec::new();
        delivery.finish();
        while let Step::Send(batch) = delivery.step(at(now)) {
            arrived.extend(batch.iter().map(number_of));
            delivery.settle(batch, taken(), at(now));
        }
        assert!(arrived.is_sorted() && arrived.last() == Some(&(number - 1)));
        assert_eq!(arrived.len() as u64, stats.queued);
        assert!(matches!(delivery.step(at(now)), Step::Over));
        assert_eq!(delivery.stats().failing, None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn everything_is_sent_once_dropped_or_refused(
            steps in proptest::collection::vec((0_u8..6, 0_u64..70_000, 1_usize..600), 1..60),
            seed: u64,
        ) {
            let mut delivery = Delivery::new(seed);
            let (mut now, mut number) = (0, 0);
            let mut arrived = Vec::new();
            let mut paused = None;
            for (answer, pause, pushes) in steps {
                for _ in 0..pushes {
                    delivery.push(entry(number, 2000, at(now)));
                    number += 1;
                }
                if let Step::Send(batch) = delivery.step(at(now)) {
                    prop_assert!(batch.len() <= 512 && !batch.is_empty());
                    prop_assert!(paused.is_none_or(|until| until <= now), "sent before the pause was over");
                    paused = None;
                    let outcome = match answer {
                        0 | 1 => { arrived.extend(batch.iter().map(number_of)); taken() }
                        2 => Outcome::Refused("no".to_owned()),
                        3 => { paused = Some(now + 5000); failed(Some(Duration::from_secs(5))) }
                        _ => { paused = Some(now + 1000); failed(None) }
                    };
                    delivery.settle(batch, outcome, at(now));
                }
                now += pause;
            }
            delivery.finish();
            while let Step::Send(batch) = delivery.step(at(now)) {
                arrived.extend(batch.iter().map(number_of));
                delivery.settle(batch, taken(), at(now));
            }
            prop_assert!(arrived.is_sorted_by(|one, next| one < next), "in order and once");
            let stats = delivery.stats();
            prop_assert_eq!(stats.sent, arrived.len() as u64);
            prop_assert_eq!(stats.sent + stats.refused + stats.dropped.findings + stats.dropped.others, number);
        }
    }
}
