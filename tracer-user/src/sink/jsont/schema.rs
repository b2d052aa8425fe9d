//! docs/schema/v1.json, made of the wire types.

use crate::sink::jsont::{Answer, Event, Finding, Head, Hello, Inquiry, Loss, Port, Stats, Summary};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::LazyLock;
use strict::Strict;

#[path = "../../../tests/schema/strict.rs"]
mod strict;

/// A line of conntracer's JSONL.
///
/// Within this major version (`v`) fields, names in lists of names, and types of lines are added, never changed or
/// taken away: a reader ignores what it does not know. What is not known is absent, never null, 0 or "".
#[derive(JsonSchema)]
#[schemars(rename = "Line", title = "conntracer JSONL, version 1")]
#[expect(dead_code, reason = "the type only says what a line consists of")]
struct Line<'a> {
    #[schemars(flatten)]
    head: Head<'a>,
    #[schemars(flatten)]
    body: Body<'a>,
}

/// What follows the head, by `type`.
#[expect(clippy::large_enum_variant, reason = "only its schema is wanted")]
#[derive(JsonSchema)]
#[schemars(tag = "type", rename_all = "kebab-case")]
#[expect(dead_code, reason = "the type only says which lines there are")]
enum Body<'a> {
    /// The first of every file: who traces, where, and how each hook runs.
    Hello(Hello<'a>),
    /// What the kernel told of a connection.
    Event(Event<'a>),
    /// A question of the Tracker.
    Inquiry(Inquiry<'a>),
    /// What came back to an inquiry.
    Answer(Answer<'a>),
    /// The Tracker's clock fired.
    Deadline {},
    /// A failure, its cause and its evidence. A line replaces the earlier ones of its `id`.
    Finding(Finding<'a>),
    /// A port that rules take over.
    StolenPort(Port<'a>),
    /// What tracing costs and what it missed, since the start.
    Stats(Stats<'a>),
    /// Records lost since the last such line of the same source.
    Loss(Loss<'a>),
    /// The last of every run.
    Summary(Summary<'a>),
}

/// For tests that write lines.
pub(in crate::sink) fn strict() -> &'static Strict {
    static STRICT: LazyLock<Strict> = LazyLock::new(|| Strict::new(schema().to_value()));
    &STRICT
}

fn schema() -> Schema {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .with_transform(RecursiveTransform(without_null))
        .with_transform(RecursiveTransform(standard_format))
        .into_generator()
        .into_root_schema_for::<Line<'_>>()
}

/// An `Option` that is `None` is not written.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({"type": "null"}));
        if let [Value::Object(only)] = choices.as_mut_slice() {
            let only = std::mem::take(only);
            schema.remove("anyOf");
            schema.ensure_object().extend(only);
        }
    }
}

/// Says what formats mean that only schemars knows: validators ignore them or refuse the schema.
fn standard_format(schema: &mut Schema) {
    let Some(Value::String(format)) = schema.get("format") else {
        return;
    };
    let meaning = match format.as_str() {
        "ip" => Some(("anyOf", json!([{"format": "ipv4"}, {"format": "ipv6"}]))),
        "uint32" => Some(("maximum", u32::MAX.into())),
        // Their bounds stand beside them, or are those of the type.
        "uint8" | "uint16" | "uint64" | "uint" | "double" => None,
        _ => return,
    };
    schema.remove("format");
    if let Some((key, meaning)) = meaning {
        schema.insert(key.to_owned(), meaning);
    }
}

/// The `allOf` of an object: which of its fields go with each name in `field`.
pub(super) fn fields_by_name(field: &str, needs: &[(&str, &[&str])]) -> Value {
    let rule = |(name, fields): &(&str, &[&str])| {
        json!({
            "if": {"properties": {field: {"const": name}}},
            "then": {"required": fields},
        })
    };
    needs.iter().map(rule).collect()
}

#[test]
fn the_schema_is_what_the_types_give() {
    let text = format!("{:#}\n", schema().as_value());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/v1.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let first = text.lines().zip(kept.lines()).position(|(new, old)| new != old);
    assert!(
        text == kept,
        "docs/schema/v1.json differs from line {first:?}: BLESS=1 rewrites it"
    );
}
