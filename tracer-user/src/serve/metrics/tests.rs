use super::*;
use crate::sink::{Hook, LossSource, Record, sample};
use std::collections::BTreeSet;

fn board() -> Board {
    let mut board = Board::default();
    board.take(Record::Hello(&sample::hello()));
    board.take(Record::Stats(&sample::stats()));
    board.take(Record::Loss(&sample::loss()));
    for (id, mut finding) in (1..).zip(sample::findings()) {
        finding.id = id;
        board.take(Record::Finding(&finding));
    }
    board.replace_ports(sample::ports());
    board
}

fn text(board: Board) -> String {
    openmetrics(board, Connections::default()).unwrap()
}

#[test]
fn every_metric_has_a_help_and_every_sample_a_metric() {
    let text = text(board());
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut described = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.ends_with('.'), "{line}");
            name.clone_into(&mut described);
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&described), "{line} under {described}");
        }
    }
}

#[test]
fn the_numbers_are_those_of_the_board() {
    let text = text(board());
    for line in [
        r#"conntracer_findings_total{cause="syn-dropped",owner="other",severity="error"} 1"#,
        r#"conntracer_findings_open{cause="syn-dropped"} 1"#,
        r#"conntracer_stolen_ports{owner="other",listens="nobody"} 1"#,
        r#"conntracer_lost_records_total{source="hook",name="kfree_skb"} 2"#,
        r#"conntracer_hook_up{hook="inet_sock_set_state",how="tp_btf"} 1"#,
        r#"conntracer_hook_up{hook="tcp_send_reset",how="absent"} 0"#,
        r#"conntracer_hook_weakened_causes{hook="tcp_send_reset"} 1"#,
        r#"conntracer_hook_runs_total{hook="inet_sock_set_state"} 12345"#,
        r#"conntracer_hook_seconds_total{hook="inet_sock_set_state"} 0.0012345"#,
        "process_cpu_seconds_total 0.12",
        "process_resident_memory_bytes 12582912",
        "conntracer_map_memory_bytes 8388608",
        r#"conntracer_cpu_ratio{part="program"} 0.0002"#,
        r#"conntracer_cpu_ratio{part="probes"} 0.000012"#,
        r#"conntracer_hook_runs_per_second{hook="kfree_skb"} 30"#,
        r#"conntracer_hook_cpu_ratio{hook="inet_sock_set_state"} 0.000009"#,
        "conntracer_ring_high_water_bytes 32768",
        r#"conntracer_events_lost_total{event="closed"} 1"#,
        r#"conntracer_build_info{version="0.1.0"} 1"#,
        r#"conntracer_kernel_info{release="6.18.44",architecture="x86_64"} 1"#,
    ] {
        assert!(text.lines().any(|of| of == line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_is_not_known_has_no_sample() {
    let text = text(Board::default());
    assert!(!text.contains("\nprocess_cpu_seconds_total"), "{text}");
    assert!(text.contains("\nconntracer_connections_hung 0\n"), "{text}");
}

#[test]
fn hostile_names_stay_within_their_label() {
    let mut hello = sample::hello();
    hello.kernel = "6\"} 1\nevil 1\\\u{202e}\0".to_owned();
    hello.hooks.push(Hook {
        name: "x".repeat(10_000).into(),
        ..hello.hooks[0].clone()
    });
    let mut board = Board::default();
    board.take(Record::Hello(&hello));
    let mut loss = sample::loss();
    loss.source = LossSource::Queue("a\"b\\c\nd".into());
    board.take(Record::Loss(&loss));
    let text = text(board);
    assert!(!text.lines().any(|line| line.starts_with("evil")), "{text}");
    assert!(text.contains(r#"name="a\"b\\x5cc\\x0ad""#), "{text}");
    assert!(text.lines().all(|line| line.len() < 400), "{text}");
    assert!(!text.contains('\u{202e}'));
}

#[test]
fn the_documentation_lists_every_metric_and_no_other() {
    let mut board = board();
    board.set_names(crate::board::NamesHealth::default());
    let text = plain(&text(board));
    let made: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let page = include_str!("../../../../docs/metrics.md");
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let listed: BTreeSet<_> = rows
        .flat_map(|names| names.split([',', '`', ' ']))
        .filter(|word| word.starts_with("conntracer_") || word.starts_with("process_"))
        .collect();
    assert_eq!(listed, made);
}
