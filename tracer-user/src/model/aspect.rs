//! What is looked at in a namespace only where a theory of what is wrong needs it, and what was seen.

use crate::model::conntrack::Conntrack;
use crate::model::identity::Process;
use crate::model::inquiry::{Listener, SocketInfo};
use crate::model::named::named;
use crate::model::tuple::{Endpoint, Tuple};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// A setting below `/proc/sys`, such as `net/ipv4/ip_local_port_range`.
    Setting(Arc<str>),
    /// A setting of one device; `{}` in the path stands for the device's name.
    DeviceSetting { path: Arc<str>, ifindex: u32 },
    /// How many entries conntrack has for the namespace.
    ConntrackCount,
    /// How many TCP connections the namespace has opened and accepted so far.
    ConnectionsOpened,
    /// What conntrack counted for the namespace, since that was made.
    ConntrackStatistics,
    /// Whether a host on a link answers; `None`: the one that the connection's packets go to.
    Neighbour(Option<IpAddr>),
    /// What is attached to a device and may drop packets.
    Attached { ifindex: u32 },
    /// Connections of the namespace to this destination that are redirected to a listener of this process.
    Through { destination: Endpoint, process: u32 },
    /// The namespace's TCP sockets that are connected to an endpoint, and what local ports they leave for one more.
    SocketsTo {
        /// The address that one more would have; other addresses have ports of their own.
        source: IpAddr,
        destination: Endpoint,
    },
    /// Who listens on a TCP port, at whatever address.
    Listeners(u16),
    /// The connections that have this local endpoint.
    Sockets { local: Endpoint },
    /// The socket that the packets of the connection that is asked about meet, if they stay in the namespace: its ends are
    /// theirs, after translation. Told as [`Seen::Sockets`].
    OtherEnd,
}

/// One thing that was seen. What could not be read is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Setting(Setting),
    ConntrackCount(u32),
    ConnectionsOpened(u64),
    ConntrackStatistics(ConntrackStatistics),
    Neighbour(Neighbour),
    Attached(Attached),
    Through(Through),
    SocketsTo(Box<SocketsTo>),
    /// One listener; several of one port make several of these.
    Listening(Listener),
    /// At most [`SOCKETS_MAX`].
    Sockets {
        local: Endpoint,
        sockets: Vec<Connected>,
    },
}

/// Sums over all processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConntrackStatistics {
    /// Packets dropped for want of an entry.
    pub drop: u32,
    /// Entries that had to make room for others.
    pub early_drop: u32,
    /// Entries that clashed with another.
    pub insert_failed: u32,
}

/// A host on a link of the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub address: IpAddr,
    pub state: NeighbourState,
}

named! {
    /// `NUD_*`.
    NeighbourState {
        None = "NONE",
        Incomplete = "INCOMPLETE",
        Reachable = "REACHABLE",
        Stale = "STALE",
        Delay = "DELAY",
        Probe = "PROBE",
        Failed = "FAILED",
        NoArp = "NOARP",
        Permanent = "PERMANENT",
    }
}

/// What is attached to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Untrusted.
    pub device: Arc<str>,
    /// Of its clsact or ingress queueing discipline, in their order; at most [`Attached::FILTERS`].
    pub filters: Vec<Filter>,
    /// Of the XDP program; 0 where there is none.
    pub xdp: u32,
}

impl Attached {
    pub const FILTERS: usize = 16;
}

/// A filter of `tc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// It sees what leaves the device, not what arrives.
    pub egress: bool,
    /// Such as `flower`. Untrusted, as `program` is.
    pub kind: Arc<str>,
    /// Its priority.
    pub preference: u16,
    pub handle: u32,
    /// An action of it drops what it matches.
    pub drops: bool,
    /// The name of its BPF program.
    pub program: Option<Arc<str>>,
}

/// A socket that has a remote end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Local to remote.
    pub tuple: Tuple,
    pub socket: SocketInfo,
}

/// Connections that a process of the namespace takes on their way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Through {
    /// At most [`LEGS_MAX`].
    pub legs: Vec<Leg>,
    /// How many more there were than are told.
    pub left_out: u32,
}

/// The first leg of a connection that a proxy forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// As its socket has it.
    pub tuple: Tuple,
    pub entry: Conntrack,
    pub socket: SocketInfo,
}

/// The sockets of a namespace that are connected to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketsTo {
    pub destination: Endpoint,
    /// Those in TIME_WAIT included.
    pub sockets: u32,
    pub time_wait: u32,
    /// The process that holds most of them, and how many.
    pub holder: Option<(Process, u32)>,
    /// From which the kernel chooses local ports; `None`: it could not be read.
    pub range: Option<RangeInclusive<u16>>,
    /// Ports of the range that cannot be had: reserved, listened on, or of one of these sockets.
    pub taken: u32,
}

impl SocketsTo {
    /// Ports of the range; 0 where it is not known.
    pub fn ports(&self) -> u32 {
        let count = |range: &RangeInclusive<u16>| u32::try_from(range.clone().count()).unwrap_or(0);
        self.range.as_ref().map_or(0, count)
    }

    /// No port of the range is left for one more connection.
    pub fn is_full(&self) -> bool {
        self.range.is_some() && self.taken >= self.ports()
    }
}

/// A setting and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Below `/proc/sys`. Untrusted: a device's name may be part of it.
    pub path: Arc<str>,
    /// Without white space around it.
    pub value: Arc<str>,
}

impl Setting {
    /// As `sysctl` takes it: with dots, unless a name in it has some itself.
    pub fn name(&self) -> String {
        if self.path.contains('.') {
            self.path.to_string()
        } else {
            self.path.replace('/', ".")
        }
    }
}

/// The value of a setting among what was seen, by its path.
pub fn setting<'a>(seen: &'a [Seen], path: &str) -> Option<&'a Setting> {
    seen.iter().find_map(|seen| {
        let Seen::Setting(setting) = seen else {
            return None;
        };
        (*setting.path == *path).then_some(setting)
    })
}

/// The sockets to an endpoint among what was seen.
pub fn sockets_to(seen: &[Seen]) -> Option<&SocketsTo> {
    seen.iter().find_map(|seen| {
        let Seen::SocketsTo(sockets) = seen else {
            return None;
        };
        Some(&**sockets)
    })
}

/// The listeners among what was seen.
pub fn listeners(seen: &[Seen]) -> impl Iterator<Item = &Listener> {
    seen.iter().filter_map(|seen| {
        let Seen::Listening(listener) = seen else {
            return None;
        };
        Some(listener)
    })
}

/// The connections of a local endpoint, if they were looked at.
pub fn sockets(seen: &[Seen], of: Endpoint) -> Option<&[Connected]> {
    seen.iter().find_map(|seen| {
        let Seen::Sockets { local, sockets } = seen else {
            return None;
        };
        (*local == of).then_some(&**sockets)
    })
}

/// Sockets that one aspect tells of.
pub const SOCKETS_MAX: usize = 8;
/// Connections of one answer.
pub const LEGS_MAX: usize = 5;
/// Listeners of one port that are told.
pub const LISTENERS_MAX: usize = 8;
/// Aspects of one question, and of one answer.
pub const ASPECTS_MAX: usize = 16;
