//! Gives up what is needed no more: capabilities of a thread, and system calls that nothing here makes.
//!
//! Linux keeps capabilities for each thread, so every thread gives up its own, by its role; the kernel's name for what is
//! left is in `/proc/PID/task/TID/status`. Which capability is for what is one table ([`NEEDS`]), which docs/privileges.md
//! shows and tests compare with what happens.

mod need;
mod syscalls;

pub use need::{NEEDS, Need, missing};
pub use syscalls::{Forbidden, process};

use caps::{CapSet, Capability, CapsHashSet};

/// What a thread is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It may still begin anything: attach hooks, and start threads of the other roles.
    Start,
    /// It attaches the functions of modules that are still to come.
    Follow,
    /// It takes records, judges and writes; all that it needs is open.
    Shell,
    /// It visits network namespaces, and looks up processes.
    Inspect,
    /// It has the kernel count what programs cost.
    Measure,
}

impl Role {
    /// What a thread of this role keeps, where it has it.
    pub fn keeps(self) -> CapsHashSet {
        let kept: &[Capability] = match self {
            Self::Start => return NEEDS.iter().map(|need| need.capability).collect(),
            // Debian's kernels ask for CAP_SYS_ADMIN where kernel.perf_event_paranoid is 3, their default.
            Self::Follow => return Self::Start.keeps(),
            Self::Shell => &[],
            Self::Measure => &[Capability::CAP_SYS_ADMIN],
            Self::Inspect => &[
                Capability::CAP_DAC_READ_SEARCH,
                Capability::CAP_NET_ADMIN,
                Capability::CAP_SYS_ADMIN,
                Capability::CAP_SYS_PTRACE,
            ],
        };
        kept.iter().copied().collect()
    }
}

/// Takes all other capabilities from the calling thread, and from those that it will start: for good, also through
/// programs with capabilities of their own. What cannot be given up is told in the log.
pub fn thread(role: Role) {
    if let Err(error) = give_up(&role.keeps()) {
        tracing::warn!(%error, ?role, "a thread keeps capabilities that it does not need");
    }
}

/// What `work` returns when it is done without these capabilities, which the thread has again afterwards.
pub fn without<T>(given_up: &[Capability], work: impl FnOnce() -> T) -> T {
    let before = caps::read(None, CapSet::Effective).unwrap_or_default();
    let less = before.iter().filter(|capability| !given_up.contains(capability));
    let lowered = caps::set(None, CapSet::Effective, &less.copied().collect());
    let result = work();
    if let Err(error) = lowered.and_then(|()| caps::set(None, CapSet::Effective, &before)) {
        tracing::warn!(%error, "capabilities that were put aside");
    }
    result
}

fn give_up(kept: &CapsHashSet) -> Result<(), Box<dyn std::error::Error>> {
    rustix::thread::set_no_new_privs(true)?;
    // Without this one the bounding set stays as it is, and nothing can be gained from it any more.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        for capability in caps::runtime::thread_all_supported().difference(kept) {
            caps::drop(None, CapSet::Bounding, *capability)?;
        }
    }
    let permitted = caps::read(None, CapSet::Permitted)?;
    let left = permitted.intersection(kept).copied().collect();
    caps::set(None, CapSet::Effective, &left)?;
    caps::set(None, CapSet::Permitted, &left)?;
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_thread_gives_up_its_own_and_no_others() {
        let before = caps::read(None, CapSet::Permitted).unwrap();
        let after = thread::spawn(|| {
            thread(Role::Inspect);
            let inherited = thread::spawn(|| caps::read(None, CapSet::Permitted).unwrap());
            (caps::read(None, CapSet::Effective).unwrap(), inherited.join().unwrap())
        });
        let (left, inherited) = after.join().unwrap();
        let expected: CapsHashSet = before.intersection(&Role::Inspect.keeps()).copied().collect();
        assert_eq!((&left, &inherited), (&expected, &expected));
        assert_eq!(caps::read(None, CapSet::Permitted).unwrap(), before);
    }

    #[test]
    fn what_is_put_aside_comes_back() {
        let before = caps::read(None, CapSet::Effective).unwrap();
        let bpf = [Capability::CAP_BPF];
        let had = without(&bpf, || caps::has_cap(None, CapSet::Effective, bpf[0]).unwrap());
        assert!(!had);
        assert_eq!(caps::read(None, CapSet::Effective).unwrap(), before);
    }

    #[test]
    fn no_role_keeps_what_the_table_does_not_explain() {
        let known = Role::Start.keeps();
        for role in [Role::Follow, Role::Shell, Role::Inspect, Role::Measure] {
            assert!(role.keeps().is_subset(&known), "{role:?}");
        }
    }
}
