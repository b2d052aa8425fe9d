//! One scenario, made and traced until it is explained.

use super::cure::{Sighting, cure};
use super::found::{Found, Outcome};
use super::{DemoArguments, narrate};
use crate::enrich::source::NamerOptions;
use crate::failure::Failure;
use crate::filter::Filter;
use crate::lab::{self, Lab, LabError, Scenario, Symptom};
use crate::run::{self, Events, Options, Shell};
use crate::sink::{Clock, Writer};
use std::cell::RefCell;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A failure is to be found within this time after it was made.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long to go on after the finding, for its next revision.
const AFTERWARDS: Duration = Duration::from_millis(500);
const HANG_AFTER: Duration = Duration::from_secs(3);

/// Results go to the writer that `open` makes, once tracing began.
pub(super) fn run(
    arguments: &DemoArguments,
    scenario: &'static Scenario,
    open: impl FnOnce(Clock) -> Result<Writer, Failure>,
) -> Result<Outcome, Failure> {
    narrate(&format!("{}: {}", scenario.name, scenario.summary));
    let mut lab = Lab::build(
        scenario,
        lab::Options {
            backend: arguments.backend.unwrap_or(scenario.usual_backend()),
            family: arguments.family,
            peer: arguments.peer,
            ..lab::Options::default()
        },
    )?;
    for line in lab.made() {
        narrate(line);
    }
    let options = options(arguments, scenario, &lab);
    let found = RefCell::new(Found::default());
    let symptom = run::block_on(async {
        let shell = Shell::start(options)?;
        let writer = open(run::clock())?;
        let (seen, sightings) = mpsc::unbounded_channel();
        let (finished, driven) = oneshot::channel();
        // The lab blocks: it gets a thread, and comes back with what it holds when it is done.
        let thread = std::thread::spawn(move || {
            let outcome = lab.drive(&mut narrate_step);
            // Nobody listens where the tracing ended first.
            let _: Result<(), _> = finished.send(outcome.map(|()| lab));
        });
        let end = end_of(scenario, arguments.fix && scenario.is_curable(), driven, sightings);
        let mut ended = Ok(None);
        let running = shell.run(writer, async { ended = end.await }, |finding| {
            found.borrow_mut().add(finding, lab::now());
            let _: Result<(), _> = seen.send(Sighting::of(finding));
        });
        let report = Box::pin(running).await;
        drop(thread);
        match report.output_error {
            Some(error) if ended.is_ok() => Err(Failure::Usage(format!("the output could not be written: {error}"))),
            _ => ended.map_err(Failure::Lab),
        }
    })??;
    Ok(Outcome {
        scenario,
        symptom,
        found: found.into_inner(),
        cured: arguments.fix && scenario.is_curable(),
    })
}

fn options(arguments: &DemoArguments, scenario: &Scenario, lab: &Lab) -> Options {
    let namespaces = lab.namespaces_to_trace();
    Options {
        hang_after: HANG_AFTER,
        events: Events::Suspect,
        conntrack_events: arguments.conntrack_events || scenario.conntrack_events,
        ladder: arguments.ladder.hooks,
        filter: Filter {
            netns: namespaces.iter().map(|namespace| namespace.inode).collect(),
            ..Filter::default()
        },
        filter_can_change: false,
        log_probes: arguments.output.verbose > 2,
        names: NamerOptions::default(),
        described: vec![
            ("demo", scenario.name.to_owned()),
            ("hang-after", humantime::format_duration(HANG_AFTER).to_string()),
        ],
    }
}

/// Waits until the failure was made and explained, or patience runs out; a control is watched for as long as a hang
/// would take to be noticed. Tells when the failure was felt.
async fn end_of(
    scenario: &Scenario,
    fix: bool,
    driven: oneshot::Receiver<Result<Lab, LabError>>,
    mut sightings: mpsc::UnboundedReceiver<Sighting>,
) -> Result<Option<Symptom>, LabError> {
    let expected = |sighting: &Sighting| Some(sighting.cause) == scenario.expected;
    let mut found = None;
    let lab = {
        tokio::pin!(driven);
        loop {
            tokio::select! {
                lab = &mut driven => match lab {
                    Ok(lab) => break lab?,
                    Err(_) => return Ok(None),
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
    Ok(lab.symptom())
}

fn narrate_step(step: &str) {
    narrate(step);
}
