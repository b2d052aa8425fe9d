//! That nothing gets through, and that what is left is still worth something.

use super::{Matter, Redactor};
use crate::model::finding::Finding;
use crate::replay::Replay;
use crate::sink::jsonl::{Input, read, write};
use crate::sink::term::Term;
use crate::sink::text::HIDDEN;
use crate::sink::{Record, sample};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

fn redactor() -> Redactor {
    Redactor::new(Matter::ALL).unwrap()
}

/// The addresses of a text that tell something, found in another way than the redactor's.
fn addresses(text: &str) -> BTreeSet<IpAddr> {
    let words = text.split(|char: char| !char.is_ascii_hexdigit() && !matches!(char, ':' | '.'));
    let of = |word: &str| {
        let word = word.trim_end_matches('.');
        let without_port = word.rsplit_once(':').map(|(address, _)| address);
        [Some(word), without_port, word.strip_suffix(':')]
            .into_iter()
            .flatten()
            .filter_map(|word| word.parse().ok())
            .collect::<Vec<IpAddr>>()
    };
    let own = |address: &IpAddr| {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified() || is_whole_block(address)
    };
    words.flat_map(of).filter(|address| !own(address)).collect()
}

/// Of a large block, of which there are so few that its pseudonym may be itself, or a mask.
fn is_whole_block(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[2..] == [0; 2] || address.octets()[0] == 255,
        IpAddr::V6(address) => address.segments()[1..] == [0; 7],
    }
}

fn line(record: Record<'_>) -> String {
    let mut line = Vec::new();
    write(record, sample::clock(), 0, None, &mut line);
    String::from_utf8(line).unwrap()
}

fn block(record: Record<'_>) -> String {
    let mut text = String::new();
    Term::new(100, true).write(record, sample::clock(), &mut text);
    text
}

fn samples() -> Vec<Finding> {
    sample::findings().into_iter().chain(sample::named_findings()).collect()
}

fn recordings() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    files.map(read).collect()
}

/// The recording as it would have been written with `--redact`; what is no input of the Tracker's is left out.
fn redacted(recording: &str, by: &Redactor) -> String {
    let mut out = Vec::new();
    for text in recording.lines() {
        let line = read(text.as_bytes()).unwrap();
        let clock = line.clock;
        let mut again = |record: Record<'_>| write(by.record(record).record(), clock, line.seq, None, &mut out);
        match &line.input {
            Input::Event(event) => again(Record::Event(event)),
            Input::Inquiry(inquiry) => again(Record::Inquiry(inquiry)),
            Input::Answer(answer) => again(Record::Answer(answer)),
            Input::Deadline => again(Record::Deadline(line.at)),
            Input::Hello(_) | Input::Summary(_) => out.extend_from_slice(format!("{text}\n").as_bytes()),
            Input::Finding(_) | Input::Port(_) | Input::Stats(_) | Input::Loss(_) => {}
        }
    }
    String::from_utf8(out).unwrap()
}

fn replayed(recording: &str) -> Vec<Finding> {
    let mut replay = Replay::default();
    let mut findings = Vec::new();
    for line in recording.lines() {
        let found = &mut |finding: &Finding| findings.push(finding.clone());
        replay.line(line.as_bytes(), found).unwrap();
    }
    findings
}

#[test]
fn no_address_of_a_sample_gets_into_any_output() {
    let by = redactor();
    let mut original = BTreeSet::new();
    let mut outputs = String::new();
    let mut add = |record: Record<'_>| {
        let hidden = by.record(record);
        for text in [line, block] {
            original.extend(addresses(&text(record)));
            outputs.push_str(&text(hidden.record()));
        }
    };
    for finding in &samples() {
        add(Record::Finding(finding));
    }
    for port in &sample::ports() {
        add(Record::Port(port));
    }
    assert!(original.len() > 5, "{original:?}");
    let shown = addresses(&outputs);
    assert_eq!(shown.intersection(&original).collect::<Vec<_>>(), [] as [&IpAddr; 0]);
    assert!(shown.len() > 5, "{shown:?}");
}

#[test]
fn a_redacted_recording_replays_into_the_same_findings_and_tells_no_address() {
    let by = redactor();
    let (mut original, mut shown, mut findings) = (BTreeSet::new(), BTreeSet::new(), 0);
    for (name, recording) in recordings() {
        original.extend(addresses(&recording));
        let hidden = redacted(&recording, &by);
        let expected = replayed(&recording);
        let found = replayed(&hidden);
        for (expected, found) in expected.iter().zip(&found) {
            let expected = by.record(Record::Finding(expected));
            let (expected, found) = (line(expected.record()), line(Record::Finding(found)));
            assert_eq!(comparable(&found), comparable(&expected), "{name}");
            shown.extend(addresses(&found));
        }
        assert_eq!(found.len(), expected.len(), "{name}");
        findings += found.len();
        shown.extend(addresses(&hidden));
    }
    assert!(findings > 50 && original.len() > 5, "{findings} {original:?}");
    assert_eq!(shown.intersection(&original).collect::<Vec<_>>(), [] as [&IpAddr; 0]);
}

fn comparable(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn comments_are_hidden_and_what_they_decide_is_kept() {
    let by = Redactor::new(&[Matter::Comments]).unwrap();
    let mut hidden = 0;
    for finding in samples() {
        let before = line(Record::Finding(&finding));
        let after = line(by.record(Record::Finding(&finding)).record());
        let (before, after): (Value, Value) = (comparable(&before), comparable(&after));
        let comments = |value: &Value| {
            let culprits = value["culprits"].as_array().unwrap().clone();
            culprits
                .iter()
                .filter_map(|culprit| culprit["comment"].as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        for (comment, instead) in comments(&before).iter().zip(comments(&after)) {
            assert!(instead.contains(HIDDEN), "{instead}");
            assert!(!after.to_string().contains(comment.as_str()), "{after}");
            hidden += 1;
        }
        assert_eq!(before["cause"], after["cause"]);
        assert_eq!(before["connection"], after["connection"]);
    }
    assert!(hidden > 0, "a sample has a comment");
}

#[test]
fn hello_tells_no_address_by_the_name_of_its_host() {
    let mut hello = sample::hello();
    hello.host = Some("ip-10-0-1-23.ec2.internal".to_owned());
    hello
        .options
        .insert("netns".to_owned(), "/run/netns/pod-10.0.1.24".to_owned());
    let text = line(redactor().record(Record::Hello(&hello)).record());
    assert!(!text.contains("10-0-1-23") && !text.contains("10.0.1.24"), "{text}");
    assert!(
        text.contains(".ec2.internal") && text.contains(&hello.session),
        "{text}"
    );
}
