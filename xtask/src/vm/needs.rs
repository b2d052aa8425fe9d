//! The programs of this machine that preparing a guest takes, and installing those that are missing, as setup does.

use super::arch::Arch;
use crate::{
    cross,
    process::find_program,
    setup::{Need, install as install_packages},
};

/// Installs what is missing for guests of an architecture, or ends with the commands that a person can run.
pub(super) fn install(arch: Arch) -> anyhow::Result<()> {
    let missing = missing(arch, |program| find_program(program).is_some());
    if missing.is_empty() {
        return Ok(());
    }
    install_packages(&missing)
}

fn missing(arch: Arch, is_there: impl Fn(&str) -> bool) -> Vec<Need> {
    let always = PROGRAMS.iter();
    let cross = cross::NEEDS.iter().filter(|_| arch == Arch::Arm64);
    let needed = always.chain(cross).filter(|(program, _)| !is_there(program));
    needed.map(|(_, need)| *need).collect()
}

const PROGRAMS: [(&str, Need); 3] = [
    (
        "strip",
        Need {
            package: "binutils",
            why: "`strip`: a guest's programs go without debug information",
        },
    ),
    (
        "xz",
        Need {
            package: "xz-utils",
            why: "`xz`: the modules of newer kernels are packed with it",
        },
    ),
    (
        "zstd",
        Need {
            package: "zstd",
            why: "`zstd`: some kernels' modules are packed with it",
        },
    ),
];
#[cfg(test)]
mod tests {
    use super::*;

    fn packages(arch: Arch, is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
        missing(arch, is_there).iter().map(|need| need.package).collect()
    }

    #[test]
    fn only_what_is_missing_is_installed_and_a_cross_compiler_only_for_the_other_architecture() {
        assert_eq!(packages(Arch::Amd64, |_| false), ["binutils", "xz-utils", "zstd"]);
        assert_eq!(
            packages(Arch::Arm64, |program| program != "aarch64-linux-gnu-gcc"),
            ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]
        );
        assert!(packages(Arch::Arm64, |_| true).is_empty());
    }
}
