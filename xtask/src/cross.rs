//! cargo for aarch64 on another machine: with the compiler of the eBPF programs, which comes with its library's source,
//! since the stable one has no library for that target.

use std::process::Command;

use crate::{setup::Need, workspace::Workspace};

/// A cargo that builds for [`TARGET`] under `target/arm64`, with a verb and its arguments.
pub(crate) fn cargo(workspace: &Workspace, verb: &[&str]) -> Command {
    let toolchain = workspace.tools().join("toolchain/bin");
    let mut cargo = Command::new(toolchain.join("cargo"));
    cargo
        .current_dir(&workspace.root)
        .env("RUSTC", toolchain.join("rustc"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
        .args(verb)
        .args(["-Z", "build-std", "--target", TARGET, "--target-dir"])
        .arg(workspace.target.join("arm64"));
    cargo
}

pub(crate) const TARGET: &str = "aarch64-unknown-linux-gnu";
/// GCC's name for itself where it compiles for the other architecture.
const LINKER: &str = "aarch64-linux-gnu-gcc";
/// The program whose lack says that a package is missing, and the package.
pub(crate) const NEEDS: [(&str, Need); 2] = [
    (
        LINKER,
        Need {
            package: "gcc-aarch64-linux-gnu",
            why: "links the program for arm64",
        },
    ),
    (
        LINKER,
        Need {
            package: "libc6-dev-arm64-cross",
            why: "the C library to link with for arm64",
        },
    ),
];
