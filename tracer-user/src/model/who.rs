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

    /// Of the process that has the connection; where nothing is known of it, of the namespace.
    pub fn of_connection(&self, connection: &Connection) -> Option<&Arc<Identity>> {
        let owner = connection
            .owner
            .as_ref()
            .and_then(|owner| self.of(Subject::of_owner(owner)));
        let holder = || self.of(connection.holder?.into());
        owner.or_else(holder).or_else(|| self.of_netns(connection.netns))
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
