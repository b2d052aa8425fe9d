//! bpf-linker under `target/tools/bin`, built for the LLVM of the compilers that setup accepts.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{packages::Need, toolchain::LLVM};
use crate::{
    process::{output_of, run},
    workspace::Workspace,
};

/// The packages that its build needs. It links libLLVM dynamically, so LLVM's own dependencies need no headers.
pub(super) const NEEDS: [Need; 1] = [Need {
    package: "llvm-22-dev",
    why: "LLVM's library and its link, for bpf-linker",
}];

pub(super) fn is_ready(tools: &Path) -> bool {
    let version = output_of(Command::new(tools.join("bin/bpf-linker")).arg("--version"));
    version.is_some_and(|text| text.trim() == format!("bpf-linker {VERSION}"))
}

/// The LLVM to link: what `LLVM_PREFIX` says, else Debian's place for it.
pub(super) fn llvm() -> Option<PathBuf> {
    let prefix =
        env::var_os("LLVM_PREFIX").map_or_else(|| PathBuf::from(format!("/usr/lib/llvm-{LLVM}")), PathBuf::from);
    ["lib", "lib64"]
        .iter()
        .any(|lib| prefix.join(lib).join("libLLVM.so").exists())
        .then_some(prefix)
}

pub(super) fn build(workspace: &Workspace) -> anyhow::Result<()> {
    let tools = workspace.tools();
    println!("setup: building bpf-linker {VERSION}: it links the eBPF programs (about a minute)");
    let scratch = tools.join("build");
    let mut install = workspace.cargo();
    install
        .args([
            "install",
            "bpf-linker",
            "--quiet",
            "--locked",
            "--force",
            "--no-default-features",
            "--version",
            VERSION,
        ])
        .args(["--features", &format!("llvm-{LLVM}")])
        .arg("--root")
        .arg(&tools)
        .arg("--target-dir")
        .arg(&scratch);
    if let Some(prefix) = llvm() {
        install.env("LLVM_PREFIX", prefix);
    }
    run(&mut install)?;
    if let Err(error) = fs::remove_dir_all(&scratch) {
        println!("setup: cannot remove {}: {error}", scratch.display());
    }
    Ok(())
}

const VERSION: &str = "0.13.0";
