//! The shell: the one select loop that joins kernel, Tracker, inspector and output.
//!
//! The only async code and the only reader of the clock. It decides nothing about TCP.

mod account;
mod agent;
mod attendant;
mod audit;
mod clock;
mod code;
mod confinement;
mod conntrack;
mod filters;
mod held;
mod host;
mod memory;
mod metering;
mod names;
mod outputs;
mod ports;
mod ready;
mod records;
mod sweeps;

pub use agent::{Agent, agent};
pub use attendant::Retuned;
pub use audit::{AuditSurvey, survey_rules};
pub use clock::clock;
pub use confinement::warn_of_missing_capabilities;
pub use host::{Survey, greeting, survey};
pub use outputs::Outputs;
pub use ports::{PortSurvey, survey_ports};

use crate::confine::Role;
use crate::decode::Tables;
use crate::enrich::source::NamerOptions;
use crate::failure::Failure;
use crate::filter::Filter;
use crate::inspect::{ANSWERS_MAX, Inspector};
use crate::kernel::clock as kernel_clock;
use crate::kernel::load::{Probes, Settings};
use crate::kernel::plan::Ladder;
use crate::kernel::symbols::Symbols;
use crate::model::event::Event;
use crate::model::finding::{Finding, Severity};
use crate::model::inquiry::{Answer, Inquiry, Question, Reply};
use crate::model::time::Timestamp;
use crate::sink::{Hello, Record};
use crate::track::{Config, Totals, Tracker};
use account::{Account, Parts};
use attendant::{Attendant, Command};
use conntrack::Conntrack;
use filters::Pushed;
use held::Held;
use names::Names;
use records::Records;
use std::time::Duration;
use sweeps::{Sweeps, Written};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::MissedTickBehavior;
use tracer_common::filter::PART_CGROUPS;

/// Which events are written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    None,
    Suspect,
    All,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub hang_after: Duration,
    pub events: Events,
    pub filter: Filter,
    /// It may be another one later, but for the namespaces.
    pub filter_can_change: bool,
    /// Every change of a conntrack entry is an event.
    pub conntrack_events: bool,
    /// The best way to attach a hook that may be used.
    pub ladder: Ladder,
    /// The probes write a log of their own, for those who work on them.
    pub log_probes: bool,
    /// The options as `hello` shows them.
    pub described: Vec<(&'static str, String)>,
    /// How names of containers and pods are looked up.
    pub names: NamerOptions,
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    pub totals: Totals,
    /// A finding above `info` passed the filter.
    pub found_above_info: bool,
    /// Why the output could not be written; a pipe that was closed is no error.
    pub output_error: Option<String>,
}

/// The probes are attached: nothing from now on is missed.
pub struct Shell {
    options: Options,
    probes: Probes,
    records: Records,
    decoder: Decoder,
    inspector: Inspector,
    names: Names,
    answers: Receiver<Answer>,
    tracker: Tracker,
    account: Account,
    conntrack: Conntrack,
    held: Held,
    pushed: Pushed,
    sweeps: Sweeps,
    /// Of an agent.
    attendant: Option<Attendant>,
    /// What its thread is confined to, if it is.
    confined: Option<Role>,
}

struct Decoder {
    tables: Tables,
    symbols: Symbols,
    /// Of one turn.
    events: Vec<Event>,
}

/// Runs the future on a runtime of one thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime
        .map_err(Failure::system("the async runtime cannot start"))?
        .block_on(future))
}

/// Ends after `duration`, or never; a signal ends the run in either case.
pub async fn ended(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

impl Shell {
    /// Attaches the probes and starts the inspector. To be called within the runtime.
    pub fn start(mut options: Options) -> Result<Self, Failure> {
        options.described.extend(confinement::missing_capabilities());
        let capacity = memory::capacity();
        let export_all = options.events == Events::All;
        let filters = filters::parts(&options.filter, export_all, options.filter_can_change);
        let settings = Settings {
            export_all,
            filter: filters::values(&options.filter),
            filters,
            conntrack_events: options.conntrack_events,
            ladder: options.ladder,
            log_level: if options.log_probes { PROBE_LOG_LEVEL } else { 0 },
            capacity,
            ..Settings::default()
        };
        let symbols = Symbols::ahead();
        let mut probes = Probes::load(&settings)?;
        if options.log_probes {
            host::forward_probe_log(&mut probes);
        }
        let facts = probes.facts();
        let tables = Tables {
            drop_reasons: facts.drop_reasons.clone(),
            rst_reasons: facts.rst_reasons.clone(),
            jiffy: kernel_clock::jiffy(),
        };
        let records = Records::new(probes.take_rings()?).map_err(Failure::system("the ring buffers"))?;
        let account = Account::open(&mut probes)?;
        let mut conntrack = Conntrack::new();
        conntrack.follow(&probes);
        let (outbox, answers) = channel(ANSWERS_MAX);
        let pushed = Pushed::new(probes.take_filters()?);
        let with_cgroups = filters & PART_CGROUPS != 0;
        let names = Names::start(&options.names, outbox.clone(), with_cgroups);
        let names = names.map_err(Failure::system("the thread that looks up names cannot start"))?;
        let inspector = Inspector::start(outbox).map_err(Failure::system("the inspector cannot start"))?;
        let config = Config {
            hang_after: options.hang_after,
            netns: options.filter.netns.clone(),
            names: true,
            max_flows: usize::try_from(capacity.suspects).unwrap_or(usize::MAX),
            ..Config::default()
        };
        let tracker = Tracker::new(config, clock::now());
        let decoder = Decoder {
            tables,
            symbols,
            events: Vec::with_capacity(records::BATCH),
        };
        Ok(Self {
            options,
            probes,
            records,
            decoder,
            inspector,
            names,
            answers,
            tracker,
            account,
            conntrack,
            held: Held::default(),
            pushed,
            sweeps: Sweeps::default(),
            attendant: None,
            confined: None,
        })
    }

    /// Makes an agent of it.
    fn attend(&mut self, attendant: Attendant) {
        self.attendant = Some(attendant);
        self.sweeps.are_spared = true;
    }

    /// The line that every output begins with.
    pub fn hello(&self) -> Hello {
        let mut hello = host::hello(&self.probes, &self.options);
        self.conntrack.describe(&mut hello.hooks);
        hello
    }

    /// Traces until `end`, a signal, or the output's pipe is closed.
    pub async fn run(
        mut self,
        outputs: impl Into<Outputs>,
        end: impl Future<Output = ()>,
        found: impl FnMut(&Finding),
    ) -> Report {
        // Whoever reads the first line may stop us from then on.
        let signals = catch_signals();
        let mut output = Output {
            outputs: outputs.into(),
            found,
            found_above_info: false,
        };
        output.outputs.push(Record::Hello(&self.hello()));
        let stop = until_stopped(end, signals);
        tokio::pin!(stop);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = 0_u64;
        loop {
            let deadline = clock::instant(self.tracker.poll_timeout());
            tokio::select! {
                () = &mut stop => break,
                ready = self.records.ready() => {
                    if ready.is_err() {
                        break;
                    }
                    self.drain(&mut output);
                }
                Some(answer) = self.answers.recv() => self.take_answers(answer, &mut output),
                changes = self.conntrack.recv() => self.take_changes(&changes, &mut output),
                () = tokio::time::sleep_until(deadline) => self.timeout(&mut output),
                command = next_command(&mut self.attendant) => self.obey(command, &output),
                _ = tick.tick() => {
                    ticks += 1;
                    if ticks == STARTED {
                        code::let_go();
                    }
                    let follows = self.probes.follow_modules();
                    if follows {
                        self.confine_further();
                    }
                    if self.conntrack.follow(&self.probes) || follows {
                        output.outputs.push(Record::Hello(&self.hello()));
                    }
                    self.account.unnamed = self.held.lost;
                    let mut parts = Parts {
                        probes: &self.probes,
                        ring: self.records.fullest(),
                        tracker: &mut self.tracker,
                        conntrack: &self.conntrack,
                    };
                    self.account.tick(&mut parts, &output.outputs);
                    if let Some(attendant) = &mut self.attendant {
                        attendant.tick(clock::now(), &output.outputs, &self.names);
                    }
                    if output.outputs.is_closed() {
                        break;
                    }
                }
            }
            self.hand_out(&mut output);
            self.release(clock::now(), &mut output);
        }
        self.finish(output)
    }

    /// Takes a batch out of the rings; `true`: nothing is left.
    fn drain(&mut self, output: &mut Output<impl FnMut(&Finding)>) -> bool {
        let Decoder {
            tables,
            symbols,
            events,
        } = &mut self.decoder;
        let is_empty = self
            .records
            .drain(|bytes| match tables.decode(bytes, |address| symbols.name(address)) {
                Ok(event) => {
                    self.conntrack.met(event.netns);
                    events.push(event);
                }
                Err(error) => self.account.undecodable(&error),
            });
        let sinks = (&mut self.tracker, &mut self.held);
        take(events, sinks, &mut self.account, &self.options, output);
        events.clear();
        is_empty
    }

    fn take_changes(&mut self, changes: &[Event], output: &mut Output<impl FnMut(&Finding)>) {
        let sinks = (&mut self.tracker, &mut self.held);
        take(changes, sinks, &mut self.account, &self.options, output);
    }

    /// What is in the ring is older than the deadline: it goes first.
    fn timeout(&mut self, output: &mut Output<impl FnMut(&Finding)>) {
        self.drain(output);
        let now = clock::now();
        if self.tracker.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.record(Record::Deadline(now), output);
            self.tracker.handle_timeout(now);
        }
    }

    /// All that wait: each that waited for a turn of its own would wait behind a batch of records.
    fn take_answers(&mut self, first: Answer, output: &mut Output<impl FnMut(&Finding)>) {
        self.answer(first, output);
        for _ in 1..ANSWERS_MAX {
            let Ok(answer) = self.answers.try_recv() else {
                return;
            };
            self.answer(answer, output);
        }
    }

    fn answer(&mut self, answer: Answer, output: &mut Output<impl FnMut(&Finding)>) {
        let written = self.sweeps.written(&answer);
        if let Written::Both(inquiry) = &written {
            self.record(Record::Inquiry(inquiry), output);
        }
        if written != Written::Nothing {
            self.record(Record::Answer(&answer), output);
        }
        self.tracker.handle_answer(answer);
        for (cgroup, identity) in self.names.cgroups() {
            self.pushed.learn(&self.options.filter, cgroup, &identity);
        }
    }

    fn obey(&mut self, command: Command, output: &Output<impl FnMut(&Finding)>) {
        match command {
            Command::Ports(ports) => {
                let writes = |attendant: &mut Attendant| attendant.writes_ports(clock::now());
                let are_written = self.attendant.as_mut().is_some_and(writes);
                output.outputs.ports(ports, are_written);
            }
            Command::Reopen => output.outputs.reopen(),
            Command::Retune(retuned) => {
                let Retuned { hang_after, filter } = *retuned;
                self.tracker.set_hang_after(hang_after);
                // The Tracker keeps the namespaces it began with.
                let netns = std::mem::take(&mut self.options.filter.netns);
                self.options.filter = Filter { netns, ..filter };
                self.pushed.retune(&self.options.filter);
                self.options.hang_after = hang_after;
            }
        }
    }

    /// `false`: too many wait already.
    fn ask(&self, inquiry: &Inquiry) -> bool {
        match inquiry.question {
            Question::Who(_) => self.names.ask(inquiry),
            Question::Connection { .. }
            | Question::Link { .. }
            | Question::Sweep
            | Question::Stalled
            | Question::Walk { .. } => self.inspector.ask(inquiry.clone()).is_ok(),
        }
    }

    /// Writes the events whose names decide about them by now.
    fn release(&mut self, now: Timestamp, output: &mut Output<impl FnMut(&Finding)>) {
        let filter = &self.options.filter;
        self.held.release(&self.tracker, now, |event, identity| {
            if filter.wants_event(event, identity.map(|identity| &**identity)) {
                output.outputs.push(Record::Event(event));
            }
        });
    }

    /// Drains what the Tracker has to say and to ask.
    fn hand_out(&mut self, output: &mut Output<impl FnMut(&Finding)>) {
        while let Some(inquiry) = self.tracker.poll_inquiry() {
            if !self.sweeps.keeps(&inquiry) {
                self.record(Record::Inquiry(&inquiry), output);
            }
            if !self.ask(&inquiry) {
                self.answer(refused(&inquiry), output);
            }
        }
        while let Some(finding) = self.tracker.poll_finding() {
            if self.options.filter.wants_finding(&finding) {
                output.found_above_info |= finding.severity > Severity::Info;
                output.outputs.push(Record::Finding(&finding));
                (output.found)(&finding);
            }
        }
    }

    fn finish(mut self, mut output: Output<impl FnMut(&Finding)>) -> Report {
        let last = self.conntrack.end();
        self.take_changes(&last, &mut output);
        // What comes from now on is not waited for: in a flood there would be no end of it.
        for _ in 0..records::LAST_BATCHES {
            if self.drain(&mut output) {
                break;
            }
        }
        self.account
            .last_losses(&mut self.tracker, &self.conntrack, &output.outputs);
        let now = clock::now();
        self.record(Record::Deadline(now), &mut output);
        self.tracker.finish(now);
        self.hand_out(&mut output);
        self.release(now + held::PATIENCE, &mut output);
        // What the programs leave out is not counted.
        let all = self.options.events == Events::All && self.options.filter == Filter::default();
        let mut parts = Parts {
            probes: &self.probes,
            ring: self.records.fullest(),
            tracker: &mut self.tracker,
            conntrack: &self.conntrack,
        };
        self.account.finish(&mut parts, all, &output.outputs);
        let output_error = output.outputs.finish();
        let totals = self.tracker.totals().clone();
        Report {
            totals,
            found_above_info: output.found_above_info,
            output_error,
        }
    }

    /// What replay needs beside the events, as long as events are wanted.
    fn record(&self, record: Record<'_>, output: &mut Output<impl FnMut(&Finding)>) {
        if self.options.events != Events::None {
            output.outputs.push(record);
        }
    }
}

struct Output<F> {
    outputs: Outputs,
    found: F,
    found_above_info: bool,
}

/// What an agent is told; nothing comes where there is none.
async fn next_command(attendant: &mut Option<Attendant>) -> Command {
    match attendant {
        Some(attendant) => attendant.command().await,
        None => std::future::pending().await,
    }
}

fn take(
    events: &[Event],
    (tracker, held): (&mut Tracker, &mut Held),
    account: &mut Account,
    options: &Options,
    output: &mut Output<impl FnMut(&Finding)>,
) {
    for event in events {
        account.saw(event.at);
        output.outputs.saw(event);
        tracker.handle_event(event);
    }
    if options.events == Events::None {
        return;
    }
    if options.filter.needs_names() {
        for event in events {
            held.push(event.clone(), tracker);
        }
    } else {
        let wanted = events.iter().filter(|event| options.filter.wants_event(event, None));
        output.outputs.extend(wanted);
    }
}

/// The inspector has too much to do.
fn refused(inquiry: &Inquiry) -> Answer {
    let reply = Reply::Unreachable("too many inquiries at once".into());
    Answer {
        id: inquiry.id,
        at: clock::now(),
        enter: None,
        reply,
    }
}

/// Catches interrupt and termination from now on; `None` where that cannot be.
fn catch_signals() -> Option<(Signal, Signal)> {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    if let (Ok(interrupt), Ok(terminate)) = signals {
        return Some((interrupt, terminate));
    }
    tracing::warn!("signals cannot be caught: an interrupt ends the program without a summary");
    None
}

async fn until_stopped(end: impl Future<Output = ()>, signals: Option<(Signal, Signal)>) {
    let Some((mut interrupt, mut terminate)) = signals else {
        return end.await;
    };
    tokio::select! {
        () = end => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// How often losses and the state of the output are looked at.
const TICK: Duration = Duration::from_secs(1);
/// The tick, two seconds after the first, by which the start is over.
const STARTED: u64 = 3;
/// aya-log's level "debug".
const PROBE_LOG_LEVEL: u8 = 4;
