//! kill -9 while lines are written: the moment is when the file has reached some length, so mostly within a write(2).

use crate::child::{self, Way};
use crate::lines;
use crate::place::Place;
use std::fs;
use std::path::Path;

/// What was left behind by so many kills.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    kills: u32,
    /// Files that end with a part of a line.
    torn: u32,
    /// Files that end within the spaces before a line.
    blank: u32,
}

pub(crate) fn never_tears_short_lines() {
    for (name, place) in places() {
        let tally = kill_many(Way::Short, name, &place);
        assert_eq!(tally.torn, 0, "{name}: {tally:?}");
    }
}

/// They cross the end of a page: some are torn. What is checked is that nothing else is lost (in `kill`).
pub(crate) fn costs_one_long_line() {
    for (name, place) in places() {
        kill_many(Way::Long, name, &place);
    }
}

/// Else the other tests would prove nothing.
pub(crate) fn tears_without_care() {
    let place = Place::in_memory(64 << 20);
    let is_torn = (0..ROUNDS).any(|_| kill_many(Way::Plain, "memory", &place).torn > 0);
    assert!(is_torn, "no line was torn");
}

fn places() -> [(&'static str, Place); 2] {
    [("disk", Place::on_disk()), ("memory", Place::in_memory(64 << 20))]
}

fn kill_many(way: Way, name: &str, place: &Place) -> Tally {
    let kills = std::env::var("CONNTRACER_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut tally = Tally::default();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for number in 0..kills {
        if number % RUNS_A_FILE == 0 {
            let _ = fs::remove_file(place.file());
        }
        // xorshift: any spread will do.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let rest = kill(way, &place.file(), 1 + random % MOST);
        tally.kills += 1;
        if rest.iter().any(|byte| *byte != b' ') {
            tally.torn += 1;
        } else if !rest.is_empty() {
            tally.blank += 1;
        }
    }
    println!("{way:?} lines, {name}: {tally:?}");
    tally
}

/// Kills a process that writes when it has written `bytes`; returns what is behind the last whole line.
fn kill(way: Way, path: &Path, bytes: u64) -> Vec<u8> {
    let before = fs::read(path).unwrap_or_default();
    let (kept, _) = lines::split(&before);
    // A stream begins with an empty file.
    let kept = if way == Way::Plain { &[] } else { kept };
    let enough = kept.len() as u64 + bytes;
    if way == Way::Plain {
        let _ = fs::remove_file(path);
    }
    let mut child = child::start(way, path);
    while fs::metadata(path).map_or(0, |file| file.len()) < enough {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let after = fs::read(path).unwrap();
    assert!(after.starts_with(kept), "what was written before was changed");
    let (whole, rest) = lines::split(&after);
    lines::parse(whole);
    rest.to_vec()
}

/// For each place; CONNTRACER_KILLS for more.
const KILLS: u32 = 50;
/// One kill in twenty tears a line; a busy machine may need more.
const ROUNDS: u32 = 20;
/// So that files do not grow without bound.
const RUNS_A_FILE: u32 = 10;
/// Bytes that are written before a kill.
const MOST: u64 = 300_000;
