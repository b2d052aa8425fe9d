//! Goldens: a recording of every scenario, replayed through the Tracker into the findings that were recorded with it.
//!
//! `BLESS=1` records them again, on this machine's kernel (needs root).

#![expect(clippy::expect_used, reason = "the whole crate is tests")]

mod schema;

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tracer_user::lab::scenarios;
use tracer_user::replay::Replay;
use tracer_user::sink::Record;
use tracer_user::sink::jsonl::write;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn recording(scenario: &str) -> PathBuf {
    folder().join(format!("{scenario}.jsonl"))
}

fn record(scenario: &str) {
    let outcome = Command::new(env!("CARGO_BIN_EXE_conntracer"))
        .args(["demo", scenario, "--json"])
        .output()
        .expect("the program runs");
    assert!(
        outcome.status.success(),
        "{scenario}: {}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    // Where it was built is of no interest.
    let text = String::from_utf8(outcome.stdout).expect("UTF-8");
    let text = text.replace(env!("CARGO_BIN_EXE_conntracer"), "/usr/local/bin/conntracer");
    fs::write(recording(scenario), text).expect("written");
}

/// The findings of a line or of the Tracker without what the two runs number or date by themselves: the wall clock is
/// read again while tracing.
fn comparable(mut finding: Value) -> Value {
    for part in ["seq", "session", "id"] {
        finding.as_object_mut().expect("an object").remove(part);
    }
    forget_times(&mut finding);
    finding
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for own in ["id", "time", "first", "last", "since", "ends"] {
                fields.remove(own);
            }
            fields.values_mut().for_each(forget_times);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn recorded(text: &str) -> Vec<Value> {
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line"));
    lines.filter(|line| line["type"] == "finding").map(comparable).collect()
}

fn replayed(text: &str) -> Vec<Value> {
    let mut replay = Replay::default();
    let mut findings = Vec::new();
    for line in text.lines() {
        let clock = replay.clock();
        replay
            .line(line.as_bytes(), &mut |finding| {
                let mut line = Vec::new();
                write(Record::Finding(finding), clock, 0, None, &mut line);
                findings.push(comparable(schema::line(str::from_utf8(&line).expect("UTF-8"))));
            })
            .expect("every line of a recording is understood");
    }
    findings
}

#[test]
fn every_scenario_has_a_recording() {
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(folder()).expect("a folder");
        for scenario in scenarios() {
            record(scenario.name);
        }
    }
    let files = fs::read_dir(folder()).expect("the recordings").flatten();
    let names = files.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()));
    let expected: BTreeSet<_> = scenarios().iter().map(|scenario| scenario.name.to_owned()).collect();
    assert_eq!(names.collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_recording_replays_into_the_findings_that_were_made_with_it() {
    for scenario in scenarios() {
        let text = fs::read_to_string(recording(scenario.name)).expect("a recording");
        let (recorded, replayed) = (recorded(&text), replayed(&text));
        assert_eq!(replayed, recorded, "{}", scenario.name);
        let causes: BTreeSet<_> = replayed
            .iter()
            .filter_map(|finding| finding["cause"].as_str())
            .collect();
        match scenario.expected {
            Some(cause) => assert!(causes.contains(cause.name()), "{}: {causes:?}", scenario.name),
            None => assert!(
                replayed.iter().all(|finding| finding["severity"] == "info"),
                "{}",
                scenario.name
            ),
        }
    }
}

#[test]
fn a_recording_that_is_cut_anywhere_is_replayed_as_far_as_it_goes() {
    let text = fs::read_to_string(recording("redirect-to-dead-port")).expect("a recording");
    for cut in (0..text.len()).step_by(97) {
        let mut replay = Replay::default();
        for line in text.as_bytes()[..cut].split(|byte| *byte == b'\n') {
            // The last line is broken; whatever it is, it is an error and nothing worse.
            let _: Result<(), _> = replay.line(line, &mut |_| ());
        }
    }
}

/// The recording with this line before its first finding.
fn with_loss(scenario: &str, source: &str) -> String {
    let text = fs::read_to_string(recording(scenario)).expect("a recording");
    let lines: Vec<_> = text.lines().collect();
    let first = lines.iter().position(|line| line.contains(r#""type":"finding""#));
    let (before, after) = lines.split_at(first.expect("a finding"));
    let last: Value = serde_json::from_str(before.last().expect("a line")).expect("JSON");
    let (time, mono) = (&last["time"], &last["mono"]);
    let loss = format!(r#"{{"v":1,"type":"loss","time":{time},"mono":{mono},"seq":0,{source},"lost":5}}"#);
    [before, &[&loss], after].concat().join("\n")
}

#[test]
fn a_loss_in_a_recording_is_told_in_the_findings_of_its_time() {
    for (source, lost) in [
        (r#""hook":"kfree_skb","cpu":0"#, 5.into()),
        (r#""queue":"undecodable""#, 5.into()),
        (r#""queue":"events""#, Value::Null),
    ] {
        let found = replayed(&with_loss("redirect-target-stalled-full", source));
        let last = found.last().expect("a finding");
        assert_eq!(
            (&last["cause"], &last["lost"]),
            (&"redirect-target-stalled".into(), &lost),
            "{source}"
        );
    }
}
