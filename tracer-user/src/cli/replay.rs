//! `conntracer replay`: the findings of a recording, without the machine it came from.

use super::{output, values};
use crate::failure::Failure;
use crate::model::finding::{Finding, Severity};
use crate::redact::Redactor;
use crate::replay::Replay;
use crate::run::{self, Outputs};
use crate::sink::Record;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

/// No line of ours is longer.
const LONGEST_LINE: u64 = 64 << 10;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct ReplayArguments {
    /// Recordings, the parts of one run in their order; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// End with exit code 1 if something above `info` was found
    #[arg(long)]
    fail_on_finding: bool,
    #[command(flatten)]
    redact: values::RedactArgument,
    #[command(flatten)]
    output: output::OutputArguments,
}

struct Session {
    replay: Replay,
    outputs: Outputs,
    found_above_info: bool,
    understood: u64,
    skipped: u64,
}

/// `true`: something was found, and that was to be told by the exit code.
pub(super) fn run(arguments: &ReplayArguments) -> Result<bool, Failure> {
    arguments.output.start_log();
    let writer = arguments.output.open(run::clock())?;
    let mut session = Session {
        replay: Replay::default(),
        outputs: Outputs::new(writer, Redactor::new(&arguments.redact.matters)),
        found_above_info: false,
        understood: 0,
        skipped: 0,
    };
    for path in &arguments.files {
        let name = path.display().to_string();
        if name == "-" {
            session.read(&name, std::io::stdin().lock());
        } else {
            match File::open(path) {
                Ok(file) => session.read(&name, BufReader::new(file)),
                Err(error) => return Err(Failure::Usage(format!("cannot read {name}: {error}"))),
            }
        }
    }
    let Session {
        outputs,
        found_above_info,
        understood,
        skipped,
        ..
    } = session;
    if let Some(error) = outputs.finish().error {
        return Err(Failure::Usage(format!("the output could not be written: {error}")));
    }
    if understood == 0 {
        return Err(Failure::Usage(format!(
            "nothing could be read: {skipped} lines are no lines of conntracer"
        )));
    }
    Ok(arguments.fail_on_finding && found_above_info)
}

impl Session {
    /// Reads to the end; what is wrong with a line is said with its number, and the rest is read.
    fn read(&mut self, name: &str, mut input: impl BufRead) {
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            match input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => self.line(name, number, &line),
                Err(error) => {
                    tracing::warn!("{name}: line {number}: {error}; the rest is not read");
                    break;
                }
            }
        }
    }

    fn line(&mut self, name: &str, number: u64, line: &[u8]) {
        let Self {
            replay,
            outputs,
            found_above_info,
            ..
        } = self;
        outputs.set_clock(replay.clock());
        let outcome = replay.line(line, &mut |finding: &Finding| {
            *found_above_info |= finding.severity > Severity::Info;
            outputs.push(Record::Finding(finding));
        });
        match outcome {
            Ok(()) => self.understood += 1,
            Err(error) => {
                self.skipped += 1;
                tracing::warn!("{name}: line {number} is skipped: {error}");
            }
        }
    }
}
