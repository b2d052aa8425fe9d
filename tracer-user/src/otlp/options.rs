//! What the exporter is told, and what can be wrong with it.

use super::client::Client;
use crate::sink::text::HIDDEN;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct OtlpOptions {
    /// `http://localhost:4318`; `/v1/logs` is appended where it has no path.
    pub endpoint: String,
    /// Of each request, such as an authorization; see [`read_headers`](super::read_headers).
    pub headers: Vec<(String, SecretString)>,
    /// Of one request, from the connect to the end of the answer.
    pub timeout: Duration,
    pub gzip: bool,
}

impl OtlpOptions {
    /// Without headers and compression, and with the specification's 10 s for a request.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            headers: Vec::new(),
            timeout: TIMEOUT,
            gzip: false,
        }
    }
}

impl OtlpOptions {
    /// What can be said of them before anything is started.
    pub fn check(&self) -> Result<(), OtlpError> {
        Client::new(self).map(|_| ())
    }
}

/// A text that no output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretString(String);

impl SecretString {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Why no exporter can be started. A header's value is in none of these.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    #[error("OTLP endpoint {0}: https is not spoken here: send to a collector on this node by http, and let it do TLS")]
    Https(String),
    #[error("OTLP endpoint {0}: write it like http://127.0.0.1:4318 (`/v1/logs` is added)")]
    Endpoint(String),
    #[error("OTLP endpoint {0}: no user or password here: put an authorization into the headers' file")]
    Userinfo(String),
    #[error(
        "OTLP headers: `{0}` cannot be sent: a name is letters, digits and dashes, a value has no control characters"
    )]
    Header(String),
    #[error("{path}: line {line} is no header: write it as `name: value`")]
    HeaderLine { path: PathBuf, line: usize },
    #[error("{path}: {error}")]
    HeadersFile { path: PathBuf, error: std::io::Error },
    #[error("{path}: more than {limit} bytes are no list of headers")]
    HeadersLength { path: PathBuf, limit: u64 },
    #[error("the thread that sends OTLP cannot start: {0}")]
    Thread(std::io::Error),
}

const TIMEOUT: Duration = Duration::from_secs(10);
