//! The container that a process runs in, from its cgroup's path.
//!
//! Knows the paths that container runtimes make; any other process is in no container that is known here.

use crate::model::who::{Container, Runtime};

/// The container that `/proc/PID/cgroup` tells of; of nested ones the innermost.
pub fn container(cgroup: &str) -> Option<Container> {
    let mut paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.find_map(in_path)
}

fn in_path(path: &str) -> Option<Container> {
    let mut inner = path.rsplit(['/', ':']);
    while let Some(segment) = inner.next() {
        let Some((prefix, id)) = split(segment) else {
            continue;
        };
        // What a bare id stands under may tell whose it is.
        let runtime = if prefix.is_empty() {
            inner.next().and_then(runtime)
        } else {
            runtime(prefix)
        };
        return Some(Container {
            id: id.into(),
            runtime,
            name: None,
        });
    }
    None
}

/// `docker-<id>.scope` and the like into what is before the id, and the id.
fn split(segment: &str) -> Option<(&str, &str)> {
    let name = segment.strip_suffix(".scope").unwrap_or(segment);
    let (prefix, id) = name.rsplit_once('-').unwrap_or(("", name));
    let is_id = id.len() == ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    // The monitor of a container is outside of it.
    (is_id && !prefix.ends_with("conmon")).then_some((prefix, id))
}

fn runtime(name: &str) -> Option<Runtime> {
    match name {
        "docker" => Some(Runtime::Docker),
        "cri-containerd" | "containerd" => Some(Runtime::Containerd),
        "crio" => Some(Runtime::Crio),
        "libpod" | "libpod_parent" => Some(Runtime::Podman),
        _ => None,
    }
}

/// Digits of a container's id.
const ID: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "6ce776ea58b5bf1d2dc5cbbb1b9e0e2e7eba6d63d4cd5c7a3fdb1f5ecf6f6f11";
    const B: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn the_paths_of_the_known_runtimes_tell_the_container() {
        for (path, runtime) in [
            (format!("/docker/{A}"), Some(Runtime::Docker)),
            (format!("/system.slice/docker-{A}.scope"), Some(Runtime::Docker)),
            (
                format!("/docker/{B}/kubelet.slice/cri-containerd-{A}.scope"),
                Some(Runtime::Containerd),
            ),
            (
                format!("/kubepods.slice/kubepods-pod0a1b.slice/cri-containerd-{A}.scope"),
                Some(Runtime::Containerd),
            ),
            (
                format!("/system.slice/containerd.service/kubepods-pod0a1b.slice:cri-containerd:{A}"),
                Some(Runtime::Containerd),
            ),
            (
                format!("/kubepods.slice/kubepods-pod0a1b.slice/crio-{A}.scope"),
                Some(Runtime::Crio),
            ),
            (
                format!("/machine.slice/libpod-{A}.scope/container"),
                Some(Runtime::Podman),
            ),
            (format!("/libpod_parent/libpod-{A}"), Some(Runtime::Podman)),
            (format!("/kubepods/besteffort/pod0a1b/{A}"), None),
        ] {
            let found = container(&format!("0::{path}\n"));
            let id = A.into();
            assert_eq!(
                found,
                Some(Container {
                    id,
                    runtime,
                    name: None
                }),
                "{path}"
            );
        }
    }

    #[test]
    fn the_first_hierarchy_that_tells_is_taken() {
        let found = container(&format!("9:name=systemd:/\n4:memory:/docker/{A}\n0::/\n"));
        assert_eq!(found.map(|container| container.id), Some(A.into()));
    }

    #[test]
    fn other_processes_are_in_no_container() {
        for path in [
            "",
            "0::/",
            "0::/user.slice/user-1000.slice/session-2.scope",
            "4:memory:/process_api/f7d8090f8c72e9c711c1166d1fee6323",
            "nonsense",
            &format!("0::/machine.slice/libpod-conmon-{A}.scope"),
            &format!("0::/docker/{}", &A[1..]),
            &format!("0::/docker/g{}", &A[1..]),
        ] {
            assert_eq!(container(path), None, "{path}");
        }
    }
}
