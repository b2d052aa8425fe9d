//! conntracer's chores, one module per verb. Nothing here is part of the product.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person who runs it"
)]

mod accuracy;
mod bench;
mod btf_fixture;
mod ci;
mod cli;
mod cross;
mod dist;
mod elevate;
mod fuzz;
mod leftovers;
mod licences;
mod parallel;
mod parts;
mod process;
mod run;
mod setup;
mod test;
mod tidy;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{cli::Cli, process::Exit};

fn main() -> ExitCode {
    let first = vm::is_first();
    let Err(error) = (if first { vm::init() } else { Cli::parse().verb.run() }) else {
        return ExitCode::SUCCESS;
    };
    if let Some(exit) = error.downcast_ref::<Exit>() {
        return exit.report();
    }
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
