//! The verbs, their arguments, and what does each.

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand};

use crate::{
    accuracy, bench, btf_fixture, ci, dist, fuzz, licences, parts, run, setup, test, tidy, vm, workspace::Workspace,
};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "conntracer's chores")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Find or install what building, running and testing need; do nothing where it is all there
    Setup,
    /// Set up, build, and run `conntracer ARGS` as root
    Run {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Set up and run all tests; ARGS go to `cargo test`
    Test {
        /// Instead, run the heavy ones, against real containerd, Prometheus, Chromium and ClickHouse: those named, or all
        #[arg(long)]
        parts: bool,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Trace ordinary traffic, of which nothing may be reported
    Soak {
        /// How many
        #[arg(default_value_t = 20_000)]
        connections: u32,
    },
    /// Measure what conntracer costs on this machine, as root, and print the tables
    Bench(bench::Options),
    /// Make every failure and control of the demo in every form, as root, and compare what is found with what should be
    Accuracy(accuracy::Options),
    /// Run the fuzz targets of the decoders on their corpora
    Fuzz(fuzz::Options),
    /// Boot real kernels under QEMU and run the live tests in each; alone, the three cells that CI runs
    Vm(vm::Options),
    /// Cut the BTF and symbols of a kernel down to the fixture LABEL of tracer-user's tests
    BtfFixture {
        label: String,
        /// The folder that `vm --collect` wrote; the running kernel, if none is given
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
    },
    /// Check imports, budgets, unsafe code and other rules that clippy does not know
    Tidy,
    /// Check the licences of all crates that the product is made of
    Licences,
    /// Build and check what is given away: static programs, archives, checksums, a container image
    Dist(dist::Options),
    /// Run every check that a change has to pass
    Ci,
    #[command(hide = true)]
    RunOneTest {
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

impl Verb {
    /// Does what was asked for.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let workspace = Workspace::find()?;
        match self {
            Self::Setup => setup::setup(&workspace),
            Self::Run { args } => run::build_and_run(&workspace, args),
            Self::Test { parts: true, args } => parts::parts(&workspace, args),
            Self::Test { parts: false, args } => test::test(&workspace, args),
            Self::Soak { connections } => test::soak(&workspace, *connections),
            Self::Bench(options) => bench::bench(&workspace, options),
            Self::Accuracy(options) => accuracy::accuracy(&workspace, options),
            Self::Fuzz(options) => fuzz::fuzz(&workspace, options),
            Self::Vm(options) => vm::vm(&workspace, options),
            Self::BtfFixture { label, from } => btf_fixture::btf_fixture(&workspace, label, from.as_deref()),
            Self::Tidy => tidy::tidy(&workspace),
            Self::Ci => ci::ci(&workspace),
            Self::Dist(options) => dist::dist(&workspace, options),
            Self::Licences => licences::licences(&workspace),
            Self::RunOneTest { program, args } => test::run_one(program, args),
        }
    }
}
