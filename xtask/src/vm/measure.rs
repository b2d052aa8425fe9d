//! Runs a part of the benchmarks in a guest: what the ways to attach a hook cost, on a kernel that has them all.
//!
//! The guest's clock counts instructions, one a nanosecond: read them as such.

use std::{collections::BTreeMap, env, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};

use super::{
    arch::Arch,
    environment,
    image::{self, Base},
    job::{Job, Step},
    kernel,
    programs::Programs,
    qemu::Qemu,
};
use crate::{bench, workspace::Workspace};

/// Boots a kernel and prints the table of one part of the benchmarks.
pub(super) fn measure(workspace: &Workspace, label: &str, part: &str) -> anyhow::Result<()> {
    let line = kernel::find(label)?;
    if line.arch != Arch::native()? {
        bail!("only kernels of this machine's architecture can be measured");
    }
    let program = PathBuf::from(bench::build(workspace)?);
    let kernel = kernel::get(line)?;
    let qemu = Qemu::find(line.arch)?.counting();
    let scratch = workspace.target.join("vm").join(format!("{label}-measure"));
    let job = Job {
        limit: LIMIT.as_secs(),
        environment: environment(),
        steps: vec![Step {
            name: STEP.to_owned(),
            program: program.display().to_string(),
            args: vec![part.to_owned()],
        }],
        ..Job::default()
    };
    let programs = Programs {
        init: env::current_exe().context("the path of this program")?,
        conntracer: program,
        tests: BTreeMap::new(),
    };
    let image = Base::new(&programs, line.arch, &scratch)?.with(&image::modules_of(&kernel.modules)?, job)?;
    println!("vm: measuring in {} ({})", kernel.release, kernel.version);
    let outcome = qemu.boot(&kernel, &image, &scratch, LIMIT)?;
    if let Some(problem) = &outcome.problem {
        bail!("kernel {label}: {problem}");
    }
    println!("{}", outcome.text(STEP));
    Ok(())
}

const STEP: &str = "measure";
const LIMIT: Duration = Duration::from_mins(10);
