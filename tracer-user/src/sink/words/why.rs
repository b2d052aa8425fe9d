//! What is going on: the mechanism behind a finding, what is seen and what is inferred.

use crate::model::finding::Finding;
use crate::sink::words::facts::Facts;
use crate::sink::words::{cause, inspected};

/// A few short sentences.
pub fn why(finding: &Finding) -> String {
    match (&finding.connection, cause::of(finding.cause)) {
        (Some(connection), Some(words)) => (words.why)(Facts(finding, connection)).join(" "),
        _ => inspected::why(finding),
    }
}
