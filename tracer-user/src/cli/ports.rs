//! `conntracer ports`: which ports are stolen, by whom, and who listens behind.

use super::names::NamesArguments;
use super::{netns, output};
use crate::enrich::source::Namer;
use crate::failure::Failure;
use crate::run;
use crate::sink::text::Shown;
use crate::sink::{Record, term};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct PortsArguments {
    /// Also list translations that steal nothing: services, published ports, egress
    #[arg(long)]
    all: bool,
    /// Only this network namespace: a name, a path, pid:N, an inode, or all
    #[arg(long, value_name = "NETNS", default_value = "all")]
    netns: Vec<String>,
    #[command(flatten)]
    names: NamesArguments,
    #[command(flatten)]
    output: output::OutputArguments,
}

/// Never finds anything that the exit code tells: it lists.
pub(super) fn run(arguments: &PortsArguments) -> Result<bool, Failure> {
    arguments.output.start_log();
    let mut namer = Namer::new(&arguments.names.options());
    let survey = run::survey_ports(&netns::resolve(&arguments.netns)?, arguments.all, &mut namer)?;
    if survey.namespaces == 0
        && let Some(gap) = survey.gaps.first()
    {
        let gap = Shown(gap.as_bytes());
        return Err(Failure::Usage(format!(
            "no namespace could be read: {gap}; run as root"
        )));
    }
    for gap in &survey.gaps {
        complain(gap);
    }
    if arguments.output.verbose > 0 {
        for gone in &survey.gone {
            complain(gone);
        }
    }
    if arguments.output.is_json() {
        return write_lines(arguments, &survey);
    }
    let text = term::ports(&survey.ports, survey.namespaces, arguments.all, output::width());
    arguments.output.print(&text)?;
    Ok(false)
}

fn write_lines(arguments: &PortsArguments, survey: &run::PortSurvey) -> Result<bool, Failure> {
    let mut options = vec![("netns", arguments.netns.join(","))];
    if arguments.all {
        options.push(("all", true.to_string()));
    }
    let writer = arguments.output.open(run::clock())?;
    writer.push(Record::Hello(&run::greeting(options)));
    for port in &survey.ports {
        writer.push(Record::Port(port));
    }
    match writer.finish().error {
        Some(error) => Err(Failure::Usage(format!("the output could not be written: {error}"))),
        None => Ok(false),
    }
}

fn complain(what: &str) {
    anstream::eprintln!("conntracer: {}", Shown(what.as_bytes()));
}
