//! `cargo xtask vm`: boots real Debian kernels under QEMU and runs the live tests in each.
//!
//! Kernels, and QEMU where the system has none, are kept unpacked in the user's cache.

mod arch;
mod archive;
mod cache;
mod cell;
mod collect;
mod cpio;
mod guest;
mod image;
mod job;
mod kernel;
mod matrix;
mod measure;
mod modules;
mod needs;
mod plan;
mod programs;
mod qemu;
mod results;
mod run;
mod sources;
mod userland;
mod wire;

use std::path::PathBuf;

use self::{cell::Rung, kernel::Line, run::Order};
use crate::workspace::Workspace;

pub(crate) use guest::{init, is_first};

/// The verb's options.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Only this kernel: 5.10, 6.1, 6.12, newest, 6.12-arm64
    #[arg(long)]
    kernel: Option<String>,
    /// Only with these hooks
    #[arg(long, requires = "kernel")]
    rung: Option<Rung>,
    /// Every kernel with every rung; look for newer kernels, and write docs/matrix.md
    #[arg(long, conflicts_with_all = ["kernel", "names"])]
    all: bool,
    /// Every form of each scenario (back end, family, peer) instead of another one in each cell: hours for all kernels
    #[arg(long)]
    forms: bool,
    /// Only copy the kernel's types and the names of its functions to this folder
    #[arg(long, requires = "kernel", value_name = "FOLDER")]
    collect: Option<PathBuf>,
    /// Only run this part of the benchmarks in the guest, and print its table
    #[arg(long, requires = "kernel", value_name = "PART")]
    measure: Option<String>,
    /// Only tests whose names contain one of these, in all their forms
    #[arg(last = true, value_name = "NAMES")]
    names: Vec<String>,
}

pub(crate) fn vm(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    if let (Some(folder), Some(label)) = (&options.collect, &options.kernel) {
        return collect::collect(workspace, label, folder);
    }
    if let (Some(part), Some(label)) = (&options.measure, &options.kernel) {
        return measure::measure(workspace, label, part);
    }
    let order = Order {
        cells: match (&options.kernel, options.rung) {
            (Some(label), Some(rung)) => vec![(kernel::find(label)?, rung)],
            (Some(label), None) => every_rung(&[kernel::find(label)?]),
            (None, _) if options.all => every_rung(&kernel::LINES.iter().collect::<Vec<_>>()),
            (None, _) => ci_cells()?,
        },
        names: options.names.clone(),
        whole: options.all,
        forms: options.forms,
        shared: options.kernel.is_none() && !options.all,
    };
    run::run(workspace, &order)
}

/// The cells of the heavy part `guests`.
pub(crate) fn ci(workspace: &Workspace) -> anyhow::Result<()> {
    let order = Order {
        cells: ci_cells()?,
        names: Vec::new(),
        whole: false,
        forms: false,
        shared: true,
    };
    run::run(workspace, &order)
}

fn ci_cells() -> anyhow::Result<Vec<(&'static Line, Rung)>> {
    CI.iter()
        .map(|&(label, rung)| Ok((kernel::find(label)?, rung)))
        .collect()
}

fn every_rung(lines: &[&'static Line]) -> Vec<(&'static Line, Rung)> {
    let cells = |&line: &&'static Line| line.rungs().iter().map(move |&rung| (line, rung));
    lines.iter().flat_map(cells).collect()
}

/// What every program in a guest finds in its environment.
fn environment() -> Vec<(String, String)> {
    let variables = [
        ("PATH", "/usr/sbin:/usr/bin"),
        ("HOME", "/root"),
        ("TMPDIR", "/tmp"),
        ("LC_ALL", "C"),
        ("CONNTRACER_GUEST", "1"),
    ];
    variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Each rung once, on three kernels.
const CI: [(&str, Rung); 3] = [("6.1", Rung::Best), ("5.10", Rung::Tracepoint), ("6.12", Rung::Kprobe)];
