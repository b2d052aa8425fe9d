//! What a person can do: complete commands that cure first, then what to change. Nothing that the evidence does not name.

use crate::model::finding::Finding;
use crate::model::identity::Netns;
use crate::sink::words::facts::Facts;
use crate::sink::words::{cause, command, inspected};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    pub kind: FixKind,
    /// Where a command runs: the path to enter the namespace, else its inode.
    pub netns: Option<String>,
    /// Complete, to be pasted into a shell; of a setting, what to set. Absent where only words help.
    pub command: Option<String>,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixKind {
    Command,
    Setting,
    Upgrade,
}

/// A command that shows what a finding says: a person can see for themselves. It changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Where it runs: the path to enter the namespace, else its inode.
    pub netns: Option<String>,
    /// Complete, to be pasted into a shell.
    pub command: String,
    pub why: String,
}

/// What to do about a finding, the first thing first.
pub fn fixes(finding: &Finding) -> Vec<Fix> {
    match (&finding.connection, cause::of(finding.cause)) {
        (Some(connection), Some(words)) => (words.fixes)(Facts(finding, connection)),
        _ => inspected::fixes(finding),
    }
}

/// How to see it by hand.
pub fn checks(finding: &Finding) -> Vec<Check> {
    match (&finding.connection, cause::of(finding.cause)) {
        (Some(connection), Some(words)) => (words.checks)(Facts(finding, connection)),
        _ => Vec::new(),
    }
}

impl Fix {
    pub(super) fn command(finding: &Finding, netns: Netns, command: &str, why: impl Into<String>) -> Self {
        Self {
            kind: FixKind::Command,
            netns: command::place(finding, netns),
            command: Some(command::within(finding, netns, command)),
            why: why.into(),
        }
    }

    pub(super) fn setting(why: impl Into<String>) -> Self {
        Self {
            kind: FixKind::Setting,
            netns: None,
            command: None,
            why: why.into(),
        }
    }
}

impl Check {
    pub(super) fn new(finding: &Finding, netns: Netns, command: &str, why: impl Into<String>) -> Self {
        Self {
            netns: command::place(finding, netns),
            command: command::within(finding, netns, command),
            why: why.into(),
        }
    }

    /// A command that needs no namespace.
    pub(super) fn anywhere(command: String, why: impl Into<String>) -> Self {
        Self {
            netns: None,
            command,
            why: why.into(),
        }
    }
}
