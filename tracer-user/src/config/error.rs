//! What is wrong with a configuration: line, key, and what would be right. Never a value that may be a secret.

use std::fmt;
use std::ops::Range;

/// One mistake in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// From 1; `None` where the text as a whole is meant.
    line: Option<usize>,
    /// With its table: `trace.hang-after`.
    key: Option<String>,
    what: String,
}

impl ConfigError {
    /// A value that is none together with others.
    pub(super) fn of_key(key: &str, what: &str) -> Self {
        Self {
            line: None,
            key: Some(key.to_owned()),
            what: what.to_owned(),
        }
    }

    pub(super) fn new(text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().filter(|span| span.end <= text.len() && *span != (0..0));
        Self {
            line: at.clone().map(|span| line_of(text, span.start)),
            key: at.and_then(|span| key_at(text, &span)),
            what: without_values(error.message()),
        }
    }
}

/// `line 3, trace.hang-after: …`.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}")?;
        }
        match (&self.key, self.line) {
            (Some(key), Some(_)) => write!(f, ", {key}: ")?,
            (None, Some(_)) => f.write_str(": ")?,
            (Some(key), None) => write!(f, "{key}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for ConfigError {}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// The key of the line in which the span starts, after the table that it stands in.
fn key_at(text: &str, span: &Range<usize>) -> Option<String> {
    let start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(start..)?.lines().next()?.trim();
    let before = text.get(..start)?.lines().rev();
    let table = std::iter::once(line).chain(before).find_map(table_name);
    let key = line.split_once('=').map(|(key, _)| key.trim());
    match (table, key) {
        (Some(table), Some(key)) => Some(format!("{table}.{key}")),
        (table, key) => table.or(key).map(str::to_owned),
    }
}

fn table_name(line: &str) -> Option<&str> {
    let inside = line.trim().strip_prefix('[')?;
    let name = inside.split_once(']')?.0.trim_matches('[').trim();
    // An array that goes on over several lines is no table.
    name.chars()
        .all(|char| char.is_alphanumeric() || matches!(char, '-' | '_' | '.' | '"'))
        .then_some(name)
}

/// The deserializer repeats strings of a wrong type, which may be secrets; and where headers belong is told.
fn without_values(message: &str) -> String {
    let message = match message.split_once("invalid type: string \"") {
        Some((before, rest)) => {
            let after = rest.rsplit_once("\", expected").map_or("", |(_, after)| after);
            format!("{before}a text stands here, expected{after}")
        }
        None => message.trim_end().replace('\n', " "),
    };
    if message.contains("unknown field `headers`") {
        return format!("{message}: headers may be secrets, so they stand in a file of their own (headers-file)");
    }
    message
}
