//! Holds lines to docs/schema/v1.json.

pub(crate) mod strict;

use serde_json::Value;
use std::sync::LazyLock;
use strict::Strict;

/// One line of the program's output, which is as the schema says.
pub(crate) fn line(text: &str) -> Value {
    STRICT.line(text)
}

pub(crate) static STRICT: LazyLock<Strict> = LazyLock::new(|| Strict::new(kept()));

/// The schema as it is kept.
pub(crate) fn kept() -> Value {
    let text = include_str!("../../../docs/schema/v1.json");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON: {error}"))
}
