//! Who connects: the current task, asked only in process context.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use tracer_common::event::Connection;

use crate::read::{self, Object, Struct, config, offset};

/// Fills in the owner; what this kernel does not tell stays 0.
#[inline(always)]
pub(crate) fn fill(owner: &mut Connection) {
    if config!(has_task_btf) == 0 {
        by_helpers(owner);
    } else if let Some(task) = read::task() {
        by_loads(task, owner);
    }
}

#[inline(always)]
fn by_loads(task: Object, owner: &mut Connection) {
    owner.pid = task.load(offset!(task_pid)).unwrap_or(0);
    owner.tgid = task.load(offset!(task_tgid)).unwrap_or(0);
    let name = [
        task.load_at::<u64>(offset!(task_comm), 0).unwrap_or(0),
        task.load_at::<u64>(offset!(task_comm), 8).unwrap_or(0),
    ];
    owner.comm = read::bytes(name);
    if let Some(cred) = task.follow(offset!(task_cred)) {
        owner.uid = cred.load(offset!(cred_uid)).unwrap_or(0);
    }
    owner.cgroup = cgroup(task).unwrap_or(0);
}

#[inline(always)]
fn cgroup(task: Object) -> Option<u64> {
    task.follow(offset!(task_cgroups))?
        .follow(offset!(css_set_dfl_cgrp))?
        .follow(offset!(cgroup_kn))?
        .load(offset!(kernfs_node_id))
}

/// The owner where tasks are not typed, or the program may not ask for one that is.
#[inline(always)]
pub(crate) fn by_helpers(owner: &mut Connection) {
    let ids = bpf_get_current_pid_tgid();
    owner.pid = ids as u32;
    owner.tgid = (ids >> 32) as u32;
    owner.uid = bpf_get_current_uid_gid() as u32;
    owner.cgroup = read::cgroup_id();
    read::task_name(&mut owner.comm);
}
