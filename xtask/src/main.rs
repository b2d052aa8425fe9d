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

use crate::{
    cli::{Cli, Verb},
    process::Exit,
    workspace::Workspace,
};

fn main() -> ExitCode {
    let first = vm::is_first();
    let Err(error) = (if first { vm::init() } else { dispatch(&Cli::parse()) }) else {
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
        Verb::Test { parts: true, args } => parts::parts(&workspace, args),
        Verb::Test { parts: false, args } => test::test(&workspace, args),
        Verb::Soak { connections } => test::soak(&workspace, *connections),
        Verb::Bench { write, parts } => bench::bench(&workspace, *write, parts),
        Verb::Accuracy(options) => accuracy::accuracy(&workspace, options),
        Verb::Fuzz(options) => fuzz::fuzz(&workspace, options),
        Verb::Vm(options) => vm::vm(&workspace, options),
        Verb::BtfFixture { label, from } => btf_fixture::btf_fixture(&workspace, label, from.as_deref()),
        Verb::Tidy => tidy::tidy(&workspace),
        Verb::Ci => ci::ci(&workspace),
        Verb::Dist(options) => dist::dist(&workspace, options),
        Verb::Licences => licences::licences(&workspace),
        Verb::RunOneTest { program, args } => test::run_one(program, args),
    }
}
