//! Keeps what a kernel says of itself: its types, and the names of its functions.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, bail};

use super::{arch::Arch, environment, image, image::Base, job::Job, kernel, qemu::Qemu};
use crate::workspace::Workspace;

/// Boots a kernel and copies its types and symbols to a folder.
pub(super) fn collect(workspace: &Workspace, label: &str, folder: &Path) -> anyhow::Result<()> {
    let line = kernel::find(label)?;
    if line.arch != Arch::native()? {
        bail!("only kernels of this machine's architecture can be asked");
    }
    let kernel = kernel::get(line)?;
    let qemu = Qemu::find(kernel.line.arch)?;
    let scratch = workspace.target.join("vm").join(format!("{label}-collect"));
    let job = Job {
        collect: true,
        limit: LIMIT.as_secs(),
        environment: environment(),
        ..Job::default()
    };
    let image = Base::of_init_alone(&scratch)?.with(&image::modules_of(&kernel.modules)?, job)?;
    println!("vm: booting {} ({})", kernel.release, kernel.version);
    let outcome = qemu.boot(&kernel, &image, &scratch, LIMIT)?;
    if let Some(problem) = &outcome.problem {
        bail!("kernel {label}: {problem}");
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (name, bytes) in outcome.collected() {
        let file = folder.join(name);
        fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{} ({} bytes)", file.display(), bytes.len());
    }
    Ok(())
}

const LIMIT: Duration = Duration::from_mins(3);
