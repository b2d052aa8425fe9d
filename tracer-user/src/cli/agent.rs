//! `conntracer agent`.

use super::{netns, output};
use crate::config::{self, Changes, Config, CriChoice, Listen};
use crate::enrich::source::{CriSocket, NamerOptions};
use crate::failure::Failure;
use crate::filter::{Filter, Pattern};
use crate::kernel::plan::Ladder;
use crate::otlp::{self, Exporter, OtlpOptions};
use crate::redact::Redactor;
use crate::run::{self, Agent, Events, Options, Outputs, Retuned};
use crate::sink::writer::RotateOptions;
use crate::sink::{Clock, Format, Writer, writer};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct AgentArguments {
    /// Configuration in TOML [default: /etc/conntracer/agent.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read the configuration, say what is wrong with it, and end
    #[arg(long)]
    check: bool,
    /// Where metrics, health and the page are served, or off [serve.listen]
    #[arg(long, value_name = "ADDRESS", env = "CONNTRACER_SERVE_LISTEN")]
    listen: Option<Listen>,
    /// Write JSONL to this file, rotated [output.file]
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write JSONL to standard output [output.stdout]
    #[arg(long)]
    stdout: bool,
    /// Log each step to standard error
    #[arg(short)]
    verbose: bool,
}

pub(super) fn run(arguments: &AgentArguments) -> Result<bool, Failure> {
    output::start_log(if arguments.verbose { "debug" } else { "info" });
    let config = read(arguments)?;
    // What is wrong with values is found before anything starts.
    let options = options(&config)?;
    let otlp = config.otlp.as_ref().map(exporter_options).transpose()?;
    if arguments.check {
        return Ok(false);
    }
    let listen = match config.serve.listen {
        Listen::Off => None,
        Listen::On(address) => Some(address),
    };
    let agent = Agent {
        options,
        listen,
        hosts: config.serve.hosts.clone(),
        reload: reloading(arguments.clone(), config.clone()),
    };
    let report = run::block_on(run::agent(agent, || outputs(&config, otlp.as_ref())))??;
    match report.output_error {
        Some(error) => Err(Failure::Usage(format!("the output could not be written: {error}"))),
        None => Ok(false),
    }
}

/// The file, and over it what the command line says.
fn read(arguments: &AgentArguments) -> Result<Config, Failure> {
    let mut config = match &arguments.config {
        Some(path) => read_file(path)?,
        None if Path::new(USUAL).exists() => read_file(Path::new(USUAL))?,
        None => Config::default(),
    };
    if let Some(listen) = arguments.listen {
        config.serve.listen = listen;
    }
    if let Some(output) = &arguments.output {
        config.output.file = Some(output.clone());
    }
    config.output.stdout |= arguments.stdout;
    Ok(config)
}

fn read_file(path: &Path) -> Result<Config, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("cannot read the configuration {}: {error}", path.display())))?;
    Config::read(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn options(config: &Config) -> Result<Options, Failure> {
    let trace = &config.trace;
    Ok(Options {
        hang_after: trace.hang_after,
        events: match trace.events {
            config::Events::None => Events::None,
            config::Events::Suspect => Events::Suspect,
            config::Events::All => Events::All,
        },
        filter: Filter {
            netns: netns::resolve(&config.trace.netns)?,
            ..filter(config)
        },
        filter_can_change: true,
        conntrack_events: trace.conntrack_events,
        ladder: Ladder::default(),
        log_probes: false,
        names: names(config),
        described: described(config),
    })
}

/// All but the namespaces, which stay as they were at the start.
fn filter(config: &Config) -> Filter {
    let trace = &config.trace;
    let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
    Filter {
        netns: Vec::new(),
        ports: trace.port.clone(),
        pids: Vec::new(),
        comms: trace.comm.clone(),
        prefixes: trace.cidr.clone(),
        pods: patterns(&trace.pod),
        containers: patterns(&trace.container),
    }
}

fn names(config: &Config) -> NamerOptions {
    let identities = &config.identities;
    NamerOptions {
        cri_socket: match &identities.cri_socket {
            CriChoice::Auto => CriSocket::Auto,
            CriChoice::Off => CriSocket::Off,
            CriChoice::Socket(path) => CriSocket::Path(path.clone()),
        },
        labels: identities.labels.clone(),
        command_line: identities.command_line,
    }
}

fn exporter_options(otlp: &config::Otlp) -> Result<OtlpOptions, Failure> {
    let headers = otlp.headers_file.as_deref().map(otlp::read_headers).transpose();
    let headers = headers.map_err(|error| Failure::Usage(format!("otlp.headers-file: {error}")))?;
    let options = OtlpOptions {
        headers: headers.unwrap_or_default(),
        timeout: otlp.timeout,
        gzip: otlp.gzip,
        ..OtlpOptions::new(&otlp.endpoint)
    };
    options
        .check()
        .map_err(|error| Failure::Usage(format!("otlp.endpoint: {error}")))?;
    Ok(options)
}

/// Opens what is written to, once the probes are attached.
fn outputs(config: &Config, otlp: Option<&OtlpOptions>) -> Result<Outputs, Failure> {
    let clock = run::clock();
    let mut writers = Vec::new();
    if config.output.stdout {
        let stdout = writer::stdout().map_err(Failure::system("standard output"))?;
        let started = Writer::start(Box::new(stdout), Format::Json, clock);
        writers.push(started.map_err(Failure::system("the writing thread cannot start"))?);
    }
    if let Some(path) = &config.output.file {
        writers.push(file(config, path, clock)?);
    }
    if writers.is_empty() && otlp.is_none() {
        tracing::warn!("findings are only shown, not written: set output.file, output.stdout or otlp.endpoint");
    }
    let exporter = otlp.map(|options| Exporter::start(options, clock)).transpose();
    let exporter = exporter.map_err(|error| Failure::Usage(format!("otlp: {error}")))?;
    Ok(Outputs {
        redactor: Redactor::new(&config.trace.redact),
        writers,
        exporter,
        board: None,
        stats_interval: Some(STATS_INTERVAL),
    })
}

fn file(config: &Config, path: &Path, clock: Clock) -> Result<Writer, Failure> {
    let output = &config.output;
    let options = RotateOptions {
        path: path.to_owned(),
        max_bytes: Some(output.max_size.0).filter(|size| *size > 0),
        max_age: Some(output.max_age),
        keep: output.keep,
        compress: output.compress,
        floor_bytes: output.floor.0,
    };
    Writer::start_file(options, clock, || ()).map_err(|error| Failure::Output {
        path: path.to_owned(),
        error,
    })
}

/// Reads the configuration again at SIGHUP; what is wrong with it changes nothing.
fn reloading(arguments: AgentArguments, mut config: Config) -> Box<dyn FnMut() -> Option<Retuned>> {
    Box::new(move || {
        let new = match read(&arguments) {
            Ok(new) => new,
            Err(error) => {
                tracing::error!(%error, "the configuration stays as it was");
                return None;
            }
        };
        let changes = Changes::between(&config, &new);
        let (applied, deferred) = (changes.applied.join(", "), changes.deferred.join(", "));
        if !deferred.is_empty() {
            tracing::warn!(keys = deferred, "these changes need a restart");
        }
        tracing::info!(changed = applied, "the configuration was read again");
        let (hang_after, filter) = (new.trace.hang_after, filter(&new));
        config.trace = config::Trace {
            events: config.trace.events,
            conntrack_events: config.trace.conntrack_events,
            redact: config.trace.redact.clone(),
            netns: config.trace.netns.clone(),
            ..new.trace
        };
        Some(Retuned { hang_after, filter })
    })
}

fn described(config: &Config) -> Vec<(&'static str, String)> {
    let trace = &config.trace;
    let mut options = vec![
        ("agent", true.to_string()),
        ("hang-after", humantime::format_duration(trace.hang_after).to_string()),
        ("events", format!("{:?}", trace.events).to_lowercase()),
    ];
    if trace.conntrack_events {
        options.push(("conntrack-events", true.to_string()));
    }
    let redacted: Vec<_> = trace.redact.iter().map(|matter| matter.name()).collect();
    if !redacted.is_empty() {
        options.push(("redact", redacted.join(",")));
    }
    options
}

const USUAL: &str = "/etc/conntracer/agent.toml";
const STATS_INTERVAL: Duration = Duration::from_mins(1);
