//! The machines that a guest can be. It knows names and QEMU's arguments only.

use std::env;

use anyhow::bail;

/// A guest's architecture.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    /// This machine's.
    pub(super) fn native() -> anyhow::Result<Self> {
        match env::consts::ARCH {
            "x86_64" => Ok(Self::Amd64),
            other => bail!("guests run on x86_64; this machine is {other}"),
        }
    }

    /// Debian's name.
    pub(super) const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// QEMU's program and its package.
    pub(super) const fn qemu(self) -> (&'static str, &'static str) {
        match self {
            Self::Amd64 => ("qemu-system-x86_64", "qemu-system-x86"),
            Self::Arm64 => ("qemu-system-aarch64", "qemu-system-arm"),
        }
    }

    /// QEMU's machine and processor.
    pub(super) const fn machine(self) -> [&'static str; 4] {
        match self {
            Self::Amd64 => ["-machine", "q35", "-cpu", "max"],
            // Emulating the architected algorithm for signed pointers takes half of the time.
            Self::Arm64 => ["-machine", "virt", "-cpu", "max,pauth-impdef=on"],
        }
    }

    /// The console's device as the kernel names it.
    pub(super) const fn console(self) -> &'static str {
        match self {
            Self::Amd64 => "ttyS0",
            Self::Arm64 => "ttyAMA0",
        }
    }
}
