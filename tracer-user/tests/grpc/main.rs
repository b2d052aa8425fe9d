//! The seed bug on one long-lived gRPC channel: a real client, server and pooling sidecar, each a process of its own in
//! the namespaces of a lab, the real program tracing them, and its first command run as printed.
//!
//! The processes are this program again, so that it cannot leave its `main` to the usual harness: a process has to
//! enter its namespace before it has threads.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "the whole crate is tests")]

mod cases;
mod envoy;
mod part;
mod process;
mod tracer;

use libtest_mimic::{Arguments, Trial};
use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some(part::SUBCOMMAND) {
        let rest: Vec<_> = arguments.collect();
        return part::main(&rest);
    }
    let trials = cases::all().into_iter().map(|(name, case)| {
        Trial::test(name, move || {
            case();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
