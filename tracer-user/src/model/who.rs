//! Who is behind a number: the program, the container and the pod of a process, or of a network namespace.

use crate::model::finding::Connection;
use crate::model::identity::{Comm, Netns, Owner, Process};
use crate::model::named::named;
use std::sync::Arc;

/// Whom a name is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Process {
        pid: u32,
        /// Part of the question: another process may have the number by now.
        comm: Comm,
        /// Id of the cgroup in the unified hierarchy, where an event told it.
        cgroup: Option<u64>,
    },
    Netns(Netns),
}

impl Subject {
    pub fn of_owner(owner: &Owner) -> Self {
        Self::Process {
            pid: owner.pid,
            comm: owner.comm,
            cgroup: Some(owner.cgroup).filter(|cgroup| *cgroup != 0),
        }
    }
}

/// A process that was found by looking.
impl From<Process> for Subject {
    fn from(process: Process) -> Self {
        let Process { pid, comm } = process;
        Self::Process {
            pid,
            comm,
            cgroup: None,
        }
    }
}

/// What is known of a subject; all of it is untrusted text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Path of the program, as its own mount namespace has it.
    pub executable: Option<Arc<str>>,
    /// Its arguments, joined by spaces; only where they were asked for.
    pub command_line: Option<Arc<str>>,
    /// The container it runs in; of a namespace, the first one that is found.
    pub container: Option<Container>,
    pub pod: Option<Arc<Pod>>,
}

impl Identity {
    /// Whether it is known where it belongs.
    pub fn is_placed(&self) -> bool {
        self.pod.is_some() || self.container.is_some()
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The container that a process runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub id: Arc<str>,
    pub runtime: Option<Runtime>,
    /// As the pod calls it, where the runtime was asked.
    pub name: Option<Arc<str>>,
}

named! {
    /// Who runs containers.
    Runtime {
        Docker = "docker",
        Containerd = "containerd",
        Crio = "cri-o",
        Podman = "podman",
    }
}

/// A pod as the node knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// `None` where the runtime could not be asked, as is the namespace then.
    pub name: Option<Arc<str>>,
    pub namespace: Option<Arc<str>>,
    /// A UUID with its dashes; of a static pod the hash of its manifest.
    pub uid: Option<Arc<str>>,
    /// Those that were asked for, by name.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
}

/// What a record names, as far as it is known. Empty wherever nobody was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<(Subject, Arc<Identity>)>);

impl Names {
    pub fn of(&self, subject: Subject) -> Option<&Arc<Identity>> {
        let found = self.0.iter().find(|(of, _)| *of == subject);
        found.map(|(_, identity)| identity)
    }

    /// Of a process, whatever else was asked for with it.
    pub fn of_process(&self, process: u32, name: Comm) -> Option<&Arc<Identity>> {
        let is = |of: &Subject| matches!(of, Subject::Process { pid, comm, .. } if (*pid, *comm) == (process, name));
        let found = self.0.iter().find(|(of, _)| is(of));
        found.map(|(_, identity)| identity)
    }

    /// Of the process that has the connection.
    pub fn of_holder(&self, connection: &Connection) -> Option<&Arc<Identity>> {
        let owner = connection.owner.as_ref();
        let owner = owner.and_then(|owner| self.of(Subject::of_owner(owner)));
        owner.or_else(|| self.of(connection.holder?.into()))
    }

    /// Where the connection belongs: its process's pod or container; where that has none, those of the namespace.
    pub fn of_connection(&self, connection: &Connection) -> Option<&Arc<Identity>> {
        let holder = self.of_holder(connection).filter(|identity| identity.is_placed());
        holder.or_else(|| self.of_netns(connection.netns))
    }

    pub fn of_netns(&self, netns: Netns) -> Option<&Arc<Identity>> {
        self.of(Subject::Netns(netns))
    }

    pub fn iter(&self) -> impl Iterator<Item = &(Subject, Arc<Identity>)> {
        self.0.iter()
    }
}

impl FromIterator<(Subject, Arc<Identity>)> for Names {
    fn from_iter<I: IntoIterator<Item = (Subject, Arc<Identity>)>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Way;
    use crate::model::time::Timestamp;
    use crate::model::tuple::{Endpoint, Tuple};

    const NETNS: Netns = Netns { cookie: 7, inode: 8 };

    fn connection() -> Connection {
        let end = |port| Endpoint::new([10, 0, 0, 1].into(), port);
        Connection {
            id: None,
            tuple: Tuple::new(end(1), end(2)),
            translated: None,
            way: Way::Outbound,
            netns: NETNS,
            enter: None,
            owner: Some(Owner {
                started: Timestamp::default(),
                pid: 1,
                tid: 1,
                uid: 0,
                cgroup: 9,
                comm: Comm::new(b"curl"),
            }),
            holder: None,
            state: None,
            started: None,
            ended: None,
            syn_retransmits: 0,
            retransmits: 0,
            unacked: 0,
        }
    }

    fn in_pod(name: &str) -> Arc<Identity> {
        Arc::new(Identity {
            pod: Some(Arc::new(Pod {
                name: Some(name.into()),
                ..Pod::default()
            })),
            ..Identity::default()
        })
    }

    #[test]
    fn a_process_without_a_pod_belongs_to_that_of_its_namespace() {
        let connection = connection();
        let owner = connection.owner.as_ref().map(Subject::of_owner).unwrap();
        let runs = Arc::new(Identity {
            executable: Some("/usr/bin/curl".into()),
            ..Identity::default()
        });
        for (identity, belongs) in [(runs, "network"), (in_pod("client"), "client")] {
            let names: Names = [
                (owner, Arc::clone(&identity)),
                (Subject::Netns(NETNS), in_pod("network")),
            ]
            .into_iter()
            .collect();
            assert_eq!(names.of_connection(&connection), Some(&in_pod(belongs)));
            assert_eq!(names.of_holder(&connection), Some(&identity));
        }
        assert_eq!(Names::default().of_connection(&connection), None);
    }
}
