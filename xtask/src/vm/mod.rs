//! `cargo xtask vm`: boots real Debian kernels under QEMU and runs the live tests in each.
//!
//! Nothing is installed: kernels, and QEMU where the system has none, are kept in the user's cache.

mod arch;
mod archive;
mod cache;
mod cell;
mod cpio;
mod guest;
mod image;
mod job;
mod kernel;
mod modules;
mod plan;
mod programs;
mod qemu;
mod results;
mod sources;
mod wire;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};

use self::{
    cell::{Bench, Plan, Rung},
    image::Base,
    job::Job,
    kernel::Line,
    programs::Programs,
    qemu::Qemu,
};
use crate::workspace::Workspace;

pub(crate) use guest::{init, is_first};

/// The verb's options.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Only this kernel: 5.10, 6.1, 6.12, newest
    #[arg(long)]
    kernel: Option<String>,
    /// Only with these hooks
    #[arg(long, requires = "kernel")]
    rung: Option<Rung>,
    /// Every kernel with every rung, the archive's newest ones, and write docs/matrix.md
    #[arg(long, conflicts_with = "kernel")]
    all: bool,
    /// Only copy the kernel's types and the names of its functions to this folder
    #[arg(long, requires = "kernel", value_name = "FOLDER")]
    collect: Option<PathBuf>,
    /// Only tests whose name contains one of these, but all forms of each scenario
    #[arg(last = true, value_name = "NAMES")]
    names: Vec<String>,
}

pub(crate) fn vm(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    if let (Some(folder), Some(label)) = (&options.collect, &options.kernel) {
        return collect(workspace, label, folder);
    }
    let cells = match (&options.kernel, options.rung) {
        (Some(label), Some(rung)) => vec![(kernel::find(label)?, rung)],
        (Some(label), None) => every_rung(&[kernel::find(label)?]),
        (None, _) if options.all => every_rung(&kernel::LINES.iter().collect::<Vec<_>>()),
        (None, _) => CI
            .iter()
            .map(|&(label, rung)| Ok((kernel::find(label)?, rung)))
            .collect::<anyhow::Result<_>>()?,
    };
    let programs = Programs::build(workspace)?;
    let scratch = workspace.target.join("vm");
    let base = Base::of_this_machine(&programs.all(), &scratch)?;
    let mut reports = Vec::new();
    for (number, (line, rung)) in cells.into_iter().enumerate() {
        let kernel = kernel::get(line)?;
        let qemu = Qemu::find(line.arch)?;
        let modules = image::modules_of(&kernel.modules)?;
        let bench = Bench {
            programs: &programs,
            base: &base,
            qemu: &qemu,
        };
        let mut plan = Plan::new();
        for name in programs.tests.keys() {
            let tests = programs.list(name)?;
            let tests = if options.names.is_empty() && name == "scenarios" {
                plan::one_form_each(&tests, number)
            } else {
                plan::matching(&tests, &options.names)
            };
            plan.insert(name.clone(), tests);
        }
        let folder = scratch.join(format!("{}-{}", line.label, rung.name()));
        println!("vm: kernel {} ({}), rung {}", line.label, kernel.version, rung.name());
        let report = bench.run(&kernel, &modules, rung, &plan, &folder)?;
        println!("{:#?}\n{}", report, report.probes);
        reports.push(report);
    }
    Ok(())
}

fn every_rung(lines: &[&'static Line]) -> Vec<(&'static Line, Rung)> {
    lines
        .iter()
        .flat_map(|&line| Rung::ALL.map(|rung| (line, rung)))
        .collect()
}

/// Boots a kernel and keeps what it says of itself.
fn collect(workspace: &Workspace, label: &str, folder: &Path) -> anyhow::Result<()> {
    let kernel = kernel::get(kernel::find(label)?)?;
    let qemu = Qemu::find(kernel.line.arch)?;
    let scratch = workspace.target.join("vm").join(format!("collect-{label}"));
    let job = Job {
        collect: true,
        environment: environment(),
        ..Job::default()
    };
    let image = Base::of_this_machine(&[], &scratch)?.with(&image::modules_of(&kernel.modules)?, job)?;
    println!("vm: booting {} ({})", kernel.release, kernel.version);
    let outcome = qemu.boot(&kernel, &image, &scratch, Duration::from_mins(3))?;
    if let Some(problem) = &outcome.problem {
        bail!("kernel {label}: {problem}");
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (name, bytes) in &outcome.files {
        let file = folder.join(name);
        fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{} ({} bytes)", file.display(), bytes.len());
    }
    println!("vm: took {:.1} s", outcome.took.as_secs_f64());
    Ok(())
}

fn environment() -> Vec<(String, String)> {
    let variables = [
        ("PATH", "/usr/sbin:/usr/bin"),
        ("HOME", "/root"),
        ("TMPDIR", "/tmp"),
        ("LC_ALL", "C"),
    ];
    variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The cells that every change has to pass: each rung once, on three kernels.
const CI: [(&str, Rung); 3] = [("6.1", Rung::Best), ("5.10", Rung::Tracepoint), ("6.12", Rung::Kprobe)];
