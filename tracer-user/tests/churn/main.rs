//! Namespaces and control groups come and go, a hundred a second, as on a node whose pods crash all the time: the program
//! that traces them does not grow, and keeps none of them alive.
//!
//! Five seconds, or as many as `CONNTRACER_CHURN_SECONDS` says.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "the whole crate is tests")]

mod tracer;
mod visitor;

#[path = "../space/mod.rs"]
mod space;

use space::Space;
use std::env;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tracer::{Tracer, Usage};
use visitor::Groups;

#[test]
fn nothing_grows_and_every_namespace_dies_at_once() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test makes network namespaces: run it as root"
    );
    let seconds = env::var("CONNTRACER_CHURN_SECONDS").map_or(5, |text| text.parse().expect("a number"));
    let watcher = Space::new();
    let groups = Groups::new();
    let tracer = Tracer::start();
    // What is made once is made by then: the second sweep, the tables, the first finding.
    churn(&watcher, &groups, Duration::from_secs(2));
    let before = tracer.usage();
    let made = churn(&watcher, &groups, Duration::from_secs(seconds));
    let after = tracer.usage();
    eprintln!("{made} namespaces in {seconds} s: {before:?}, then {after:?}");
    assert!(
        made as u64 >= seconds * PER_SECOND / 2,
        "only {made} namespaces were made"
    );
    assert_no_growth(before, after);
    let summary = tracer.stop();
    assert_eq!(
        (&summary["lost"], &summary["evictions"]),
        (&0.into(), &0.into()),
        "{summary}"
    );
}

fn assert_no_growth(before: Usage, after: Usage) {
    assert_eq!(after.threads, before.threads);
    // One inquiry may be under way in either moment.
    assert!(after.descriptors <= before.descriptors + 4, "{before:?} {after:?}");
    assert!(after.anonymous <= before.anonymous + GROWTH_MAX, "{before:?} {after:?}");
    assert_eq!(after.maps, before.maps);
}

/// How many were made. Those that are watched have a device whose other end is in `watcher`.
fn churn(watcher: &Space, groups: &Groups, time: Duration) -> usize {
    let begun = Instant::now();
    let mut made = 0;
    while begun.elapsed() < time {
        let due = begun + Duration::from_millis(1000 / PER_SECOND) * u32::try_from(made).unwrap();
        thread::sleep(due.saturating_duration_since(Instant::now()));
        groups.make_and_remove(made);
        if made.is_multiple_of(WATCHED) {
            visitor::watched(watcher, made);
        } else {
            visitor::visit(made);
        }
        made += 1;
    }
    let watched = || {
        let listed = Command::new("ip")
            .args(["-n", &watcher.name, "-o", "link", "show", "type", "veth"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8(listed.stdout).unwrap()
    };
    let ended = Instant::now();
    while !watched().is_empty() {
        assert!(ended.elapsed() < AT_ONCE, "a namespace lives on:\n{}", watched());
        thread::sleep(Duration::from_millis(20));
    }
    made
}

const PER_SECOND: u64 = 100;
/// Every so manieth namespace is watched.
const WATCHED: usize = 25;
/// The kernel's own work on a hundred dead namespaces, on a busy machine, takes most of it.
const AT_ONCE: Duration = Duration::from_secs(5);
/// What an allocator may keep beside: a leak of a kilobyte for each namespace would be more, over a minute.
const GROWTH_MAX: u64 = 2 << 20;
