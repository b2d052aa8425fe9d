//! `cargo xtask setup`: finds or installs the eBPF toolchain and the programs that tests and demo run.
//!
//! Its own tools go under `target/tools`, where tracer-user's build script finds them. What must come from the
//! system's packages is installed only by root; anyone else is told the commands.

mod linker;
mod packages;
mod rustup;
mod toolchain;

use std::path::Path;

use crate::workspace::Workspace;

pub(crate) use packages::{Need, install, install_for_bench};

pub(crate) fn setup(workspace: &Workspace) -> anyhow::Result<()> {
    let tools = workspace.tools();
    let has_toolchain = toolchain::is_ready(&tools) || link_existing(&tools)? || install_by_rustup(&tools)?;
    let has_linker = linker::is_ready(&tools);

    let mut needs = packages::missing_programs();
    if !has_toolchain {
        needs.extend(toolchain::NEEDS);
    }
    if !has_linker && linker::llvm().is_none() {
        needs.extend(linker::NEEDS);
    }
    if has_toolchain && has_linker && needs.is_empty() {
        return Ok(());
    }
    if !needs.is_empty() {
        install(&needs)?;
    }

    if !has_toolchain {
        toolchain::link_debian(&tools)?;
    }
    // Packages alone may have mended it: a bpf-linker whose libLLVM was gone.
    if !has_linker && !linker::is_ready(&tools) {
        linker::build(workspace)?;
    }
    println!("setup: all there ({})", tools.display());
    Ok(())
}

/// Takes a compiler that is on this machine already: rustup's, else Debian's.
fn link_existing(tools: &Path) -> anyhow::Result<bool> {
    for sysroot in rustup::toolchains_with_source() {
        if toolchain::fits(&sysroot) {
            toolchain::link_rustup(tools, &sysroot)?;
            return Ok(true);
        }
    }
    if toolchain::debian_fits() {
        toolchain::link_debian(tools)?;
        return Ok(true);
    }
    Ok(false)
}

fn install_by_rustup(tools: &Path) -> anyhow::Result<bool> {
    let Some(sysroot) = rustup::install() else {
        return Ok(false);
    };
    if !toolchain::fits(&sysroot) {
        return Ok(false);
    }
    toolchain::link_rustup(tools, &sysroot)?;
    Ok(true)
}
