//! The machines that a guest can be. It knows names and QEMU's arguments only.

/// A guest's architecture.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arch {
    Amd64,
}

impl Arch {
    /// Debian's name.
    pub(super) const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
        }
    }

    /// QEMU's program and its package.
    pub(super) const fn qemu(self) -> (&'static str, &'static str) {
        match self {
            Self::Amd64 => ("qemu-system-x86_64", "qemu-system-x86"),
        }
    }

    /// QEMU's machine and processor.
    pub(super) const fn machine(self) -> [&'static str; 4] {
        match self {
            Self::Amd64 => ["-machine", "q35", "-cpu", "max"],
        }
    }

    /// The console's device as the kernel names it.
    pub(super) const fn console(self) -> &'static str {
        match self {
            Self::Amd64 => "ttyS0",
        }
    }
}
