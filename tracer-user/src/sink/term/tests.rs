use super::*;
use crate::model::finding::Cause;
use crate::sink::sample;
use std::path::Path;

fn plain(records: &[Record<'_>], width: usize) -> String {
    let mut term = Term::new(width, true);
    let mut text = String::new();
    for record in records {
        term.write(*record, sample::clock(), &mut text);
    }
    anstream::adapter::strip_str(&text).to_string()
}

/// Compares with a file of testdata; `BLESS=1` writes it.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/sink/testdata")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{name} differs (BLESS=1 rewrites it), now:\n{text}");
}

#[test]
fn each_cause_has_its_block() {
    for finding in sample::findings() {
        let text = plain(&[Record::Finding(&finding)], 100);
        golden(&format!("{}.txt", finding.cause.name()), &text);
    }
}

#[test]
fn everything_else_has_its_lines() {
    let records = [
        Record::Hello(&sample::hello()),
        Record::Stats(&sample::stats()),
        Record::Loss(&sample::loss()),
        Record::Summary(&sample::summary()),
    ];
    golden("lines.txt", &plain(&records, 100));
}

#[test]
fn a_revision_is_a_line_and_an_unchanged_one_is_silent() {
    let first = sample::finding_of(Cause::ReplyRejected);
    let same = Finding {
        revision: 1,
        state: State::Updated,
        ..first.clone()
    };
    let more = Finding {
        revision: 2,
        count: 4,
        ..same.clone()
    };
    let mut closed = Finding {
        revision: 3,
        state: State::Closed,
        last: sample::ms(12_000),
        ..more.clone()
    };
    closed.connection.as_mut().unwrap().ended = Some(sample::ms(12_000));
    let block = plain(&[Record::Finding(&first)], 100);
    let revised = [&first, &same, &more, &closed].map(Record::Finding);
    let text = plain(&revised, 100);
    assert_eq!(
        text.strip_prefix(&block).unwrap(),
        "reply-rejected #3  4 connections so far\nreply-rejected #3  ended after 12.0 s\n"
    );
}

#[test]
fn a_finding_that_changes_its_cause_is_shown_again() {
    let first = sample::finding_of(Cause::Unanswered);
    let then = sample::finding_of(Cause::SynDropped);
    let text = plain(&[Record::Finding(&first), Record::Finding(&then)], 100);
    assert!(
        text.contains("ERROR syn-dropped  proved, #3, 05:06:10.001 UTC, before taken for unanswered\n"),
        "{text}"
    );
}

#[test]
fn hostile_names_cannot_touch_the_terminal_or_the_shell() {
    for mut finding in sample::findings() {
        if let Some(connection) = &mut finding.connection {
            if let Some(owner) = &mut connection.owner {
                owner.comm = crate::model::identity::Comm::new(b"x\x1b]0;\x07\xc2\x9b2J");
            }
            connection.enter = Some("/run/netns/x;$(id)\u{202e}\n".into());
        }
        finding.culprits.clear();
        let text = plain(&[Record::Finding(&finding)], 80);
        assert!(!text.chars().any(|char| char.is_control() && char != '\n'), "{text}");
        assert!(!text.contains('\u{202e}'), "{text}");
    }
}

#[test]
fn commands_stay_on_one_line_at_any_width() {
    for finding in sample::findings() {
        for width in [1, 60, 80, 200] {
            let text = plain(&[Record::Finding(&finding)], width);
            for fix in words_of(&finding) {
                assert!(text.lines().any(|line| line.trim_start() == fix), "{fix}\n{text}");
            }
        }
    }
}

fn words_of(finding: &Finding) -> Vec<String> {
    let fixes = crate::sink::words::fixes(finding);
    fixes.into_iter().filter_map(|fix| fix.command).collect()
}
