//! The command line: arguments, exit codes, one line for what went wrong.

mod agent;
mod audit;
mod completions;
mod demo;
mod doctor;
mod man;
mod names;
mod netns;
mod output;
mod ports;
mod replay;
mod trace;
mod values;

use crate::failure::Failure;
use crate::lab;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Why does this connection hang, or why was it reset, who did it, and what fixes it?
///
/// Without a command it traces: it watches the connections of every network namespace and reports those that hang or
/// are reset, with the cause, the proof and a fix. It never changes the system.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version,
    args_conflicts_with_subcommands = true,
    propagate_version = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    trace: trace::TraceArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch live connections and explain the ones that hang or are reset (the default)
    Trace(trace::TraceArguments),
    /// Inspect rules and conntrack entries, without traffic, and explain what is wrong
    Audit(audit::AuditArguments),
    /// Build a failure in throwaway network namespaces, trace it, explain it, remove it
    Demo(demo::DemoArguments),
    /// Find the same again in recorded JSONL, on any machine
    Replay(replay::ReplayArguments),
    /// List the ports that rules take over: who took each, where it goes, and who listens there
    Ports(ports::PortsArguments),
    /// Watch this node for months: names of pods, metrics, rotated files, a page of findings
    Agent(agent::AgentArguments),
    /// Say what this kernel and these privileges allow
    Doctor(doctor::DoctorArguments),
    /// Print what a shell needs to complete commands and options
    Completions(completions::CompletionsArguments),
    /// Print the manual's page of conntracer or of a command, for man -l
    Man(man::ManArguments),
}

/// What the program is called.
const NAME: &str = "conntracer";

/// Exit code of a run that found something, where that was asked for.
const FOUND: u8 = 1;
/// Exit code of a run that could not be.
const FAILED: u8 = 2;

/// Runs the program; what it returns is the process's exit code.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|first| first == lab::SUBCOMMAND) {
        return lab::host_main(arguments);
    }
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => run(arguments),
        Err(error) => return usage(&error),
    };
    match outcome {
        Ok(true) => ExitCode::from(FOUND),
        Ok(false) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(FAILED)
        }
    }
}

fn run(arguments: Arguments) -> Result<bool, Failure> {
    match arguments.command {
        None => trace::run(&arguments.trace),
        Some(Command::Trace(arguments)) => trace::run(&arguments),
        Some(Command::Audit(arguments)) => audit::run(&arguments),
        Some(Command::Demo(arguments)) => demo::run(&arguments),
        Some(Command::Replay(arguments)) => replay::run(&arguments),
        Some(Command::Ports(arguments)) => ports::run(&arguments),
        Some(Command::Agent(arguments)) => agent::run(&arguments),
        Some(Command::Doctor(arguments)) => doctor::run(&arguments),
        Some(Command::Completions(arguments)) => completions::run(&arguments, Arguments::command()),
        Some(Command::Man(arguments)) => man::run(&arguments, Arguments::command()),
    }
}

/// Help and version go to standard output; a mistake is one line on standard error.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Whoever closes the pipe has seen enough.
        let _: std::io::Result<()> = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let what: Vec<_> = text
        .lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .collect();
    let what = what.join(" ");
    complain(&format!(
        "{} (see conntracer --help)",
        what.strip_prefix("error: ").unwrap_or(&what)
    ));
    ExitCode::from(FAILED)
}

fn complain(text: &str) {
    anstream::eprintln!("conntracer: {text}");
}
