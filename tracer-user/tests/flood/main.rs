//! More than the program can take: floods of every kind, and beside each an innocent connection in another namespace that
//! a rule fails. What it is about comes out all the same, memory is bounded, nothing is missing without being told, and
//! afterwards all is as before.
//!
//! The processes of the fork storm are this program again, which therefore cannot leave its `main` to the usual harness.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the whole crate is tests"
)]

mod floods;
mod innocent;
mod packets;
#[path = "../soak/place.rs"]
mod place;
#[path = "../schema/mod.rs"]
mod schema;
mod told;
mod tracer;

use floods::{FLOODS, Flood, Flooded};
use innocent::Innocent;
use libtest_mimic::{Arguments, Trial};
use std::env;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use told::Told;
use tracer::Tracer;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some(floods::VISITOR) {
        return floods::visit(&arguments.next().unwrap_or_default());
    }
    let trials = FLOODS.iter().map(|flood| {
        Trial::test(flood.name, || {
            outlive(flood);
            Ok(())
        })
    });
    let arguments = Arguments {
        // Each is to have the machine for itself.
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn outlive(flood: &'static Flood) {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test makes network namespaces and traces the kernel: run it as root"
    );
    let [beside, afterwards] = [Innocent::new(), Innocent::new()];
    let scene = (flood.prepare)();
    let tracer = Tracer::start();
    let flooding = thread::spawn(move || (scene.flood)());
    thread::sleep(flood.under_way);
    let found_beside = beside.fail(&tracer, PATIENCE);
    let flooded = flooding.join().unwrap();
    // Losses are noticed within a second, and told in findings that begin a second later.
    thread::sleep(RECOVERY);
    let found_afterwards = afterwards.fail(&tracer, PATIENCE);
    let told = tracer.stop();
    println!(
        "{}: {flooded}\n{told}\nbeside: {found_beside}\nafterwards: {found_afterwards}",
        flood.name
    );
    assert!(told.peak < MEMORY, "{} bytes of memory", told.peak);
    account(flood, &flooded, &told);
    found_beside.assert_complete();
    found_afterwards.assert_complete();
    found_afterwards.assert_nothing_lost();
}

/// What the kernel did is written, suppressed or lost, and the latter two are counted.
fn account(flood: &Flood, flooded: &Flooded, told: &Told) {
    let written = told.events(flood.event, flooded.netns);
    let accounted = written + told.missing(flood.hook);
    assert!(
        accounted >= flooded.happened,
        "{} of {}: {accounted} of {} accounted for",
        flood.name,
        flood.event,
        flooded.happened
    );
}

const RECOVERY: Duration = Duration::from_millis(2_500);
const HANG_AFTER: Duration = Duration::from_secs(2);
/// Debug builds, the program's and this test's, take their time for the lines of the flood that come before; how fast the
/// released program is, is measured by `cargo xtask bench delay`.
const PATIENCE: Duration = Duration::from_secs(20);
/// Resident memory of the whole program at its peak, in a debug build.
const MEMORY: u64 = 160 << 20;

/// How long a flood goes on that could go on for ever.
pub(crate) fn until_over() -> impl Fn() -> bool {
    let begun = Instant::now();
    move || begun.elapsed() >= FLOOD
}

const FLOOD: Duration = Duration::from_millis(3_500);
