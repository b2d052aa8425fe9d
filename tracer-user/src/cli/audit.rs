//! `conntracer audit`: what is wrong with rules and conntrack entries, without any traffic.

use super::names::NamesArguments;
use super::{netns, output};
use crate::enrich::source::Namer;
use crate::failure::Failure;
use crate::model::finding::{Cause, Severity};
use crate::run;
use crate::sink::text::Shown;
use crate::sink::{Record, Summary};
use clap::ValueEnum;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct AuditArguments {
    /// Only this network namespace: a name, a path, pid:N, an inode, or all
    #[arg(long, value_name = "NETNS", default_value = "all")]
    netns: Vec<String>,
    /// End with exit code 1 if something at least this bad was found
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = Level::Warning)]
    fail_on: Level,
    #[command(flatten)]
    names: NamesArguments,
    #[command(flatten)]
    output: output::OutputArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Warning => Severity::Warning,
            Self::Error => Severity::Error,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// `true`: something at least as bad as `--fail-on` was found.
pub(super) fn run(arguments: &AuditArguments) -> Result<bool, Failure> {
    arguments.output.start_log();
    let mut namer = Namer::new(&arguments.names.options());
    let survey = run::survey_rules(&netns::resolve(&arguments.netns)?, &mut namer)?;
    if survey.namespaces == 0
        && let Some(gap) = survey.gaps.first()
    {
        let gap = Shown(gap.as_bytes());
        return Err(Failure::Usage(format!(
            "no namespace could be read: {gap}; run as root"
        )));
    }
    let complain = |what: &String| anstream::eprintln!("conntracer: {}", Shown(what.as_bytes()));
    survey.gaps.iter().for_each(complain);
    if arguments.output.verbose > 0 {
        survey.gone.iter().for_each(complain);
    }
    write(arguments, &survey)?;
    let limit = arguments.fail_on.severity();
    Ok(survey.findings.iter().any(|finding| finding.severity >= limit))
}

fn write(arguments: &AuditArguments, survey: &run::AuditSurvey) -> Result<(), Failure> {
    let options = [
        ("netns", arguments.netns.join(",")),
        ("fail-on", arguments.fail_on.name().to_owned()),
    ];
    let hello = run::greeting(options);
    let writer = arguments.output.open(run::clock())?;
    writer.push(Record::Hello(&hello));
    for finding in &survey.findings {
        writer.push(Record::Finding(finding));
    }
    let findings = Cause::ALL.iter().map(|&cause| {
        let count = survey.findings.iter().filter(|finding| finding.cause == cause).count();
        (cause, u64::try_from(count).unwrap_or(u64::MAX))
    });
    writer.push(Record::Summary(&Summary {
        inspected: u64::try_from(survey.namespaces).ok(),
        findings: findings.filter(|(_, count)| *count > 0).collect(),
        ..Summary::nothing(survey.began + survey.duration, survey.duration)
    }));
    match writer.finish().error {
        Some(error) => Err(Failure::Usage(format!("the output could not be written: {error}"))),
        None => Ok(()),
    }
}
