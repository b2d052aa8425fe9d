//! Whether this process may load probes at all, with the reason in words a person can act on.

use caps::{CapSet, Capability};
use std::fs;

/// Why probes cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    #[error("needs CAP_BPF and CAP_PERFMON: run as root, or `setcap cap_bpf,cap_perfmon,cap_sys_admin+ep` the program")]
    Capabilities,
    #[error(
        "the kernel is locked down for confidentiality, which forbids reading its memory: boot without lockdown=confidentiality"
    )]
    Lockdown,
}

/// Checks what can be known before trying.
pub fn check() -> Result<(), PrivilegeError> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    let may_load = has(Capability::CAP_BPF) && has(Capability::CAP_PERFMON);
    if !may_load && !has(Capability::CAP_SYS_ADMIN) {
        return Err(PrivilegeError::Capabilities);
    }
    if fs::read_to_string(LOCKDOWN).is_ok_and(|mode| mode.contains("[confidentiality]")) {
        return Err(PrivilegeError::Lockdown);
    }
    Ok(())
}

const LOCKDOWN: &str = "/sys/kernel/security/lockdown";
