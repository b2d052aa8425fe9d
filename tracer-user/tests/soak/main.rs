//! An ordinary day of a node, shortened: nothing of it is worth more than a remark.
//!
//! Connections of every healthy kind go through anonymous namespaces while the program traces them. How many is told by
//! `CONNTRACER_SOAK_CONNECTIONS`; `cargo xtask soak` makes 20,000.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "the whole crate is tests")]

mod client;
mod place;
mod proxy;
#[path = "../schema/mod.rs"]
mod schema;
mod server;
mod tally;
mod tracer;
mod traffic;
mod world;

use std::env;
use std::time::{Duration, Instant};
use tally::Tally;
use tracer::Tracer;
use world::World;

const SHORTENED: usize = 2_000;
const HANG_AFTER: Duration = Duration::from_secs(3);

#[test]
fn ordinary_traffic_is_silent() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test makes network namespaces and traces the kernel: run it as root"
    );
    let connections = env::var("CONNTRACER_SOAK_CONNECTIONS").map_or(SHORTENED, |count| count.parse().unwrap());
    let world = World::new();
    let tally = Tally::default();
    let tracer = Tracer::start(&world, HANG_AFTER);
    let begun = Instant::now();
    traffic::run(&world, connections, &tally);
    let took = begun.elapsed();
    // What hangs from the last moment on is found by then.
    std::thread::sleep(HANG_AFTER + HANG_AFTER / 2);
    let traced = tracer.stop();
    println!("{connections} connections in {took:.1?}\n{tally}\n{traced}");

    let surprises = tally.surprises();
    assert!(surprises.is_empty(), "the traffic itself went wrong: {surprises:#?}");
    assert_eq!(tally.made(), connections);
    traced.assert_nothing_lost();
    traced.assert_silent();
    traced.assert_counts(&tally);
}
