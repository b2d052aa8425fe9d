//! The probes on other kernels, in guests.

use super::Part;
use crate::vm;

pub(super) const PART: Part = Part {
    name: "guests",
    covers: &[
        "tracer-common/src",
        "tracer-ebpf/src",
        "tracer-user/src",
        "tracer-user/tests/guest.rs",
        "tracer-user/tests/probes",
        "xtask/src/vm",
    ],
    run: vm::ci,
};
