//! docs/schema/v1.json describes every line that is kept, and no others.

#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

mod schema;

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// One line of every type and sub-type.
fn every_type() -> Vec<Value> {
    let text = fs::read_to_string(here("src/sink/testdata/every-type.jsonl")).unwrap();
    text.lines().map(schema::line).collect()
}

fn first(kind: &str, field: &str, name: &str) -> Value {
    let mut lines = every_type().into_iter();
    let line = lines.find(|line| line["type"] == kind && (field.is_empty() || line[field] == name));
    line.unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn assert_refused(line: &Value, what: &str) {
    assert!(!schema::STRICT.is_good(line), "{what} is taken: {line}");
}

/// The pointers to a value's parts, its own included.
fn pointers(value: &Value) -> Vec<String> {
    let below = |name: &str, inner: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        pointers(inner).into_iter().map(move |rest| format!("/{name}{rest}"))
    };
    let mut all = vec![String::new()];
    match value {
        Value::Object(fields) => all.extend(fields.iter().flat_map(|(name, inner)| below(name, inner))),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            all.extend(items.flat_map(|(at, inner)| below(&at.to_string(), inner)));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    all
}

#[test]
fn every_recording_is_as_the_schema_says() {
    let files = fs::read_dir(here("tests/golden")).unwrap();
    let mut lines = 0;
    for file in files {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        lines += text.lines().map(schema::line).count();
    }
    assert!(lines > 500, "{lines} lines");
}

#[test]
fn every_type_of_line_is_in_the_schema_and_in_the_sample() {
    let kinds = schema::kept()["oneOf"].as_array().expect("a list").clone();
    let known: Vec<_> = kinds.iter().map(|kind| &kind["properties"]["type"]["const"]).collect();
    let lines = every_type();
    for kind in &known {
        assert!(lines.iter().any(|line| line["type"] == **kind), "no {kind}");
    }
    assert!(lines.iter().all(|line| known.contains(&&line["type"])));
}

#[test]
fn no_name_is_given_to_two_schemas() {
    let schema = schema::kept();
    for name in schema["$defs"].as_object().expect("schemas").keys() {
        assert!(
            !name.ends_with(|last: char| last.is_ascii_digit()),
            "{name}: another type has that name: give one of them another by #[schemars(rename)]"
        );
    }
}

#[test]
fn a_field_that_no_schema_names_is_allowed_to_readers_and_noticed_here() {
    let open = schema::strict::validator(&schema::kept());
    for line in every_type() {
        for pointer in pointers(&line) {
            let mut more = line.clone();
            let Some(Value::Object(fields)) = more.pointer_mut(&pointer) else {
                continue;
            };
            fields.insert("novelty".to_owned(), json!({}));
            assert_refused(&more, &pointer);
            // The keys and the values of these are given by their fields, whatever these are.
            let is_by_name = ["/label", "/lost"].iter().any(|end| pointer.ends_with(end));
            if !matches!(pointer.as_str(), "/options" | "/findings") && !is_by_name {
                assert!(open.is_valid(&more), "{pointer}: {more}");
            }
        }
    }
}

#[test]
fn a_value_of_another_type_is_refused_everywhere() {
    for line in every_type() {
        for pointer in pointers(&line) {
            let wrong = match line.pointer(&pointer) {
                Some(Value::String(_)) => json!(1),
                Some(Value::Object(_)) => json!([]),
                _ => json!("1"),
            };
            for wrong in [wrong, Value::Null] {
                let mut broken = line.clone();
                *broken.pointer_mut(&pointer).unwrap() = wrong;
                assert_refused(&broken, &pointer);
            }
        }
    }
}

#[test]
fn a_line_without_a_field_that_it_needs_is_refused() {
    for (kind, field, name, needed) in [
        (
            "hello",
            "",
            "",
            &[
                "/v",
                "/type",
                "/time",
                "/mono",
                "/seq",
                "/session",
                "/host/arch",
                "/hooks/0/how",
            ][..],
        ),
        (
            "event",
            "event",
            "connect",
            &["/event", "/connection", "/connection/netns"],
        ),
        ("event", "event", "rst-sent", &["/rst", "/rst/maker"]),
        ("event", "event", "drop", &["/drop", "/packet", "/packet/tcp_flags"]),
        (
            "event",
            "event",
            "conntrack-destroy",
            &["/conntrack", "/conntrack/original/source/address"],
        ),
        (
            "inquiry",
            "question",
            "connection",
            &["/id", "/question", "/netns", "/connection"],
        ),
        ("inquiry", "question", "link", &["/ifindex"]),
        (
            "answer",
            "answer",
            "connection",
            &["/answer", "/examined", "/examined/target"],
        ),
        (
            "answer",
            "answer",
            "walked",
            &["/walked", "/walked/read", "/walked/trails/0/end"],
        ),
        ("answer", "answer", "unreachable", &["/why"]),
        (
            "finding",
            "cause",
            "reply-rejected",
            &["/id", "/cause", "/severity", "/culprits", "/fixes", "/first"],
        ),
        (
            "finding",
            "cause",
            "dead-redirect",
            &[
                "/culprits/0/kind",
                "/culprits/0/text",
                "/evidence/0/kind",
                "/evidence/0/time",
            ],
        ),
        ("stolen-port", "", "", &["/class", "/original", "/rule/text"]),
        ("stats", "", "", &["/hooks", "/tracked", "/hooks/0/lost"]),
        ("loss", "", "", &["/lost"]),
        ("summary", "", "", &["/connections/refused", "/findings"]),
    ] {
        let line = first(kind, field, name);
        for pointer in needed {
            let (object, field) = pointer.rsplit_once('/').expect("a pointer");
            let mut broken = line.clone();
            let fields = broken.pointer_mut(object).and_then(Value::as_object_mut);
            let lost = fields.expect("an object").remove(field);
            assert!(lost.is_some(), "{kind} {name} has no {pointer}: {line}");
            assert_refused(&broken, pointer);
        }
    }
}

#[test]
fn a_value_that_nobody_writes_is_refused() {
    for (kind, pointer, wrong) in [
        ("hello", "/v", json!(2)),
        ("hello", "/type", json!("goodbye")),
        ("hello", "/time", json!("2026-03-04 05:06:07")),
        ("hello", "/time", json!("2026-13-04T05:06:07.000000000Z")),
        ("hello", "/time", json!("2026-03-04T05:06:07Z")),
        ("hello", "/mono", json!("-1")),
        ("hello", "/mono", json!("01")),
        ("hello", "/seq", json!(-1)),
        ("hello", "/seq", json!(0.5)),
        ("hello", "/hooks/0/how", json!("uprobe")),
        ("event", "/event", json!("accept")),
        ("event", "/cpu", json!(1_u64 << 32)),
        ("event", "/connection/source/address", json!("10.77.0.256")),
        ("event", "/connection/source/port", json!(65536)),
        ("event", "/connection/network/type", json!("IPv6")),
        ("inquiry", "/question", json!("why")),
        ("answer", "/answer", json!("because")),
        ("finding", "/cause", json!("gremlins")),
        ("finding", "/severity", json!("fatal")),
        ("finding", "/confidence", json!("certain")),
        ("finding", "/state", json!("pending")),
        ("finding", "/evidence/0/kind", json!("hearsay")),
        ("finding", "/culprits/0/kind", json!("butler")),
        ("finding", "/fixes/0/kind", json!("reboot")),
        ("stolen-port", "/class", json!("borrowed")),
        ("summary", "/findings", json!({"gremlins": 1})),
    ] {
        let mut broken = first(kind, "", "");
        *broken
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("{kind} has no {pointer}")) = wrong;
        assert_refused(&broken, pointer);
    }
}
