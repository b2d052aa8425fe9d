//! The container and the pod that a process runs in, from its cgroup's path.
//!
//! Knows the paths that container runtimes and the kubelet make, with the systemd and the cgroupfs driver; any other
//! process is in no container that is known here. Names are not in these paths.

use crate::model::who::{Container, Runtime};
use std::sync::Arc;

/// What a cgroup's path tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub container: Option<Container>,
    /// With dashes, also where systemd's driver wrote underscores.
    pub pod: Option<Arc<str>>,
}

impl Place {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The container that `/proc/PID/cgroup` tells of; of nested ones the innermost.
pub fn container(cgroup: &str) -> Option<Container> {
    place(cgroup).container
}

/// The container and the pod that `/proc/PID/cgroup` tells of, by the first hierarchy that tells: in a hybrid setup the
/// runtime may have made only those of the first version.
pub fn place(cgroup: &str) -> Place {
    let mut place = Place::default();
    for path in cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2)) {
        let told = in_path(path);
        place.container = place.container.or(told.container);
        place.pod = place.pod.or(told.pod);
    }
    place
}

/// The same by the unified hierarchy alone, which is what ids of cgroups belong to.
pub fn unified(cgroup: &str) -> Place {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"));
    path.map(in_path).unwrap_or_default()
}

/// The same of one path, from the root of its hierarchy or from anywhere above the pod.
pub fn in_path(path: &str) -> Place {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let mut place = Place::default();
    let mut outwards = path.rsplit(['/', ':']).peekable();
    while let Some(segment) = outwards.next() {
        if let Some(pod) = pod(segment, outwards.peek().copied()) {
            return Place {
                pod: Some(pod),
                ..place
            };
        }
        if place.container.is_some() {
            continue;
        }
        match split(segment) {
            // The monitor of a container is outside of it, and of its pod.
            Some((prefix, _)) if prefix.ends_with("conmon") => return Place::default(),
            Some((prefix, id)) => {
                // What a bare id stands under may tell whose it is.
                let parent = outwards.peek().copied();
                let owner = Some(prefix).filter(|prefix| !prefix.is_empty()).or(parent);
                place.container = Some(Container {
                    id: id.into(),
                    runtime: owner.and_then(runtime),
                    name: None,
                });
            }
            None => {}
        }
    }
    place
}

/// `docker-<id>.scope` and the like into what is before the id, and the id.
fn split(segment: &str) -> Option<(&str, &str)> {
    let name = segment.strip_suffix(".scope").unwrap_or(segment);
    let (prefix, id) = name.rsplit_once('-').unwrap_or(("", name));
    let is_id = id.len() == ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some((prefix, id))
}

/// The uid in `kubepods-burstable-pod<uid>.slice`, or in `pod<uid>` within one of the kubelet's folders.
fn pod(segment: &str, parent: Option<&str>) -> Option<Arc<str>> {
    let uid = if let Some(slice) = segment.strip_suffix(".slice") {
        let (class, uid) = slice.rsplit_once("-pod")?;
        class.contains(KUBEPODS).then(|| uid.replace('_', "-"))?
    } else {
        let within = matches!(parent, Some(KUBEPODS | "burstable" | "besteffort"));
        segment.strip_prefix("pod").filter(|_| within)?.to_owned()
    };
    let is_uid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let fits = (1..=UID_MAX).contains(&uid.len()) && uid.bytes().all(is_uid);
    fits.then(|| uid.into())
}

fn runtime(name: &str) -> Option<Runtime> {
    match name {
        "docker" => Some(Runtime::Docker),
        "cri-containerd" | "containerd" | "nerdctl" => Some(Runtime::Containerd),
        "crio" => Some(Runtime::Crio),
        "libpod" | "libpod_parent" => Some(Runtime::Podman),
        _ => None,
    }
}

/// The folder of all pods, or the last part of its slice.
const KUBEPODS: &str = "kubepods";
/// A UUID has 36, a manifest's hash 32.
const UID_MAX: usize = 64;
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
            (format!("/system.slice/nerdctl-{A}.scope"), Some(Runtime::Containerd)),
            (format!("/docker/{B}/docker/{A}"), Some(Runtime::Docker)),
            (format!("/docker/{A}/init.scope (deleted)"), Some(Runtime::Docker)),
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
    fn the_paths_of_the_kubelet_tell_the_pod() {
        let uid = "8a3f1c52-0d4e-4b6a-9f17-2c5d8e7b9a01";
        let slice = uid.replace('-', "_");
        let hash = "5f2e8d1c9b3a47066e1d2c3b4a596877";
        for (path, pod, in_container) in [
            (format!("/kubepods.slice/kubepods-pod{slice}.slice"), uid, false),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/crio-{A}.scope/container"
                ),
                uid,
                true,
            ),
            (
                format!(
                    "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{hash}.slice/cri-containerd-{A}.scope"
                ),
                hash,
                true,
            ),
            (
                format!(
                    "/docker/{B}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{slice}.slice/cri-containerd-{A}.scope"
                ),
                uid,
                true,
            ),
            (
                format!("/system.slice/containerd.service/kubepods-burstable-pod{slice}.slice:cri-containerd:{A}"),
                uid,
                true,
            ),
            (format!("/kubepods/pod{uid}/{A}"), uid, true),
            (format!("/kubepods/burstable/pod{uid}/{A}"), uid, true),
            (format!("/kubepods/besteffort/pod{hash}/{A}"), hash, true),
            (format!("/kubepods/burstable/pod{uid}/{B}/docker/{A}"), uid, true),
            (format!("/../../kubepods/burstable/pod{uid}/{A}"), uid, true),
        ] {
            let found = in_path(&path);
            assert_eq!(found.pod.as_deref(), Some(pod), "{path}");
            let id = found.container.map(|container| container.id);
            assert_eq!(id.as_deref(), in_container.then_some(A), "{path}");
        }
    }

    #[test]
    fn nothing_else_is_a_pod() {
        for path in [
            "/podman/pod1",
            "/kubepods/pod",
            "/kubepods/pod1\n2",
            "/kubepods.slice/kubepods-burstable.slice",
            "/user.slice/my-pod1.slice",
            &format!("/kubepods.slice/kubepods-podab.slice/crio-conmon-{A}.scope"),
        ] {
            assert_eq!(in_path(path), Place::default(), "{path}");
        }
    }

    #[test]
    fn in_a_hybrid_setup_any_hierarchy_may_tell() {
        let text = format!("9:name=systemd:/\n4:memory:/kubepods/podab/{A}\n0::/system.slice/containerd.service\n");
        let found = place(&text);
        assert_eq!(found.pod.as_deref(), Some("ab"));
        assert_eq!(found.container.map(|container| container.id), Some(A.into()));
        assert!(unified(&text).is_empty());
        let path = format!("/kubepods/podab/{A}");
        assert_eq!(unified(&format!("1:cpu:/\n0::{path}\n")), in_path(&path));
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
