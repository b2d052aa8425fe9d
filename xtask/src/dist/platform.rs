//! The machines that conntracer is given away for.

use std::env;

use object::elf;

use crate::cross;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Platform {
    /// As the kernel and Rust name it.
    pub(super) name: &'static str,
    /// As container images name it.
    pub(super) image: &'static str,
    /// As Rust names it with the C library that is linked in.
    pub(super) target: &'static str,
    /// As the head of a program names it.
    pub(super) machine: u16,
}

impl Platform {
    pub(super) const ALL: [Self; 2] = [
        Self {
            name: "x86_64",
            image: "amd64",
            target: "x86_64-unknown-linux-gnu",
            machine: elf::EM_X86_64,
        },
        Self {
            name: "aarch64",
            image: "arm64",
            target: cross::TARGET,
            machine: elf::EM_AARCH64,
        },
    ];

    pub(super) fn is_native(&self) -> bool {
        self.name == env::consts::ARCH
    }
}
