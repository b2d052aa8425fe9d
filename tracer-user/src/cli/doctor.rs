//! `conntracer doctor`: what this kernel and these privileges allow.

use super::{output, values};
use crate::confine;
use crate::failure::Failure;
use crate::model::hook::How;
use crate::run;
use crate::sink::{Hello, Hook, Record};
use anstyle::{AnsiColor, Style};
use std::io::{self, Write};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct DoctorArguments {
    #[command(flatten)]
    output: output::OutputArguments,
    #[command(flatten)]
    ladder: values::LadderArgument,
}

/// `true`: a core hook is missing.
pub(super) fn run(arguments: &DoctorArguments) -> Result<bool, Failure> {
    arguments.output.start_log();
    let survey = run::survey(arguments.ladder.hooks)?;
    if arguments.output.is_json() {
        let writer = arguments.output.open(run::clock())?;
        writer.push(Record::Hello(&survey.hello));
        writer.finish();
    } else if let Err(error) = table(&survey.hello)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(Failure::System {
            what: "standard output",
            error,
        });
    }
    Ok(survey.core_is_missing)
}

fn table(hello: &Hello) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(
        out,
        "kernel {} {}, conntracer {}\n",
        hello.kernel, hello.architecture, hello.version
    )?;
    let bold = Style::new().bold();
    writeln!(out, "{bold}{:<24} {:<11} found less surely{bold:#}", "hook", "how")?;
    for hook in &hello.hooks {
        row(&mut out, hook)?;
    }
    capabilities(&mut out)
}

/// A line for each that is missed.
fn capabilities(out: &mut impl Write) -> io::Result<()> {
    let bold = Style::new().bold();
    writeln!(out, "\n{bold}{:<24} without it{bold:#}", "missing capability")?;
    let missing = confine::missing();
    if missing.is_empty() {
        writeln!(out, "none")?;
    }
    for need in missing {
        // Padding is lost on what is not a string.
        let name = need.capability.to_string();
        writeln!(out, "{name:<24} {}", need.without)?;
    }
    Ok(())
}

fn row(out: &mut impl Write, hook: &Hook) -> io::Result<()> {
    let (color, how) = match hook.how {
        How::Absent => (AnsiColor::Red, "absent"),
        How::TpBtf => (AnsiColor::Green, "tracepoint"),
        How::Fentry => (AnsiColor::Green, "fentry"),
        How::Fexit => (AnsiColor::Green, "fexit"),
        How::Kprobe => (AnsiColor::Green, "kprobe"),
        How::Kretprobe => (AnsiColor::Green, "kretprobe"),
        How::Netlink => (AnsiColor::Yellow, "netlink"),
    };
    let style = Style::new().fg_color(Some(color.into()));
    let causes: Vec<_> = hook.weakens.iter().map(|cause| cause.name()).collect();
    let causes = if causes.is_empty() {
        "-".to_owned()
    } else {
        causes.join(", ")
    };
    writeln!(out, "{:<24} {style}{how:<11}{style:#} {causes}", hook.name)?;
    match &hook.reason {
        Some(reason) => writeln!(out, "{:<24} {reason}", ""),
        None => Ok(()),
    }
}
