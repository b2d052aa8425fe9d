//! conntracer's chores, one module per verb. Nothing here is part of the product.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person who runs it"
)]

mod process;
mod setup;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{process::Exit, workspace::Workspace};

fn main() -> ExitCode {
    let Err(error) = run(&Cli::parse()) else {
        return ExitCode::SUCCESS;
    };
    if let Some(exit) = error.downcast_ref::<Exit>() {
        return exit.report();
    }
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match &cli.verb {
        Verb::Setup => setup::setup(&workspace),
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
}
