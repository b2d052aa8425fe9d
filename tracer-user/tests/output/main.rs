//! Output that survives: kill -9 while it is written, disks that are full, files that are deleted underneath.
//!
//! The processes that are killed are this program again, which therefore cannot leave its `main` to the usual harness.
//! It has its mounts to itself: they go with it.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the whole crate is tests"
)]

mod child;
mod full;
mod kill;
mod lines;
mod place;

use libtest_mimic::{Arguments, Trial};
use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some(child::SUBCOMMAND) {
        let rest: Vec<_> = arguments.collect();
        return child::main(&rest);
    }
    place::leave_the_mounts();
    let cases: [(&str, fn()); 7] = [
        (
            "a_kill_never_tears_a_line_of_up_to_a_page",
            kill::never_tears_short_lines,
        ),
        (
            "a_kill_that_tears_a_long_line_costs_that_line_only",
            kill::costs_one_long_line,
        ),
        ("a_kill_tears_what_is_written_without_care", kill::tears_without_care),
        ("a_full_disk_shows_whole_lines_and_loses_none", full::shows_whole_lines),
        (
            "a_file_deleted_on_a_full_disk_is_let_go",
            full::lets_go_of_a_deleted_file,
        ),
        (
            "below_the_floor_events_are_left_out_and_counted",
            full::leaves_events_out,
        ),
        ("below_a_tenth_of_the_floor_everything_waits", full::waits_below_a_tenth),
    ];
    let trials = cases.map(|(name, case)| {
        Trial::test(name, move || {
            case();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}
