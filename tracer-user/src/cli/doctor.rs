//! `conntracer doctor`: what this kernel and these privileges allow.

use super::{output, values};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::run::{self, Events, Options, Shell};
use crate::sink::{Hello, How, Record};
use anstyle::{AnsiColor, Style};
use std::io::Write as _;
use std::time::Duration;

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
    let options = Options {
        hang_after: Duration::from_secs(3),
        // Everything that could be asked for.
        events: Events::All,
        conntrack_events: true,
        ladder: arguments.ladder.hooks,
        filter: Filter::default(),
        log_probes: false,
        described: Vec::new(),
    };
    let hello = run::block_on(async { Shell::start(options).map(|shell| shell.hello()) })??;
    if arguments.output.is_json() {
        let writer = arguments.output.open(run::clock())?;
        writer.push(Record::Hello(&hello));
        writer.finish();
    } else if let Err(error) = table(&hello)
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        return Err(Failure::System {
            what: "standard output",
            error,
        });
    }
    Ok(hello.hooks.iter().any(|hook| hook.how == How::Absent))
}

fn table(hello: &Hello) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(
        out,
        "kernel {} {}, conntracer {}",
        hello.kernel, hello.architecture, hello.version
    )?;
    for hook in &hello.hooks {
        let (color, how) = match hook.how {
            How::Absent => (AnsiColor::Red, "absent"),
            How::TpBtf => (AnsiColor::Green, "tracepoint"),
            How::Fentry => (AnsiColor::Green, "fentry"),
            How::Fexit => (AnsiColor::Green, "fexit"),
            How::Kprobe => (AnsiColor::Green, "kprobe"),
            How::Kretprobe => (AnsiColor::Green, "kretprobe"),
            How::Netlink => (AnsiColor::Green, "netlink"),
        };
        let style = Style::new().fg_color(Some(color.into()));
        write!(out, "  {:<22} {style}{how:<10}{style:#}", hook.name)?;
        if let Some(reason) = &hook.reason {
            write!(out, " {reason}")?;
        }
        if !hook.weakens.is_empty() {
            let causes: Vec<_> = hook.weakens.iter().map(|cause| cause.name()).collect();
            write!(out, " (weaker: {})", causes.join(", "))?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "Without the hooks by name (fentry, kprobe), rules that reset are inferred from conntrack's state."
    )
}
