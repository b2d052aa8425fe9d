//! A schema that is taken more strictly than a reader may, so that a field without a schema is noticed.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

/// Knows the fields that the schema names and no others.
pub(crate) struct Strict(Validator);

impl Strict {
    pub(crate) fn new(mut schema: Value) -> Self {
        close(&mut schema);
        Self(validator(&schema))
    }

    /// A line, which is as the schema says.
    pub(crate) fn line(&self, text: &str) -> Value {
        let value = serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON: {error}\n{text}"));
        assert!(
            self.is_good(&value),
            "docs/schema/v1.json does not fit:\n{}\n{text}",
            self.problems(&value).join("\n")
        );
        value
    }

    pub(crate) fn is_good(&self, line: &Value) -> bool {
        self.0.is_valid(line)
    }

    fn problems(&self, line: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        for error in self.0.iter_errors(line) {
            explain(&error, &mut problems);
        }
        problems
    }
}

/// A reader's view of a schema.
pub(crate) fn validator(schema: &Value) -> Validator {
    let options = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false);
    options
        .build(schema)
        .unwrap_or_else(|error| panic!("no schema: {error}"))
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
        for error in named {
            explain(error, problems);
        }
    } else {
        problems.push(format!("{}: {}", error.instance_path(), error.masked()));
    }
}
