//! Holds lines to docs/schema/v1.json: more strictly than a reader may, so that a field without a schema is noticed.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;
use std::sync::LazyLock;

/// One line of the program's output, which is as the schema says.
pub(crate) fn line(text: &str) -> Value {
    let value = serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON: {error}\n{text}"));
    assert!(
        is_good(&value),
        "docs/schema/v1.json does not fit:\n{}\n{text}",
        problems(&value).join("\n")
    );
    value
}

/// Whether a line is as the schema says, without a field that it does not name.
pub(crate) fn is_good(line: &Value) -> bool {
    CLOSED.is_valid(line)
}

static CLOSED: LazyLock<Validator> = LazyLock::new(|| {
    let mut schema = kept();
    close(&mut schema);
    validator(&schema)
});

fn problems(line: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for error in CLOSED.iter_errors(line) {
        explain(&error, &mut problems);
    }
    problems
}

/// The schema as it is kept.
pub(crate) fn kept() -> Value {
    serde_json::from_str(include_str!("../../../docs/schema/v1.json")).expect("a schema is JSON")
}

pub(crate) fn validator(schema: &Value) -> Validator {
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options
        .should_ignore_unknown_formats(false)
        .build(schema)
        .expect("a schema")
}

/// Forbids fields that no part of the schema names.
fn close(schema: &mut Value) {
    schema["unevaluatedProperties"] = false.into();
    close_parts(schema);
}

/// Several schemas can be about one value: only where a value begins can be said that they name all its fields.
fn close_parts(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else {
        return;
    };
    for (keyword, inner) in keywords {
        match (keyword.as_str(), inner) {
            ("properties", Value::Object(fields)) => fields.values_mut().for_each(close),
            ("items" | "additionalProperties", inner @ Value::Object(_)) => close(inner),
            ("$defs", Value::Object(schemas)) => schemas.values_mut().for_each(close_parts),
            ("oneOf" | "anyOf" | "allOf", Value::Array(schemas)) => schemas.iter_mut().for_each(close_parts),
            _ => {}
        }
    }
}

/// Where a value is none of several, tells why it is not the one that it calls itself.
fn explain(error: &ValidationError<'_>, problems: &mut Vec<String>) {
    let is_named = |errors: &&Vec<ValidationError<'_>>| {
        let other = |error: &ValidationError<'_>| matches!(error.kind(), ValidationErrorKind::Constant { .. });
        !errors.iter().any(other)
    };
    if let ValidationErrorKind::OneOfNotValid { context } = error.kind()
        && let Some(named) = context.iter().find(is_named)
    {
        named.iter().for_each(|error| explain(error, problems));
    } else {
        problems.push(format!("{}: {}", error.instance_path(), error.masked()));
    }
}
