//! `conntracer demo`: makes a failure, traces it, explains it, removes it.

use super::{output, values};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::lab::{self, Backend, Family, Lab, PeerKind, Scenario};
use crate::model::finding::{Cause, Finding, Severity, State};
use crate::run::{self, Events, Options, Shell};
use crate::sink::words::{self, FixKind};
use std::cell::RefCell;
use std::io::Write as _;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The failure that the project was made for.
const DEFAULT: &str = "redirect-to-dead-port";
/// A failure is to be found within this time after it was made.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long to go on after the finding, for its next revision.
const AFTERWARDS: Duration = Duration::from_millis(500);
const HANG_AFTER: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, clap::Args)]
pub(super) struct DemoArguments {
    /// What to make; see --list
    #[arg(default_value = DEFAULT, value_parser = scenario, conflicts_with_all = ["list", "all"])]
    scenario: &'static str,
    /// List the scenarios
    #[arg(long)]
    list: bool,
    /// Run every scenario and compare what was expected with what was found
    #[arg(long, conflicts_with_all = ["list", "output"])]
    all: bool,
    /// Which program makes the rules
    #[arg(long, default_value = Backend::IptablesNft.name(), value_parser = backend)]
    backend: Backend,
    #[arg(long, default_value = Family::Ipv4.name(), value_parser = family)]
    family: Family,
    /// Who answers: a namespace of this machine, or a program whose kernel is not traced
    #[arg(long, value_parser = peer)]
    peer: Option<PeerKind>,
    /// Then run the first command that the finding names, and see whether it helps
    #[arg(long, conflicts_with = "all")]
    fix: bool,
    /// Also tell every change of a TCP conntrack entry
    #[arg(long)]
    conntrack_events: bool,
    #[command(flatten)]
    ladder: values::LadderArgument,
    #[command(flatten)]
    output: output::OutputArguments,
}

fn scenario(name: &str) -> Result<&'static str, String> {
    lab::find(name)
        .map(|scenario| scenario.name)
        .ok_or_else(|| "no such scenario; see conntracer demo --list".into())
}

fn backend(name: &str) -> Result<Backend, String> {
    Backend::from_name(name).ok_or_else(|| choices(Backend::ALL.iter().map(|backend| backend.name())))
}

fn family(name: &str) -> Result<Family, String> {
    Family::from_name(name).ok_or_else(|| choices(Family::ALL.iter().map(|family| family.name())))
}

fn peer(name: &str) -> Result<PeerKind, String> {
    PeerKind::from_name(name).ok_or_else(|| choices(PeerKind::ALL.iter().map(|peer| peer.name())))
}

fn choices<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("choose one of {}", names.collect::<Vec<_>>().join(", "))
}

/// `true`: what was expected was not found, or something else was.
pub(super) fn run(arguments: &DemoArguments) -> Result<bool, Failure> {
    if arguments.list {
        list();
        return Ok(false);
    }
    arguments.output.start_log();
    if arguments.all {
        return all(arguments);
    }
    let Some(scenario) = lab::find(arguments.scenario) else {
        return Err(Failure::Usage(format!("there is no scenario `{}`", arguments.scenario)));
    };
    let found = one(arguments, scenario)?;
    if !found.as_expected(scenario) {
        narrate(&format!(
            "expected {}, found {}",
            expectation(scenario),
            found.described()
        ));
    }
    Ok(!found.as_expected(scenario))
}

fn list() {
    let mut out = anstream::stdout().lock();
    for scenario in lab::scenarios() {
        let expected = if scenario.control() { "nothing to report" } else { "" };
        let line = writeln!(out, "{:<30} {} {expected}", scenario.name, scenario.summary);
        if line.is_err() {
            return;
        }
    }
}

/// One after the other; the findings go to the output, the comparison to standard error.
fn all(arguments: &DemoArguments) -> Result<bool, Failure> {
    let mut table = Vec::new();
    let mut failed = false;
    for scenario in lab::scenarios() {
        if !scenario.families.contains(&arguments.family) || !scenario.backends.contains(&arguments.backend) {
            continue;
        }
        let found = one(
            &DemoArguments {
                peer: None,
                ..arguments.clone()
            },
            scenario,
        )?;
        let verdict = if found.as_expected(scenario) { "ok" } else { "DIFFERS" };
        failed |= !found.as_expected(scenario);
        table.push(format!(
            "{:<30} {:<26} {:<26} {verdict}",
            scenario.name,
            expectation(scenario),
            found.described()
        ));
    }
    narrate(&format!("{:<30} {:<26} {:<26}", "scenario", "expected", "found"));
    for row in table {
        narrate(&row);
    }
    Ok(failed)
}

fn expectation(scenario: &Scenario) -> &'static str {
    scenario.expected.map_or("nothing", Cause::name)
}

/// The causes above `info` (and the expected one, whatever its severity) that were found.
#[derive(Debug, Default)]
struct Found {
    causes: Vec<(Cause, Severity)>,
}

impl Found {
    fn add(&mut self, finding: &Finding) {
        let found = (finding.cause, finding.severity);
        self.causes.retain(|known| *known != found);
        if finding.state != State::Retracted {
            self.causes.push(found);
        }
    }

    fn as_expected(&self, scenario: &Scenario) -> bool {
        let expected = |cause: Cause| Some(cause) == scenario.expected;
        let seen = scenario.control() || self.causes.iter().any(|(cause, _)| expected(*cause));
        let others = self
            .causes
            .iter()
            .any(|(cause, severity)| *severity > Severity::Info && !expected(*cause));
        seen && !others
    }

    fn described(&self) -> String {
        let names: Vec<_> = self.causes.iter().map(|(cause, _)| cause.name()).collect();
        if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        }
    }
}

fn one(arguments: &DemoArguments, scenario: &'static Scenario) -> Result<Found, Failure> {
    narrate(&format!("{}: {}", scenario.name, scenario.summary));
    let DemoArguments {
        backend, family, peer, ..
    } = *arguments;
    let mut lab = Lab::build(
        scenario,
        lab::Options {
            backend,
            family,
            peer,
            ..lab::Options::default()
        },
    )?;
    for line in lab.made() {
        narrate(line);
    }
    let namespaces = lab.namespaces_to_trace();
    let options = Options {
        hang_after: HANG_AFTER,
        events: Events::Suspect,
        conntrack_events: arguments.conntrack_events || scenario.conntrack_events,
        ladder: arguments.ladder.hooks,
        filter: Filter {
            netns: namespaces.iter().map(|namespace| namespace.inode).collect(),
            ..Filter::default()
        },
        log_probes: arguments.output.verbose > 2,
        described: vec![
            ("demo", scenario.name.to_owned()),
            ("hang-after", humantime::format_duration(HANG_AFTER).to_string()),
        ],
    };
    let found = RefCell::new(Found::default());
    run::block_on(async {
        let shell = Shell::start(options)?;
        let writer = arguments.output.open(run::clock())?;
        let (seen, sightings) = mpsc::unbounded_channel();
        let (finished, driven) = oneshot::channel();
        // The lab blocks: it gets a thread, and comes back with what it holds when it is done.
        let thread = std::thread::spawn(move || {
            let outcome = lab.drive(&mut narrate_step);
            // Nobody listens where the tracing ended first.
            let _: Result<(), _> = finished.send(outcome.map(|()| lab));
        });
        let end = end_of(scenario, arguments.fix && scenario.is_curable(), driven, sightings);
        let mut failure = None;
        let report = shell
            .run(writer, async { failure = end.await.err() }, |finding| {
                found.borrow_mut().add(finding);
                let _: Result<(), _> = seen.send(Sighting::of(finding));
            })
            .await;
        drop(thread);
        match (failure, report.output_error) {
            (Some(error), _) => Err(Failure::Lab(error)),
            (None, Some(error)) => Err(Failure::Usage(format!("the output could not be written: {error}"))),
            (None, None) => Ok(()),
        }
    })??;
    Ok(found.into_inner())
}

/// Waits until the failure was made and explained, or patience runs out; a control is watched for as long as a hang
/// would take to be noticed.
async fn end_of(
    scenario: &Scenario,
    fix: bool,
    driven: oneshot::Receiver<Result<Lab, lab::LabError>>,
    mut sightings: mpsc::UnboundedReceiver<Sighting>,
) -> Result<(), lab::LabError> {
    let expected = |sighting: &Sighting| Some(sighting.cause) == scenario.expected;
    let mut found = None;
    let lab = {
        tokio::pin!(driven);
        loop {
            tokio::select! {
                lab = &mut driven => match lab {
                    Ok(lab) => break lab?,
                    Err(_) => return Ok(()),
                },
                Some(sighting) = sightings.recv() => found = Some(sighting).filter(expected).or(found),
            }
        }
    };
    if scenario.control() {
        tokio::time::sleep(HANG_AFTER + HANG_AFTER / 2).await;
    } else if found.is_none() {
        let next = async {
            loop {
                match sightings.recv().await {
                    Some(sighting) if expected(&sighting) => break Some(sighting),
                    Some(_) => {}
                    None => break None,
                }
            }
        };
        found = tokio::time::timeout(PATIENCE, next)
            .await
            .inspect_err(|_| narrate("patience ran out"))
            .ok()
            .flatten();
    }
    let lab = match found.filter(|_| fix) {
        Some(sighting) => cure(lab, sighting).await?,
        None => lab,
    };
    tokio::time::sleep(AFTERWARDS).await;
    drop(lab);
    Ok(())
}

/// Does what the finding says first.
async fn cure(mut lab: Lab, sighting: Sighting) -> Result<Lab, lab::LabError> {
    let Some(command) = sighting.command else {
        return Err(lab::LabError::NoCommand { cause: sighting.cause });
    };
    let curing = tokio::task::spawn_blocking(move || lab.cure(&command, &mut narrate_step).map(|()| lab));
    curing
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// A finding that was given out.
#[derive(Debug)]
struct Sighting {
    cause: Cause,
    /// What it says to run first.
    command: Option<String>,
}

impl Sighting {
    fn of(finding: &Finding) -> Self {
        let mut fixes = words::fixes(finding).into_iter();
        Self {
            cause: finding.cause,
            command: fixes
                .find(|fix| fix.kind == FixKind::Command)
                .and_then(|fix| fix.command),
        }
    }
}

fn narrate_step(step: &str) {
    narrate(step);
}

/// For people, apart from the results.
fn narrate(text: &str) {
    anstream::eprintln!("demo: {text}");
}
