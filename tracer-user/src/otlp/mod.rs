//! Findings as OpenTelemetry logs: OTLP over HTTP with protobuf (`POST /v1/logs`).
//!
//! What leaves is every revision of every finding, and `hello`, `loss` and `summary`; events do not. A record's body is
//! its one sentence; its whole JSONL line, at most 64 KiB, is the attribute `conntracer.json`, and a selection of the
//! line's fields are attributes of their own. Only `http`: TLS and queues on disk are a collector's on the same node.
//!
//! `delivery` decides what is sent when, without a socket or a clock; `client` sends; `exporter` is the thread around both.

mod backoff;
mod client;
mod delivery;
mod endpoint;
mod exporter;
mod headers;
mod message;
mod options;
mod queue;
mod record;
#[cfg(test)]
mod tests;

pub use delivery::OtlpStats;
pub use exporter::Exporter;
pub use headers::read_headers;
pub use options::{OtlpError, OtlpOptions, SecretString};
