//! `process`, `container` and `k8s`: who is behind a number, spelled as OpenTelemetry does.

use crate::model::finding;
use crate::model::identity;
use crate::model::who;
use crate::model::who::{Identity, Names, Runtime};
use crate::sink::jsont::connection::{Executable, Id};
use crate::sink::jsont::{Decimal, Limits, Name, Process, Spelled};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A process with its program.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Program<'a> {
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub executable: Option<File<'a>>,
    /// Only where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub command_line: Option<Cow<'a, str>>,
    /// Id of the cgroup in the unified hierarchy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_id: Option<Decimal>,
}

/// `process.executable`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct File<'a> {
    /// Of the thread, as the kernel has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// As the process's own mount namespace has it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub path: Option<Cow<'a, str>>,
}

impl<'a> Program<'a> {
    /// Who holds a finding's connection, as far as that is known.
    pub fn of(connection: &finding::Connection, names: &'a Names, limits: Limits) -> Option<Self> {
        let process: Process = match (&connection.owner, connection.holder) {
            (Some(owner), _) => owner.into(),
            (None, holder) => holder?.into(),
        };
        Some(Self::new(process, names, limits))
    }

    pub fn new(process: Process, names: &'a Names, limits: Limits) -> Self {
        let identity = names.of_process(process.pid, process.comm());
        let path = identity.and_then(|identity| identity.executable.as_deref());
        let name = process.executable.map(|Executable { name }| name);
        let known = name.is_some() || path.is_some();
        Self {
            pid: process.pid,
            user: process.user,
            executable: known.then(|| File {
                name,
                path: path.map(|path| limits.text(path)),
            }),
            command_line: identity
                .and_then(|identity| identity.command_line.as_deref())
                .map(|line| limits.text(line)),
            cgroup_id: process.cgroup_id,
        }
    }
}

/// Where a process or a namespace belongs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Place<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub container: Option<Container<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub k8s: Option<Kubernetes<'a>>,
}

impl<'a> Place<'a> {
    pub fn new(identity: Option<&'a Arc<Identity>>, limits: Limits) -> Self {
        let Some(identity) = identity else {
            return Self::default();
        };
        Self {
            container: identity
                .container
                .as_ref()
                .map(|container| Container::new(container, limits)),
            k8s: identity.pod.as_deref().map(|pod| Kubernetes::new(pod, limits)),
        }
    }

    pub fn of_netns(netns: identity::Netns, names: &'a Names, limits: Limits) -> Self {
        Self::new(names.of_netns(netns), limits)
    }

    pub fn of_process(process: Option<identity::Process>, names: &'a Names, limits: Limits) -> Self {
        let identity = process.and_then(|process| names.of_process(process.pid, process.comm));
        Self::new(identity, limits)
    }

    /// Of the process; where nothing is known of it, of its namespace.
    pub fn of(connection: &finding::Connection, names: &'a Names, limits: Limits) -> Self {
        Self::new(names.of_connection(connection), limits)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Container<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// As its pod calls it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub name: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Spelled<Runtime>>,
}

impl<'a> Container<'a> {
    pub fn new(container: &'a who::Container, limits: Limits) -> Self {
        Self {
            id: limits.text(&container.id),
            name: container.name.as_deref().map(|name| limits.text(name)),
            runtime: container.runtime.map(Spelled),
        }
    }

    fn model(self) -> who::Container {
        who::Container {
            id: self.id.into(),
            runtime: self.runtime.map(|runtime| runtime.0),
            name: self.name.map(Into::into),
        }
    }
}

/// `k8s.pod`, `k8s.namespace`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Kubernetes<'a> {
    #[serde(borrow)]
    pub pod: Pod<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub namespace: Option<Named<'a>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pod<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub name: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub uid: Option<Cow<'a, str>>,
    /// Those that were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", borrow)]
    pub label: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Named<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
}

impl<'a> Kubernetes<'a> {
    pub fn new(pod: &'a who::Pod, limits: Limits) -> Self {
        let labels = limits.list(&pod.labels).iter();
        Self {
            pod: Pod {
                name: pod.name.as_deref().map(|name| limits.text(name)),
                uid: pod.uid.as_deref().map(|uid| limits.text(uid)),
                label: labels
                    .map(|(label, value)| (limits.text(label), limits.text(value)))
                    .collect(),
            },
            namespace: pod.namespace.as_deref().map(|name| Named {
                name: limits.text(name),
            }),
        }
    }

    fn model(self) -> who::Pod {
        let labels = self.pod.label.into_iter();
        who::Pod {
            name: self.pod.name.map(Into::into),
            namespace: self.namespace.map(|namespace| namespace.name.into()),
            uid: self.pod.uid.map(Into::into),
            labels: labels.map(|(label, value)| (label.into(), value.into())).collect(),
        }
    }
}

/// `identity` of an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IdentityLine<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub executable: Option<File<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub command_line: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub container: Option<Container<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub k8s: Option<Kubernetes<'a>>,
}

impl<'a> IdentityLine<'a> {
    pub fn new(identity: &'a Identity, limits: Limits) -> Self {
        let path = identity.executable.as_deref().map(|path| limits.text(path));
        Self {
            executable: path.map(|path| File {
                name: None,
                path: Some(path),
            }),
            command_line: identity.command_line.as_deref().map(|line| limits.text(line)),
            container: identity
                .container
                .as_ref()
                .map(|container| Container::new(container, limits)),
            k8s: identity.pod.as_deref().map(|pod| Kubernetes::new(pod, limits)),
        }
    }

    pub fn model(self) -> Identity {
        Identity {
            executable: self.executable.and_then(|file| file.path).map(Into::into),
            command_line: self.command_line.map(Into::into),
            container: self.container.map(Container::model),
            pod: self.k8s.map(|k8s| Arc::new(k8s.model())),
        }
    }
}
