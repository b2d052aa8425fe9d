//! A finding in one sentence, on one line.

use crate::model::finding::Finding;
use crate::sink::words::facts::Facts;
use crate::sink::words::{cause, inspected};

/// One sentence without its full stop, on one line.
pub fn summary(finding: &Finding) -> String {
    match (&finding.connection, cause::of(finding.cause)) {
        (Some(connection), Some(words)) => (words.summary)(Facts(finding, connection)),
        _ => inspected::summary(finding),
    }
}
