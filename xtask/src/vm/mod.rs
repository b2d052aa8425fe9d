//! `cargo xtask vm`: boots real Debian kernels under QEMU and runs the live tests in each.
//!
//! Nothing is installed: kernels, and QEMU where the system has none, are kept in the user's cache.

mod arch;
mod archive;
mod cache;
mod cpio;
mod guest;
mod image;
mod job;
mod kernel;
mod modules;
mod qemu;
mod sources;
mod wire;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};

use self::{image::Base, job::Job, qemu::Qemu};
use crate::workspace::Workspace;

pub(crate) use guest::{init, is_first};

/// The verb's options.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Only this kernel: 5.10, 6.1, 6.12, newest
    #[arg(long)]
    kernel: Option<String>,
    /// Only copy the kernel's types and the names of its functions to this folder
    #[arg(long, requires = "kernel", value_name = "FOLDER")]
    collect: Option<PathBuf>,
}

pub(crate) fn vm(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    match (&options.collect, &options.kernel) {
        (Some(folder), Some(label)) => collect(workspace, label, folder),
        _ => bail!("not yet"),
    }
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
