//! What the Tracker counted: the ordinary, which is not reported, and what did not fit.

use crate::model::finding::Cause;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub events: u64,
    pub connects: u64,
    pub established: u64,
    pub closed: u64,
    /// Refused by a closed port.
    pub refused: u64,
    /// Reset by the application at one end of its own accord (SO_LINGER 0, close with unread data).
    pub aborted: u64,
    /// Connects that the application gave up, without an explanation.
    pub given_up: u64,
    /// Connects that failed with another errno.
    pub failed: u64,
    /// RSTs after a FIN, or by this host's TCP in the middle of a connection.
    pub late_resets: u64,
    /// Drops and RSTs for which no connection of this host was found.
    pub unmatched_packets: u64,
    /// Findings by cause (new ones, not revisions).
    pub findings: BTreeMap<Cause, u64>,
    /// Connections and packets forgotten because a table was full.
    pub evicted: u64,
    /// Findings not opened because there were too many.
    pub findings_suppressed: u64,
    pub inquiries: u64,
    /// Inquiries that got no answer.
    pub unresolved: u64,
    /// Connections judged without an examination, and packets without a socket whose connection was not looked for.
    pub unexamined: u64,
    /// Completed connections that nobody accepted, without a translation that leads there.
    pub not_accepted: u64,
}
