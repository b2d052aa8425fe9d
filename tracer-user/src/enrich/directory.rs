//! What the node's container runtime said of its containers and pods, kept beyond their end.
//!
//! Pure: who asks the runtime, and when, is decided elsewhere.

use super::cgroup::Place;
use super::kept::Kept;
use crate::model::time::Timestamp;
use crate::model::who::{Container, Pod, Runtime};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// All that the runtime has at a moment.
#[derive(Debug, Default)]
pub struct Listing {
    /// Its own name and version.
    pub name: String,
    pub version: String,
    pub sandboxes: Vec<Sandbox>,
    pub containers: Vec<Listed>,
}

/// What a pod's containers share.
#[derive(Debug)]
pub struct Sandbox {
    pub id: Arc<str>,
    pub pod: Arc<Pod>,
    pub is_ready: bool,
    /// Inode of its network namespace, where it was asked for; 0: it has none of its own, or did not tell.
    pub netns: Option<u32>,
}

#[derive(Debug)]
pub struct Listed {
    pub id: Arc<str>,
    /// Id of its sandbox.
    pub sandbox: Arc<str>,
    /// As the pod calls it.
    pub name: Arc<str>,
}

/// Every container and pod that a listing had, for an hour after the last one.
#[derive(Debug)]
pub struct Directory {
    runtime: Option<Runtime>,
    /// Sandboxes too: the runtime runs a process of its own in each.
    containers: Kept<Arc<str>, Known>,
    pods: Kept<Arc<str>, Arc<Pod>>,
    /// Of the last listing's sandboxes only: an inode is given to another namespace at once.
    namespaces: HashMap<u32, Arc<Pod>>,
    /// Inodes of all sandboxes that were asked for theirs, by id.
    inodes: Kept<Arc<str>, u32>,
    /// What was asked for and is in no listing.
    strangers: Kept<Arc<str>, ()>,
}

#[derive(Debug)]
struct Known {
    /// `None`: a sandbox's own.
    name: Option<Arc<str>>,
    pod: Arc<Pod>,
}

/// A place with its names.
#[derive(Debug, Default)]
pub struct Named {
    pub container: Option<Container>,
    pub pod: Option<Arc<Pod>>,
    /// It is the sandbox's own process, no container of the pod.
    pub is_sandbox: bool,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            runtime: None,
            containers: Kept::new(CONTAINERS_MAX, KEPT),
            pods: Kept::new(PODS_MAX, KEPT),
            namespaces: HashMap::new(),
            inodes: Kept::new(PODS_MAX, KEPT),
            strangers: Kept::new(STRANGERS_MAX, STRANGE),
        }
    }
}

impl Directory {
    pub fn take_in(&mut self, listing: Listing, now: Timestamp) {
        self.runtime = runtime(&listing.name);
        self.namespaces.clear();
        let mut pods = HashMap::new();
        for Sandbox {
            id,
            pod,
            is_ready,
            netns,
        } in listing.sandboxes
        {
            let known = netns.or_else(|| self.inodes.get(&id, now).copied());
            if let Some(inode) = known {
                self.inodes.insert(Arc::clone(&id), inode, now);
                if is_ready && inode != 0 {
                    self.namespaces.insert(inode, Arc::clone(&pod));
                }
            }
            if let Some(uid) = &pod.uid {
                self.pods.insert(Arc::clone(uid), Arc::clone(&pod), now);
            }
            pods.insert(Arc::clone(&id), Arc::clone(&pod));
            self.containers.insert(id, Known { name: None, pod }, now);
        }
        for Listed { id, sandbox, name } in listing.containers {
            if let Some(pod) = pods.get(&sandbox) {
                let name = Some(name).filter(|name| !name.is_empty());
                let pod = Arc::clone(pod);
                self.containers.insert(id, Known { name, pod }, now);
            }
        }
    }

    /// Whether asking the runtime could not tell more of it than is known.
    pub fn knows(&self, place: &Place, now: Timestamp) -> bool {
        let Some(id) = key(place) else {
            return true;
        };
        self.containers.get(id, now).is_some()
            || (place.container.is_none() && self.pods.get(id, now).is_some())
            || self.strangers.get(id, now).is_some()
    }

    /// The runtime was asked and does not have it. It is not asked for this one again for a while.
    pub fn note_stranger(&mut self, place: &Place, now: Timestamp) {
        if let Some(id) = key(place).filter(|_| !self.knows(place, now)) {
            self.strangers.insert(Arc::clone(id), (), now);
        }
    }

    /// The place with all the names that are known, else as its path tells it.
    pub fn name(&self, place: &Place, now: Timestamp) -> Named {
        let id = place.container.as_ref().map(|container| &container.id);
        let known = id.and_then(|id| self.containers.get(id, now));
        let container = place.container.clone().map(|container| Container {
            // What the runtime lists is its own.
            runtime: container.runtime.or(known.and(self.runtime)),
            name: known.and_then(|known| known.name.clone()),
            ..container
        });
        let by_uid = || place.pod.as_ref().and_then(|uid| self.pods.get(uid, now));
        let nameless = || {
            let uid = place.pod.clone()?;
            Some(Arc::new(Pod {
                uid: Some(uid),
                ..Pod::default()
            }))
        };
        Named {
            container,
            pod: known.map(|known| &known.pod).or_else(by_uid).cloned().or_else(nameless),
            is_sandbox: known.is_some_and(|known| known.name.is_none()),
        }
    }

    /// The pod of a network namespace, as its sandbox tells it.
    pub fn of_netns(&self, inode: u32) -> Option<Arc<Pod>> {
        self.namespaces.get(&inode).cloned()
    }

    /// Sandboxes that need not be asked for their namespace again.
    pub fn with_netns(&self) -> HashSet<Arc<str>> {
        self.inodes.keys().cloned().collect()
    }

    pub fn entries(&self) -> usize {
        self.containers.len() + self.pods.len()
    }

    pub fn evictions(&self) -> u64 {
        self.containers.evictions() + self.pods.evictions() + self.inodes.evictions()
    }
}

/// What the runtime would list it under.
fn key(place: &Place) -> Option<&Arc<str>> {
    let id = place.container.as_ref().map(|container| &container.id);
    id.or(place.pod.as_ref())
}

/// By the name it gives itself.
fn runtime(name: &str) -> Option<Runtime> {
    match name {
        "containerd" => Some(Runtime::Containerd),
        "cri-o" => Some(Runtime::Crio),
        "docker" => Some(Runtime::Docker),
        _ => None,
    }
}

/// Containers and sandboxes; a node has some hundreds. Past it those listed longest ago go first, and are counted.
const CONTAINERS_MAX: usize = 8_192;
/// Pods, likewise.
const PODS_MAX: usize = 4_096;
/// Containers of somebody else, likewise; not counted, since only a question more is lost.
const STRANGERS_MAX: usize = 4_096;
/// What is gone keeps its name for the findings about it.
const KEPT: Duration = Duration::from_hours(1);
/// A sandbox is listed some time after its first process.
const STRANGE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::cgroup::in_path;

    const A: &str = "6ce776ea58b5bf1d2dc5cbbb1b9e0e2e7eba6d63d4cd5c7a3fdb1f5ecf6f6f11";
    const B: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn second(second: u64) -> Timestamp {
        Timestamp::from_nanos(second * 1_000_000_000)
    }

    fn listing(netns: Option<u32>) -> Listing {
        let pod = Pod {
            name: Some("web-0".into()),
            namespace: Some("shop".into()),
            uid: Some("ab-cd".into()),
            labels: vec![("app".into(), "web".into())],
        };
        Listing {
            name: "containerd".to_owned(),
            version: "1".to_owned(),
            sandboxes: vec![Sandbox {
                id: B.into(),
                pod: Arc::new(pod),
                is_ready: true,
                netns,
            }],
            containers: vec![Listed {
                id: A.into(),
                sandbox: B.into(),
                name: "nginx".into(),
            }],
        }
    }

    #[test]
    fn a_container_has_its_own_name_and_its_pods() {
        let mut directory = Directory::default();
        directory.take_in(listing(None), second(1));
        let named = directory.name(&in_path(&format!("/kubepods/podab-cd/{A}")), second(2));
        let container = named.container.unwrap();
        assert_eq!(container.name.as_deref(), Some("nginx"));
        assert_eq!(container.runtime, Some(Runtime::Containerd));
        assert_eq!(named.pod.unwrap().name.as_deref(), Some("web-0"));
        assert!(!named.is_sandbox);
        let sandbox = directory.name(&in_path(&format!("/kubepods/podab-cd/{B}")), second(2));
        assert!(sandbox.is_sandbox && sandbox.container.unwrap().name.is_none());
    }

    #[test]
    fn an_unlisted_container_of_a_listed_pod_has_the_pods_name() {
        let mut directory = Directory::default();
        directory.take_in(listing(None), second(1));
        let inner = in_path(&format!("/kubepods/podab-cd/{A}/docker/{}", "c".repeat(64)));
        let named = directory.name(&inner, second(2));
        assert_eq!(named.pod.unwrap().name.as_deref(), Some("web-0"));
        assert_eq!(named.container.unwrap().name, None);
        assert!(!directory.knows(&inner, second(2)));
        directory.note_stranger(&inner, second(2));
        assert!(directory.knows(&inner, second(3)));
        assert!(!directory.knows(&inner, second(12)));
    }

    #[test]
    fn without_a_listing_the_path_tells_the_uid() {
        let named = Directory::default().name(&in_path(&format!("/kubepods/podab-cd/{A}")), second(0));
        assert_eq!(named.pod.unwrap().uid.as_deref(), Some("ab-cd"));
        assert_eq!(named.container.unwrap().runtime, None);
    }

    #[test]
    fn what_is_gone_keeps_its_name_for_an_hour() {
        let mut directory = Directory::default();
        directory.take_in(listing(Some(7)), second(0));
        directory.take_in(Listing::default(), second(10));
        let place = in_path(&format!("/kubepods/podab-cd/{A}"));
        assert!(directory.knows(&place, second(3_599)));
        assert!(!directory.knows(&place, second(3_600)));
        assert_eq!(directory.of_netns(7), None);
    }

    #[test]
    fn a_sandbox_is_asked_for_its_namespace_once() {
        let mut directory = Directory::default();
        directory.take_in(listing(Some(7)), second(0));
        assert!(directory.with_netns().contains(B));
        directory.take_in(listing(None), second(1));
        assert_eq!(directory.of_netns(7).unwrap().name.as_deref(), Some("web-0"));
    }

    #[test]
    fn very_many_containers_stay_within_the_bound_and_are_counted() {
        let mut directory = Directory::default();
        let mut many = listing(None);
        let more = (0..2 * CONTAINERS_MAX).map(|number| Listed {
            id: format!("{number:064x}").into(),
            sandbox: B.into(),
            name: "x".into(),
        });
        many.containers.extend(more);
        directory.take_in(many, second(0));
        assert_eq!(directory.containers.len(), CONTAINERS_MAX);
        assert!(directory.evictions() > 0);
    }
}
