//! The words for what inspection found, without a connection.

use crate::model::finding::Finding;
use crate::sink::words::Fix;

pub(super) fn summary(finding: &Finding) -> String {
    finding.cause.name().to_owned()
}

pub(super) fn why(_finding: &Finding) -> String {
    String::new()
}

pub(super) fn fixes(_finding: &Finding) -> Vec<Fix> {
    Vec::new()
}
