//! `conntracer demo`: makes a failure, traces it, explains it, removes it.

mod all;
mod cure;
mod found;
mod list;
mod live;

use super::{output, values};
use crate::failure::Failure;
use crate::lab::{self, Backend, Family, PeerKind};

/// The failure that the project was made for.
const DEFAULT: &str = "redirect-to-dead-port";

#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DemoArguments {
    /// What to make; see --list
    #[arg(default_value = DEFAULT, value_parser = scenario, conflicts_with_all = ["list", "all"])]
    scenario: &'static str,
    /// List the scenarios: what each shows, and the cause that is to be found
    #[arg(long)]
    list: bool,
    /// Run every scenario; the result is a table of what was expected, what was found, how surely and how soon
    #[arg(long, conflicts_with_all = ["list", "peer"])]
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
        list::list(&arguments.output)?;
        return Ok(false);
    }
    arguments.output.start_log();
    if arguments.all {
        return all::all(arguments);
    }
    let Some(scenario) = lab::find(arguments.scenario) else {
        return Err(Failure::Usage(format!("there is no scenario `{}`", arguments.scenario)));
    };
    let outcome = live::run(arguments, scenario, |clock| arguments.output.open(clock))?;
    for line in outcome.told() {
        narrate(&line);
    }
    if !outcome.as_expected() {
        narrate(&format!("expected {}, found {}", outcome.expected(), outcome.found()));
    }
    Ok(!outcome.as_expected())
}

/// For people, apart from the results.
fn narrate(text: &str) {
    anstream::eprintln!("demo: {text}");
}
