//! The agent's configuration: what `agent.toml` says, checked whole before anything starts.
//!
//! Pure: the text comes in, values or an error with line and key go out. docs/agent.md describes every key, and a test
//! holds it to these types.

mod change;
mod error;
mod value;

pub use change::Changes;
pub use error::ConfigError;
pub use value::{CriChoice, Listen, Size};

use crate::filter::Prefix;
use crate::model::identity::Comm;
use crate::redact::Matter;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// A whole configuration; what a file does not say has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    pub trace: Trace,
    pub identities: Identities,
    pub serve: Serve,
    pub output: Output,
    pub otlp: Option<Otlp>,
}

/// `[trace]`: what is watched, and whose connections are told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Trace {
    /// How long a connect may go unanswered, or data unacknowledged.
    #[serde(deserialize_with = "value::duration")]
    pub hang_after: Duration,
    pub events: Events,
    pub conntrack_events: bool,
    /// Names, paths, `pid:N`, inodes, or `all`.
    pub netns: Vec<String>,
    pub port: Vec<u16>,
    #[serde(deserialize_with = "value::comms")]
    pub comm: Vec<Comm>,
    #[serde(deserialize_with = "value::prefixes")]
    pub cidr: Vec<Prefix>,
    /// Names of pods, or `namespace/name`; `*` stands for any text.
    pub pod: Vec<String>,
    /// Names or ids of containers; `*` stands for any text.
    pub container: Vec<String>,
    /// What is left out of everything that is written.
    #[serde(deserialize_with = "value::matters")]
    pub redact: Vec<Matter>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            hang_after: Duration::from_secs(3),
            events: Events::Suspect,
            conntrack_events: false,
            netns: Vec::new(),
            port: Vec::new(),
            comm: Vec::new(),
            cidr: Vec::new(),
            pod: Vec::new(),
            container: Vec::new(),
            redact: Vec::new(),
        }
    }
}

/// Which events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Events {
    None,
    #[default]
    Suspect,
    All,
}

/// `[identities]`: names of containers and pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Identities {
    /// `auto`, `off`, or the path of a socket.
    pub cri_socket: CriChoice,
    /// Labels of pods that are told.
    pub labels: Vec<String>,
    /// Command lines are told, passwords left out as far as they can be recognised.
    pub command_line: bool,
}

/// `[serve]`: metrics, health and the page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Serve {
    /// An address with a port, or `off`.
    pub listen: Listen,
    /// Names by which clients may call it, beside its addresses.
    pub hosts: Vec<String>,
}

/// `[output]`: JSONL.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Output {
    pub stdout: bool,
    pub file: Option<PathBuf>,
    /// Size at which another file is begun.
    pub max_size: Size,
    /// Age at which another file is begun.
    #[serde(deserialize_with = "value::duration")]
    pub max_age: Duration,
    /// Files kept beside the one that is written.
    pub keep: u32,
    pub compress: bool,
    /// Free disk space below which events are left out.
    pub floor: Size,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            stdout: false,
            file: None,
            max_size: Size(64 << 20),
            max_age: Duration::from_hours(24),
            keep: 8,
            compress: true,
            floor: Size(256 << 20),
        }
    }
}

/// `[otlp]`: findings as OpenTelemetry logs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Otlp {
    /// `http://127.0.0.1:4318` of a collector, with or without `/v1/logs`.
    pub endpoint: String,
    /// A file with `name: value` lines, for secrets.
    #[serde(default)]
    pub headers_file: Option<PathBuf>,
    #[serde(default = "value::otlp_timeout", deserialize_with = "value::duration")]
    pub timeout: Duration,
    #[serde(default = "value::yes")]
    pub gzip: bool,
}

impl Config {
    /// Reads the text of a file.
    pub fn read(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::new(text, &error))?;
        if config.output.max_size > Size(0) && config.output.max_size < PART_MIN {
            return Err(ConfigError::of_key(
                "output.max-size",
                "a file is at least 1MiB, or 0 for no end",
            ));
        }
        Ok(config)
    }
}

/// A smaller file would hold little more than its first line.
const PART_MIN: Size = Size(1 << 20);

#[cfg(test)]
mod tests;
