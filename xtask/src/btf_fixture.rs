//! `cargo xtask btf-fixture`: cuts what a kernel says of itself down to a fixture of the tests on other kernels.
//!
//! The cutter is a part of those tests, since it takes from the product's own tables what the product asks for.

use std::path::Path;

use anyhow::Context as _;

use crate::{process::run, workspace::Workspace};

/// The running kernel's, or that of the folder that `cargo xtask vm --collect` wrote.
pub(crate) fn btf_fixture(workspace: &Workspace, label: &str, from: Option<&Path>) -> anyhow::Result<()> {
    let mut cargo = workspace.cargo();
    cargo
        .args(["test", "--locked", "--package", "tracer-user", "--test", "kernels"])
        .args(["--", "--exact", "a_cut_kernel_answers_like_the_whole"])
        .env("CUT_TO", label);
    if let Some(folder) = from {
        let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
        cargo.env("CUT_FROM", folder);
    }
    run(&mut cargo)
}
