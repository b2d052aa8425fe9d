//! Recordings with something missing, twice, or in another order: what is found is right, weaker or absent, never wrong.

#![expect(clippy::expect_used, reason = "the whole crate is tests")]

mod tape;
mod told;

use std::collections::BTreeSet;
use std::env;
use tape::{Line, Tape, all, play};
use told::Told;

/// Events of this time come in any order where they are of different processors.
const DISORDER: u64 = 1_000_000;

/// Prime to the number of lines of most recordings, so that each line is in some pair.
const SAMPLE: usize = 17;

/// Plays each variant of each recording against the whole one.
fn compare(variants: impl Fn(&Tape) -> Vec<(String, Vec<Line>)>) {
    let mut wrong = Vec::new();
    let mut played = 0;
    for tape in all() {
        let whole = Told::new(&play(&tape.lines));
        for (what, lines) in variants(&tape) {
            played += 1;
            let told = Told::new(&play(&lines));
            if let Some(why) = told.wrong(&whole, &tape.name) {
                wrong.push(format!(
                    "{}, {what}: {why}; {:?} of {:?}",
                    tape.name,
                    told.causes(),
                    whole.causes()
                ));
            }
        }
    }
    assert!(played > 0, "nothing was varied");
    assert!(wrong.is_empty(), "{} of {played}:\n{}", wrong.len(), wrong.join("\n"));
}

fn named(tape: &Tape, index: usize) -> String {
    let value = &tape.lines[index].value;
    let kind = value["type"].as_str().unwrap_or_default();
    let part = ["event", "question", "answer"]
        .iter()
        .find_map(|part| value[part].as_str());
    format!("{kind} {} ({})", value["seq"], part.unwrap_or_default())
}

fn without(tape: &Tape, left_out: &[usize]) -> Vec<Line> {
    let kept = tape
        .lines
        .iter()
        .enumerate()
        .filter(|(index, _)| !left_out.contains(index));
    kept.map(|(_, line)| line.clone()).collect()
}

fn inputs(tape: &Tape) -> Vec<usize> {
    (0..tape.lines.len())
        .filter(|index| tape.lines[*index].is_input())
        .collect()
}

#[test]
fn any_one_line_may_be_lost() {
    compare(|tape| {
        let one = |index| (format!("without {}", named(tape, index)), without(tape, &[index]));
        inputs(tape).into_iter().map(one).collect()
    });
}

/// One pair in [`SAMPLE`], always the same ones; all with `CONNTRACER_LOSS=all`.
#[test]
fn any_two_lines_may_be_lost() {
    let sample = if env::var("CONNTRACER_LOSS").is_ok_and(|value| value == "all") {
        1
    } else {
        SAMPLE
    };
    compare(|tape| {
        let inputs = inputs(tape);
        let with_later = |at: usize| inputs.iter().skip(at + 1).map(move |other| (at, *other));
        let pairs = (0..inputs.len()).flat_map(with_later);
        let pairs = pairs.map(|(at, other)| (inputs[at], other)).step_by(sample);
        pairs
            .map(|(one, other)| {
                let what = format!("without {} and {}", named(tape, one), named(tape, other));
                (what, without(tape, &[one, other]))
            })
            .collect()
    });
}

/// As where a hook is missing, or its records are what the ring has no room for.
#[test]
fn all_events_of_a_kind_may_be_lost() {
    compare(|tape| {
        let kinds: BTreeSet<_> = tape.lines.iter().filter_map(Line::event).collect();
        let of_kind = |kind: &str| {
            (0..tape.lines.len())
                .filter(|index| tape.lines[*index].event() == Some(kind))
                .collect()
        };
        let one = |kind: &str| {
            let left_out: Vec<_> = of_kind(kind);
            (format!("without any {kind}"), without(tape, &left_out))
        };
        kinds.into_iter().map(one).collect()
    });
}

#[test]
fn any_line_may_come_twice() {
    compare(|tape| {
        let one = |index: usize| {
            let mut lines = tape.lines.clone();
            lines.insert(index + 1, lines[index].clone());
            (format!("{} twice", named(tape, index)), lines)
        };
        inputs(tape).into_iter().map(one).collect()
    });
}

#[test]
fn events_of_one_moment_may_change_places() {
    compare(|tape| {
        let events: Vec<_> = (0..tape.lines.len())
            .filter(|index| tape.lines[*index].is("event"))
            .collect();
        let pairs = events.iter().zip(events.iter().skip(1));
        let near = pairs.filter(|(one, next)| tape.lines[**one].mono.abs_diff(tape.lines[**next].mono) < DISORDER);
        near.map(|(one, next)| {
            let mut lines = tape.lines.clone();
            lines.swap(*one, *next);
            (format!("{} after the next", named(tape, *one)), lines)
        })
        .collect()
    });
}

#[test]
fn an_event_may_come_a_little_late() {
    compare(|tape| {
        let one = |index: usize| {
            let mut lines = tape.lines.clone();
            lines[index] = lines[index].at(lines[index].mono.saturating_sub(5 * DISORDER));
            (format!("{} dated 5 ms earlier", named(tape, index)), lines)
        };
        inputs(tape).into_iter().map(one).collect()
    });
}

#[test]
fn the_wall_clock_may_jump() {
    for tape in all() {
        let whole = play(&tape.lines);
        for jump in [
            jiff::SignedDuration::from_hours(1),
            jiff::SignedDuration::from_hours(-1),
        ] {
            for from in inputs(&tape).into_iter().step_by(5) {
                let (before, after) = tape.lines.split_at(from);
                let moved = after.iter().map(|line| {
                    let time = line.value["time"].as_str().expect("a time");
                    let time: jiff::Timestamp = time.parse().expect("a time");
                    line.dated(&(time + jump).to_string())
                });
                let lines: Vec<_> = before.iter().cloned().chain(moved).collect();
                assert_eq!(play(&lines), whole, "{}: {jump} from {}", tape.name, named(&tape, from));
            }
        }
    }
}
