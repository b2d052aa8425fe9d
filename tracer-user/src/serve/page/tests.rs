use super::*;
use crate::model::finding::{Finding, State};
use crate::model::identity::Comm;
use crate::model::translation::Space;
use crate::sink::{Record, sample};
use std::sync::Arc;

fn moment() -> Moment {
    Moment {
        now: sample::ms(10_000),
        clock: sample::clock(),
    }
}

fn page(board: &Board) -> String {
    findings(board, moment(), Refresh::On)
}

fn board(findings: &[Finding]) -> Board {
    let mut board = Board::default();
    board.take(Record::Hello(&sample::hello()));
    for finding in findings {
        board.take(Record::Finding(finding));
    }
    board
}

fn numbered(number: u64) -> Vec<Finding> {
    let kinds = sample::findings();
    let of = |id| Finding {
        id,
        state: State::Open,
        ..kinds[usize::try_from(id).unwrap() % kinds.len()].clone()
    };
    (0..number).map(of).collect()
}

const HOSTILE: &str = "<script>alert(1)</script>\"'&\u{202e}\n\u{1b}[2J";

/// Every text that comes from outside says the worst.
fn hostile() -> Board {
    let mut finding = sample::named_findings().remove(1);
    let connection = finding.connection.as_mut().unwrap();
    connection.enter = Some(format!("/run/netns/{HOSTILE}").into());
    connection.owner.as_mut().unwrap().comm = Comm::new(b"<b>\"&\xff\x1b");
    for culprit in &mut finding.culprits {
        if let crate::model::finding::Culprit::Rule { rule: Some(rule), .. } = culprit {
            rule.text = HOSTILE.into();
            rule.chain = HOSTILE.into();
            rule.table = HOSTILE.into();
        }
    }
    let mut ports = sample::ports();
    for port in &mut ports {
        port.space = Arc::new(Space {
            names: vec![HOSTILE.into()],
            ..Space::default()
        });
        if let Some(rule) = &mut port.translation.rule {
            rule.text = HOSTILE.into();
        }
    }
    let mut hello = sample::hello();
    hello.host = Some(HOSTILE.to_owned());
    hello.hooks[1].reason = Some(HOSTILE.to_owned());
    let mut board = Board::default();
    board.take(Record::Hello(&hello));
    board.take(Record::Finding(&finding));
    board.replace_ports(ports);
    board
}

#[test]
fn every_finding_is_told_in_the_words_of_the_terminal() {
    let all = numbered(34);
    let page = page(&board(&all));
    let text = |text: &str| html! { (text) }.into_string();
    for finding in &all {
        assert!(
            page.contains(&text(&words::summary(finding))),
            "{}",
            words::summary(finding)
        );
        for fix in words::fixes(finding) {
            assert!(page.contains(&text(&fix.why)), "{}", fix.why);
            let command = fix.command.unwrap_or_default();
            assert!(page.contains(&text(&command)), "{command}");
        }
    }
    assert!(page.contains("Open findings (34)"), "{page}");
}

#[test]
fn hostile_text_is_text() {
    let page = page(&hostile());
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("<b>"), "{page}");
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp;"),
        "{page}"
    );
    assert!(!page.chars().any(|char| char.is_control() && char != '\n'));
    assert!(!page.contains('\u{202e}'));
}

#[test]
fn nothing_is_loaded_from_elsewhere_and_nothing_runs() {
    for page in [page(&hostile()), index(), page(&board(&numbered(34)))] {
        for forbidden in [
            "<script", " src=\"", "http:", "https:", "<link", "<img", "<form", "url(", "@import", " onload", "style=\"",
        ] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
}

#[test]
fn every_element_that_is_opened_is_closed() {
    let page = page(&hostile());
    let mut open = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap();
        let name = tag.split([' ', '\n']).next().unwrap();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed)),
            None if ["!DOCTYPE", "meta"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_worst_and_latest_come_first_and_the_rest_in_short() {
    let all = numbered(300);
    let page = page(&board(&all));
    assert_eq!(page.matches("<article").count(), 50);
    assert!(page.contains("More, in short"));
    let severities: Vec<_> = page
        .split("<article class=\"finding ")
        .skip(1)
        .map(|part| part.split('"').next().unwrap())
        .collect();
    let rank = |severity: &&str| {
        ["error", "warning", "info"]
            .iter()
            .position(|of| of == severity)
            .unwrap()
    };
    assert!(severities.is_sorted_by_key(rank), "{severities:?}");
}

#[test]
fn the_page_stays_small_whatever_the_names() {
    let mut all = numbered(1_024);
    for finding in &mut all {
        if let Some(connection) = &mut finding.connection {
            connection.enter = Some("n".repeat(10_000).into());
        }
    }
    let page = page(&board(&all));
    assert!(page.len() < 4 << 20, "{}", page.len());
}

#[test]
fn a_quiet_node_is_said_to_be_quiet() {
    let page = page(&Board::default());
    for told in [
        "Nothing is wrong",
        "No port is stolen",
        "Nothing was lost",
        "not attached yet",
    ] {
        assert!(page.contains(told), "{told}\n{page}");
    }
}

#[test]
fn what_it_costs_is_told_at_the_end() {
    let mut board = board(&[]);
    board.take(Record::Stats(&sample::stats()));
    let page = page(&board);
    for told in [
        "Cost now: 0.02 % of a core (probes &lt; 0.01 %, 12 us/s; program 0.02 %), 20.0 MiB",
        "CPU time so far: 120 ms",
        "events that the ring buffer had no place for: 1 closed, 1 drop",
    ] {
        assert!(page.contains(told), "{told}\n{page}");
    }
}

#[test]
fn the_page_loads_itself_again_until_it_is_told_to_hold_still() {
    let board = board(&[]);
    let refreshing = "<meta http-equiv=\"refresh\" content=\"10\">";
    assert!(findings(&board, moment(), Refresh::On).contains(refreshing));
    assert!(!findings(&board, moment(), Refresh::Off).contains(refreshing));
}

#[test]
fn an_ended_finding_moves_to_the_ended_ones() {
    let mut finding = sample::finding_of(crate::model::finding::Cause::SynDropped);
    finding.state = State::Closed;
    let page = page(&board(&[finding]));
    assert!(
        page.contains("Open findings (0)") && page.contains("Ended lately (1)"),
        "{page}"
    );
}
