//! `connection` and `process`, of events and of findings.

use crate::model::finding;
use crate::model::finding::Way;
use crate::model::identity::{Comm, Owner};
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use crate::model::who::Names;
use crate::sink::jsont::address::Network;
use crate::sink::jsont::who::{Container, Kubernetes};
use crate::sink::jsont::{Decimal, Endpoint, Limits, Name, Netns, Place, Program, Spelled, Tuple};
use serde::{Deserialize, Serialize};

/// Every field that is not known is absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Connection<'a> {
    /// The Tracker's number; absent where the connection is not under suspicion itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The socket's cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Endpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Endpoint>,
    /// As the packets travel after NAT, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translated: Option<Tuple>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Spelled<Way>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    #[serde(borrow)]
    pub netns: Netns<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Spelled<TcpState>>,
    /// `mono` of the connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn_retransmits: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retransmits: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unacked_bytes: Option<u32>,
    /// The retransmission timeout that ran out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// Who connected; of a finding's examples and victims.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub process: Option<Program<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub container: Option<Container<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub k8s: Option<Kubernetes<'a>>,
}

impl<'a> Connection<'a> {
    /// A finding's own connection, as seen at `now`; its process stands beside it.
    pub fn new(connection: &'a finding::Connection, now: Timestamp) -> Self {
        let end = connection.ended.unwrap_or(now);
        Self {
            id: connection.id,
            socket: None,
            source: Some(connection.tuple.source.into()),
            destination: Some(connection.tuple.destination.into()),
            translated: connection.translated.map(Into::into),
            direction: Some(Spelled(connection.way)),
            network: Some(connection.tuple.into()),
            netns: Netns::new(connection.netns, connection.enter.as_deref()),
            state: connection.state.map(Spelled),
            started: connection.started.map(Into::into),
            age_ms: connection.started.map(|started| millis(started, end)),
            syn_retransmits: Some(connection.syn_retransmits),
            retransmits: Some(connection.retransmits),
            unacked_bytes: Some(connection.unacked),
            rto_ns: None,
            latency_us: None,
            process: None,
            container: None,
            k8s: None,
        }
    }

    /// One of several connections: with its process.
    pub fn example(connection: &'a finding::Connection, now: Timestamp, names: &'a Names, limits: Limits) -> Self {
        let Place { container, k8s } = Place::of(connection, names, limits);
        Self {
            process: Program::of(connection, names, limits),
            container,
            k8s,
            ..Self::new(connection, now)
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Process {
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<Executable>,
    /// Id of the cgroup in the unified hierarchy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_id: Option<Decimal>,
}

/// `user.id`, `thread.id`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Id {
    pub id: u32,
}

/// `process.executable`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Executable {
    pub name: Name,
}

impl Executable {
    fn known(comm: Comm) -> Option<Self> {
        (comm != Comm::default()).then_some(Self { name: Name(comm) })
    }
}

impl From<&Owner> for Process {
    fn from(owner: &Owner) -> Self {
        Self {
            pid: owner.pid,
            user: Some(Id { id: owner.uid }),
            executable: Executable::known(owner.comm),
            cgroup_id: Decimal::known(owner.cgroup),
        }
    }
}

impl From<crate::model::identity::Process> for Process {
    fn from(process: crate::model::identity::Process) -> Self {
        Self {
            pid: process.pid,
            user: None,
            executable: Executable::known(process.comm),
            cgroup_id: None,
        }
    }
}

impl Process {
    pub fn comm(&self) -> Comm {
        self.executable.map(|executable| executable.name.0).unwrap_or_default()
    }
}

impl From<Process> for crate::model::identity::Process {
    fn from(process: Process) -> Self {
        Self {
            pid: process.pid,
            comm: process.comm(),
        }
    }
}

fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}
