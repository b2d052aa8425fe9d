//! Whether this process may load probes at all, with the reason in words a person can act on.

use caps::{CapSet, Capability};
use std::fs;

/// Why probes cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// Names of those that are lacking.
    #[error("needs {0}: run as root, or `setcap {GRANT}+ep` the program (docs/privileges.md)")]
    Capabilities(String),
    #[error(
        "the kernel is locked down for confidentiality, which forbids reading its memory: boot without lockdown=confidentiality"
    )]
    Lockdown,
}

/// Checks what can be known before trying.
pub fn check() -> Result<(), PrivilegeError> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    let lacking = [Capability::CAP_BPF, Capability::CAP_PERFMON].map(|one| (!has(one)).then(|| one.to_string()));
    let lacking: Vec<_> = lacking.into_iter().flatten().collect();
    if !lacking.is_empty() && !has(Capability::CAP_SYS_ADMIN) {
        return Err(PrivilegeError::Capabilities(lacking.join(" and ")));
    }
    if fs::read_to_string(LOCKDOWN).is_ok_and(|mode| mode.contains("[confidentiality]")) {
        return Err(PrivilegeError::Lockdown);
    }
    Ok(())
}

const LOCKDOWN: &str = "/sys/kernel/security/lockdown";
/// All that a whole trace takes.
const GRANT: &str = "cap_bpf,cap_perfmon,cap_sys_admin,cap_net_admin,cap_sys_ptrace,cap_dac_read_search,cap_syslog";
