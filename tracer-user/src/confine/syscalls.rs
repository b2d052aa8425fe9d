//! System calls that are refused to the whole process from some moment on.
//!
//! What is refused is listed, not what is allowed: a list of all that libraries may call would break with each of them.
//! The list has what would make more of this process than it is: other programs, other processes' memory, modules,
//! mounts, the machine itself, and later more probes. `io_uring` is on it because it makes calls that no filter sees.

use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter_all_threads,
};
use std::collections::BTreeMap;

/// What is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// Running a program, and everything else that nothing here does after its start.
    Programs,
    /// Loading and attaching probes.
    Probes,
}

/// Refuses it to every thread of the process, for good; what cannot be refused is told in the log.
pub fn process(forbidden: Forbidden) {
    let applied = filter(forbidden).and_then(|filter| apply_filter_all_threads(&filter));
    if let Err(error) = applied {
        tracing::warn!(%error, ?forbidden, "system calls that are not needed stay open");
    }
}

fn filter(forbidden: Forbidden) -> Result<BpfProgram, Error> {
    let mut rules = BTreeMap::new();
    match forbidden {
        Forbidden::Programs => {
            for number in PROGRAMS {
                rules.insert(*number, Vec::new());
            }
        }
        Forbidden::Probes => {
            rules.insert(libc::SYS_perf_event_open, Vec::new());
            rules.insert(libc::SYS_bpf, commands(BPF_COMMANDS)?);
        }
    }
    let arch = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(both_abis(rules), SeccompAction::Allow, refuse, arch)?;
    Ok(filter.try_into()?)
}

/// A rule for each value of the first argument.
fn commands(numbers: &[u64]) -> Result<Vec<SeccompRule>, Error> {
    let rules = numbers.iter().map(|number| {
        let is_it = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *number)?;
        SeccompRule::new(vec![is_it])
    });
    Ok(rules.collect::<Result<_, _>>()?)
}

/// The x32 calls of a 64-bit x86 have numbers of their own: the same ones with a bit set, and some besides.
#[cfg(target_arch = "x86_64")]
fn both_abis(mut rules: BTreeMap<i64, Vec<SeccompRule>>) -> BTreeMap<i64, Vec<SeccompRule>> {
    let doubled: Vec<_> = rules
        .iter()
        .map(|(number, rule)| (number | X32, rule.clone()))
        .collect();
    rules.extend(doubled);
    if rules.contains_key(&libc::SYS_execve) {
        rules.extend(X32_PROGRAMS.map(|number| (number | X32, Vec::new())));
    }
    rules
}

#[cfg(not(target_arch = "x86_64"))]
fn both_abis(rules: BTreeMap<i64, Vec<SeccompRule>>) -> BTreeMap<i64, Vec<SeccompRule>> {
    rules
}

/// `__X32_SYSCALL_BIT`.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;
/// Their `execve`, `ptrace`, `kexec_load`, `process_vm_readv`, `process_vm_writev` and `execveat`.
#[cfg(target_arch = "x86_64")]
const X32_PROGRAMS: [i64; 6] = [520, 521, 528, 539, 540, 545];

const PROGRAMS: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_personality,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];
/// `BPF_MAP_CREATE`, `BPF_PROG_LOAD`, `BPF_PROG_ATTACH`, `BPF_RAW_TRACEPOINT_OPEN`, `BPF_LINK_CREATE`,
/// `BPF_LINK_UPDATE`.
const BPF_COMMANDS: &[u64] = &[0, 5, 8, 17, 28, 29];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_filters_can_be_made_here() {
        for forbidden in [Forbidden::Programs, Forbidden::Probes] {
            assert!(!filter(forbidden).unwrap().is_empty(), "{forbidden:?}");
        }
    }
}
