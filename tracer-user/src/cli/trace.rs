//! `conntracer [trace]`.

use super::names::NamesArguments;
use super::{netns, output, values};
use crate::failure::Failure;
use crate::filter::{Filter, Pattern, Prefix};
use crate::model::identity::Comm;
use crate::redact::{Matter, Redactor};
use crate::run::{self, Events, Options, Outputs};
use clap::ValueEnum;
use std::time::Duration;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct TraceArguments {
    /// Stop after this time [default: until interrupted]
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration)]
    duration: Option<Duration>,
    /// How long a connect may go unanswered, or data unacknowledged
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = values::duration)]
    hang_after: Duration,
    /// Which events to write to JSONL: those of connections that drew suspicion, or of all
    #[arg(long, value_enum, default_value_t = EventChoice::Suspect)]
    events: EventChoice,
    /// Also tell every change of a TCP conntrack entry, in every namespace
    #[arg(long)]
    conntrack_events: bool,
    #[command(flatten)]
    ladder: values::LadderArgument,
    /// Only connections of this network namespace: a name, a path, pid:N, an inode, or all
    #[arg(long, value_name = "NETNS", default_value = "all")]
    netns: Vec<String>,
    /// Only connections with this port at either end, before or after translation
    #[arg(long)]
    port: Vec<u16>,
    /// Only connections of this process
    #[arg(long)]
    pid: Vec<u32>,
    /// Only connections of threads with this name
    #[arg(long, value_parser = values::comm)]
    comm: Vec<Comm>,
    /// Only connections with an address in this prefix
    #[arg(long, value_name = "PREFIX")]
    cidr: Vec<Prefix>,
    /// Only connections of this pod: its name, or namespace/name; * stands for any text
    #[arg(long)]
    pod: Vec<String>,
    /// Only connections of this container: its name in the pod, or its id
    #[arg(long)]
    container: Vec<String>,
    #[command(flatten)]
    names: NamesArguments,
    #[command(flatten)]
    redact: values::RedactArgument,
    /// End with exit code 1 if something above `info` was found
    #[arg(long)]
    fail_on_finding: bool,
    #[command(flatten)]
    output: output::OutputArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EventChoice {
    None,
    Suspect,
    All,
}

/// `true`: something was found, and that was to be told by the exit code.
pub(super) fn run(arguments: &TraceArguments) -> Result<bool, Failure> {
    arguments.output.start_log();
    let options = Options {
        hang_after: arguments.hang_after,
        events: match arguments.events {
            EventChoice::None => Events::None,
            EventChoice::Suspect => Events::Suspect,
            EventChoice::All => Events::All,
        },
        filter: Filter {
            netns: netns::resolve(&arguments.netns)?,
            ports: arguments.port.clone(),
            pids: arguments.pid.clone(),
            comms: arguments.comm.clone(),
            prefixes: arguments.cidr.clone(),
            pods: patterns(&arguments.pod),
            containers: patterns(&arguments.container),
        },
        filter_can_change: false,
        conntrack_events: arguments.conntrack_events,
        ladder: arguments.ladder.hooks,
        log_probes: arguments.output.verbose > 2,
        names: arguments.names.options(),
        described: described(arguments),
    };
    let report = run::block_on(async {
        let mut shell = run::Shell::start(options)?;
        run::warn_of_missing_capabilities();
        // The file is opened with all rights of who asked for it; its thread has none of them.
        let output = arguments.output.prepare()?;
        shell.confine();
        let writer = output.start(run::clock())?;
        let outputs = Outputs::new(writer, Redactor::new(&arguments.redact.matters));
        Ok::<_, Failure>(shell.run(outputs, run::ended(arguments.duration), |_| ()).await)
    })??;
    if let Some(error) = report.output_error {
        return Err(Failure::Usage(format!("the output could not be written: {error}")));
    }
    Ok(arguments.fail_on_finding && report.found_above_info)
}

fn patterns(texts: &[String]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::new(text)).collect()
}

fn described(arguments: &TraceArguments) -> Vec<(&'static str, String)> {
    let mut options = vec![(
        "hang-after",
        humantime::format_duration(arguments.hang_after).to_string(),
    )];
    options.push(("events", format!("{:?}", arguments.events).to_lowercase()));
    options.push(("netns", arguments.netns.join(",")));
    if arguments.conntrack_events {
        options.push(("conntrack-events", true.to_string()));
    }
    if !arguments.redact.matters.is_empty() {
        let matters = arguments.redact.matters.iter().map(|matter| Matter::name(*matter));
        options.push(("redact", matters.collect::<Vec<_>>().join(",")));
    }
    if let Some(duration) = arguments.duration {
        options.push(("for", humantime::format_duration(duration).to_string()));
    }
    options
}
