//! Where results go, and in which form.

use crate::failure::Failure;
use crate::sink::{Clock, Format, Writer, writer};
use clap::ValueEnum;
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct OutputArguments {
    /// Write JSONL (the default where standard output is no terminal)
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// The form of the output [default: text on a terminal, else json]
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Write to a new file (mode 0600) instead of standard output
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Say more: statistics and every hook; twice: log each step to standard error
    #[arg(short, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// When to colour text
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl OutputArguments {
    pub(super) fn is_json(&self) -> bool {
        match self.format {
            Some(form) => form == Form::Json,
            None => self.json || self.output.is_some() || !std::io::stdout().is_terminal(),
        }
    }

    /// Whether JSON was asked for in so many words.
    pub(super) fn asks_for_json(&self) -> bool {
        self.json || self.format == Some(Form::Json)
    }

    /// Opens the output and starts its writer.
    pub(super) fn open(&self, clock: Clock) -> Result<Writer, Failure> {
        self.prepare()?.start(clock)
    }

    /// Opens the output only.
    pub(super) fn prepare(&self) -> Result<Prepared, Failure> {
        let format = if self.is_json() {
            Format::Json
        } else {
            Format::Text {
                width: width(),
                verbose: self.verbose > 0,
            }
        };
        Ok(Prepared {
            target: self.target()?,
            format,
        })
    }

    /// Writes a whole text for people.
    pub(super) fn print(&self, text: &str) -> Result<(), Failure> {
        write_whole(&mut self.target()?, text.as_bytes())
    }

    fn target(&self) -> Result<Box<dyn Write + Send>, Failure> {
        let file = match &self.output {
            Some(path) => writer::create(path).map_err(|error| Failure::Output {
                path: path.clone(),
                error,
            })?,
            None => writer::stdout().map_err(Failure::system("standard output"))?,
        };
        if self.is_json() {
            return Ok(Box::new(file));
        }
        Ok(Box::new(anstream::AutoStream::new(file, self.color_choice())))
    }

    fn color_choice(&self) -> anstream::ColorChoice {
        match self.color {
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
            Color::Auto if self.output.is_some() => anstream::ColorChoice::Never,
            Color::Auto => anstream::AutoStream::choice(&std::io::stdout()),
        }
    }

    /// Logs go to standard error; `RUST_LOG` decides where it is set.
    pub(super) fn start_log(&self) {
        let level = match self.verbose {
            0 | 1 => "warn",
            2 => "debug",
            _ => "trace",
        };
        start_log(level);
    }
}

/// An output that is open, and nothing writes to it yet.
pub(super) struct Prepared {
    target: Box<dyn Write + Send>,
    format: Format,
}

impl Prepared {
    /// Starts its writer, with the capabilities that the calling thread has.
    pub(super) fn start(self, clock: Clock) -> Result<Writer, Failure> {
        let writer = Writer::start(self.target, self.format, clock);
        writer.map_err(Failure::system("the writing thread cannot start"))
    }
}

/// Logs of this level go to standard error; `RUST_LOG` decides where it is set.
pub(super) fn start_log(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    log.with_target(false).without_time().compact().init();
}

/// Writes a whole result to standard output, as it is.
pub(super) fn print_result(result: &[u8]) -> Result<(), Failure> {
    write_whole(&mut std::io::stdout().lock(), result)
}

/// Whoever closes the pipe has seen enough.
fn write_whole(target: &mut impl Write, result: &[u8]) -> Result<(), Failure> {
    let written = target.write_all(result).and_then(|()| target.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::System {
            what: "the output",
            error,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Columns of the terminal.
pub(super) fn width() -> usize {
    const NARROWEST: usize = 60;
    const USUAL: usize = 100;
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .unwrap_or(USUAL)
        .max(NARROWEST)
}
