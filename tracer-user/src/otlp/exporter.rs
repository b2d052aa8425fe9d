//! The thread that exports: pushing a record never waits for it.

use super::client::Client;
use super::delivery::{Delivery, OtlpStats, Step};
use super::message::{request, resource};
use super::options::{OtlpError, OtlpOptions};
use super::queue::Entry;
use super::record;
use crate::model::time::Timestamp;
use crate::sink::{Clock, Record};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The pushing side. Dropped without [`Exporter::finish`] it leaves behind what is queued.
pub struct Exporter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Something was pushed, or the end is near.
    pushed: Notify,
    /// Nobody waits for the thread any more.
    abandoned: Notify,
    ended: Condvar,
}

struct State {
    delivery: Delivery,
    started: Instant,
    clock: Clock,
    resource: Resource,
    /// Of the next record: a gap tells a reader that records were dropped.
    seq: u64,
    ended: bool,
}

impl Exporter {
    /// Connects with the first record; an endpoint that is not there is no error.
    pub fn start(options: &OtlpOptions, clock: Clock) -> Result<Self, OtlpError> {
        let client = Client::new(options)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(OtlpError::Thread)?;
        let seed = RandomState::new().hash_one(SystemTime::now());
        let shared = Arc::new(Shared::new(seed, clock));
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("otlp".to_owned())
            .spawn(move || run(runtime, &own, client))
            .map_err(OtlpError::Thread)?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Queues what is to be exported of `record`; where there is no room something is dropped and counted.
    pub fn push(&self, record: Record<'_>) {
        if self.shared.lock().push(record) {
            self.shared.pushed.notify_one();
        }
    }

    /// The clock for records pushed from now on.
    pub fn set_clock(&self, clock: Clock) {
        self.shared.lock().clock = clock;
    }

    pub fn stats(&self) -> OtlpStats {
        self.shared.lock().delivery.stats()
    }

    /// Sends what is queued, and tries again what fails, no longer than `within`; what is still queued then is lost.
    pub fn finish(mut self, within: Duration) -> OtlpStats {
        let mut state = self.shared.lock();
        state.delivery.finish();
        self.shared.pushed.notify_one();
        let waited = self
            .shared
            .ended
            .wait_timeout_while(state, within, |state| !state.ended);
        (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let stats = state.delivery.stats();
        drop(state);
        self.shared.abandoned.notify_one();
        if let Some(thread) = self.thread.take() {
            // It has nothing more to wait for; a panic in it would have been reported by the panic hook.
            let _ = thread.join();
        }
        stats
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.shared.abandoned.notify_one();
    }
}

impl Shared {
    fn new(seed: u64, clock: Clock) -> Self {
        Self {
            state: Mutex::new(State {
                delivery: Delivery::new(seed),
                started: Instant::now(),
                clock,
                resource: resource(None),
                seq: 0,
                ended: false,
            }),
            pushed: Notify::new(),
            abandoned: Notify::new(),
            ended: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there is something new.
    fn push(&mut self, record: Record<'_>) -> bool {
        if let Record::Hello(hello) = record {
            self.resource = resource(Some(hello));
        }
        let observed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let observed = u64::try_from(observed.as_nanos()).unwrap_or(u64::MAX);
        let Some(log) = record::log(record, self.clock, self.seq, observed) else {
            return false;
        };
        self.seq += 1;
        let log = log.encode_to_vec().into_boxed_slice();
        let entry = Entry {
            bytes: log.len(),
            is_finding: matches!(record, Record::Finding(_)),
            pushed: self.now(),
            log,
        };
        self.delivery.push(entry);
        true
    }

    /// A monotonic time of our own.
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(0) + self.started.elapsed()
    }

    fn step(&mut self) -> Step {
        let now = self.now();
        self.delivery.step(now)
    }
}

fn run(runtime: Runtime, shared: &Shared, client: Client) {
    runtime.block_on(async {
        tokio::select! {
            () = export(shared, client) => {}
            () = shared.abandoned.notified() => {}
        }
    });
    // A name that is being looked up would be waited for.
    runtime.shutdown_background();
    shared.lock().ended = true;
    shared.ended.notify_all();
}

/// Until everything is sent.
async fn export(shared: &Shared, mut client: Client) {
    loop {
        let step = shared.lock().step();
        match step {
            Step::Over => return,
            Step::Wait(until) => wait(shared, until).await,
            Step::Send(batch) => {
                let request = request(shared.lock().resource.clone(), &batch);
                let outcome = client.send(&request).await;
                let mut state = shared.lock();
                let now = state.now();
                state.delivery.settle(batch, outcome, now);
                let complaint = state.delivery.poll_complaint();
                drop(state);
                if let Some(complaint) = complaint {
                    tracing::warn!("{complaint}");
                }
            }
        }
    }
}

async fn wait(shared: &Shared, until: Option<Timestamp>) {
    let Some(until) = until else {
        return shared.pushed.notified().await;
    };
    let deadline = shared.lock().started + until.since(Timestamp::from_nanos(0));
    tokio::select! {
        () = shared.pushed.notified() => {}
        () = tokio::time::sleep_until(deadline) => {}
    }
}
