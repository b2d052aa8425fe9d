//! BPF programs that act where rules do not show it: on netfilter's hooks, and on the destination of connect.
//!
//! Seen for the whole machine: a link does not tell its network namespace (Linux 7.1), and a control group has none.

use super::raw::{self, LINK_INFO};
use crate::model::rules::Bypass;
use std::fs::File;

/// Empty also where the kernel does not let us look.
pub(super) fn bypasses() -> Vec<Bypass> {
    let mut netfilter = false;
    let mut connect = CGROUP_ROOTS.into_iter().any(rewrites_connect);
    let mut next = 0;
    for _ in 0..LINKS_MAX {
        let Some(id) = raw::link_after(next) else { break };
        next = id;
        // One that is gone by now tells nothing.
        let Some(info) = raw::link_info(id) else { continue };
        netfilter |= word(&info, KIND) == NETFILTER;
        connect |= word(&info, KIND) == CGROUP && CONNECTS.contains(&word(&info, CGROUP_ATTACH_TYPE));
    }
    let all = [(netfilter, Bypass::BpfNetfilter), (connect, Bypass::CgroupConnect)];
    all.into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, bypass)| bypass)
        .collect()
}

/// Whether programs that were attached without a link do it for everybody.
fn rewrites_connect(root: &str) -> bool {
    let Ok(root) = File::open(root) else { return false };
    CONNECTS
        .into_iter()
        .any(|attach| raw::programs_attached(&root, attach).is_some_and(|count| count > 0))
}

fn word(info: &[u8; LINK_INFO], at: usize) -> u32 {
    let bytes = info.get(at..).and_then(|rest| rest.first_chunk::<4>());
    bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// Where the root of the unified hierarchy is mounted, alone or beside version 1.
const CGROUP_ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
const LINKS_MAX: u32 = 16_384;
/// `struct bpf_link_info`: `type`; and `cgroup.attach_type`.
const KIND: usize = 0;
const CGROUP_ATTACH_TYPE: usize = 24;
/// `BPF_LINK_TYPE_CGROUP`, `BPF_LINK_TYPE_NETFILTER` (Linux 6.4).
const CGROUP: u32 = 3;
const NETFILTER: u32 = 10;
/// `BPF_CGROUP_INET4_CONNECT`, `BPF_CGROUP_INET6_CONNECT`.
const CONNECTS: [u32; 2] = [10, 11];
