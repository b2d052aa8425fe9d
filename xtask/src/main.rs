//! conntracer's chores, one module per verb. Nothing here is part of the product.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person who runs it"
)]

mod elevate;
mod licences;
mod process;
mod run;
mod setup;
mod test;
mod workspace;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{process::Exit, workspace::Workspace};

fn main() -> ExitCode {
    let Err(error) = dispatch(&Cli::parse()) else {
        return ExitCode::SUCCESS;
    };
    if let Some(exit) = error.downcast_ref::<Exit>() {
        return exit.report();
    }
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

fn dispatch(cli: &Cli) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match &cli.verb {
        Verb::Setup => setup::setup(&workspace),
        Verb::Run { args } => run::build_and_run(&workspace, args),
        Verb::Test { args } => test::test(&workspace, args),
        Verb::Licences => licences::licences(&workspace),
        Verb::RunOneTest { program, args } => test::run_one(program, args),
    }
}

#[derive(Parser)]
#[command(name = "cargo xtask", about = "conntracer's chores")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Find or install what building, running and testing need; do nothing where it is all there
    Setup,
    /// Set up, build, and run `conntracer ARGS` as root
    Run {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Set up and run all tests; ARGS go to `cargo test`
    Test {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Check the licences of all crates that the product is made of
    Licences,
    #[command(hide = true)]
    RunOneTest {
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}
