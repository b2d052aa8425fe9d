//! What is looked at because a theory needs it: in inquiries, answers and evidence.

use crate::model::aspect::{
    self, Aspect, Attached, Connected, ConntrackStatistics, Filter, Leg, Neighbour, NeighbourState, Seen, Setting,
    Through,
};
use crate::sink::jsont::socket::{Listener, Socket};
use crate::sink::jsont::spell::Spelled;
use crate::sink::jsont::{Conntrack, Endpoint, Limits, Process, Tuple};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "aspect", rename_all = "kebab-case")]
pub enum AspectLine<'a> {
    Setting {
        /// Below `/proc/sys`.
        #[serde(borrow)]
        path: Cow<'a, str>,
    },
    /// `{}` in the path stands for the device's name.
    DeviceSetting {
        #[serde(borrow)]
        path: Cow<'a, str>,
        ifindex: u32,
    },
    ConntrackCount {},
    ConnectionsOpened {},
    ConntrackStatistics {},
    /// Without an address: the host that the connection's packets go to.
    Neighbour {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<IpAddr>,
    },
    Attached {
        ifindex: u32,
    },
    /// Connections to a destination that are redirected to a listener of a process.
    Through {
        destination: Endpoint,
        pid: u32,
    },
    SocketsTo {
        /// The address that one more socket would have.
        source: IpAddr,
        destination: Endpoint,
    },
    /// At whatever address.
    Listeners {
        port: u16,
    },
    /// The connections that have this local endpoint.
    Sockets {
        local: Endpoint,
    },
    /// The socket of the namespace that the connection's packets meet.
    OtherEnd {},
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "aspect", rename_all = "kebab-case")]
pub enum SeenLine<'a> {
    Setting(#[serde(borrow)] SettingLine<'a>),
    /// Entries of the namespace.
    ConntrackCount {
        entries: u32,
    },
    /// TCP connections that the namespace has opened and accepted so far.
    ConnectionsOpened {
        connections: u64,
    },
    /// Of the namespace, since that was made.
    ConntrackStatistics {
        drop: u32,
        early_drop: u32,
        insert_failed: u32,
    },
    Neighbour {
        address: IpAddr,
        state: Spelled<NeighbourState>,
    },
    /// What may drop packets of a device.
    Attached {
        #[serde(borrow)]
        device: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        filters: Vec<FilterLine<'a>>,
        /// The id of the XDP program.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        xdp: Option<u32>,
    },
    Through {
        legs: Vec<LegLine>,
        /// How many more there were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_out: Option<u32>,
    },
    SocketsTo(SocketsTo),
    Listening(Listener),
    Sockets {
        local: Endpoint,
        sockets: Vec<ConnectedLine>,
    },
}

/// A filter of tc.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FilterLine<'a> {
    pub egress: bool,
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    pub preference: u16,
    pub handle: u32,
    pub drops: bool,
    /// The name of its BPF program.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Cow<'a, str>>,
}

/// A socket that has a remote end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConnectedLine {
    /// Local to remote.
    pub connection: Tuple,
    pub socket: Socket,
}

/// The first leg of a connection that a proxy forwards.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LegLine {
    /// As its socket has it.
    pub connection: Tuple,
    pub conntrack: Conntrack,
    pub socket: Socket,
}

/// The sockets of a namespace that are connected to an endpoint.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SocketsTo {
    pub destination: Endpoint,
    /// Those in TIME_WAIT included.
    pub sockets: u32,
    pub time_wait: u32,
    /// Who holds most of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// First and last port of those that the kernel chooses from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[u16; 2]>,
    /// Ports of the range that cannot be had for one more.
    pub taken: u32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Holder {
    pub process: Process,
    pub sockets: u32,
}

/// A setting and its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SettingLine<'a> {
    /// Below `/proc/sys`.
    #[serde(borrow)]
    pub path: Cow<'a, str>,
    #[serde(borrow)]
    pub value: Cow<'a, str>,
}

impl<'a> AspectLine<'a> {
    /// Paths are the Tracker's own and short.
    pub fn new(aspect: &'a Aspect) -> Self {
        match aspect {
            Aspect::Setting(path) => Self::Setting {
                path: Cow::Borrowed(path),
            },
            Aspect::DeviceSetting { path, ifindex } => Self::DeviceSetting {
                path: Cow::Borrowed(path),
                ifindex: *ifindex,
            },
            Aspect::ConntrackCount => Self::ConntrackCount {},
            Aspect::ConnectionsOpened => Self::ConnectionsOpened {},
            Aspect::ConntrackStatistics => Self::ConntrackStatistics {},
            Aspect::Neighbour(address) => Self::Neighbour { address: *address },
            Aspect::Attached { ifindex } => Self::Attached { ifindex: *ifindex },
            Aspect::Sockets { local } => Self::Sockets { local: (*local).into() },
            Aspect::OtherEnd => Self::OtherEnd {},
            Aspect::Through { destination, process } => Self::Through {
                destination: (*destination).into(),
                pid: *process,
            },
            Aspect::SocketsTo { source, destination } => Self::SocketsTo {
                source: *source,
                destination: (*destination).into(),
            },
            Aspect::Listeners(port) => Self::Listeners { port: *port },
        }
    }

    pub fn model(self) -> Aspect {
        match self {
            Self::Setting { path } => Aspect::Setting(path.into()),
            Self::DeviceSetting { path, ifindex } => Aspect::DeviceSetting {
                path: path.into(),
                ifindex,
            },
            Self::ConntrackCount {} => Aspect::ConntrackCount,
            Self::ConnectionsOpened {} => Aspect::ConnectionsOpened,
            Self::ConntrackStatistics {} => Aspect::ConntrackStatistics,
            Self::Neighbour { address } => Aspect::Neighbour(address),
            Self::Attached { ifindex } => Aspect::Attached { ifindex },
            Self::Sockets { local } => Aspect::Sockets { local: local.into() },
            Self::OtherEnd {} => Aspect::OtherEnd,
            Self::Through { destination, pid } => Aspect::Through {
                destination: destination.into(),
                process: pid,
            },
            Self::SocketsTo { source, destination } => Aspect::SocketsTo {
                source,
                destination: destination.into(),
            },
            Self::Listeners { port } => Aspect::Listeners(port),
        }
    }
}

impl<'a> SeenLine<'a> {
    pub fn new(seen: &'a Seen, limits: Limits) -> Self {
        match seen {
            Seen::Setting(setting) => Self::Setting(SettingLine::new(setting, limits)),
            Seen::ConntrackCount(entries) => Self::ConntrackCount { entries: *entries },
            Seen::ConnectionsOpened(connections) => Self::ConnectionsOpened {
                connections: *connections,
            },
            Seen::ConntrackStatistics(statistics) => Self::ConntrackStatistics {
                drop: statistics.drop,
                early_drop: statistics.early_drop,
                insert_failed: statistics.insert_failed,
            },
            Seen::Neighbour(neighbour) => Self::Neighbour {
                address: neighbour.address,
                state: Spelled(neighbour.state),
            },
            Seen::Attached(attached) => Self::Attached {
                device: limits.text(&attached.device),
                filters: attached
                    .filters
                    .iter()
                    .map(|filter| FilterLine::new(filter, limits))
                    .collect(),
                xdp: Some(attached.xdp).filter(|&id| id != 0),
            },
            Seen::Sockets { local, sockets } => Self::Sockets {
                local: (*local).into(),
                sockets: sockets.iter().map(Into::into).collect(),
            },
            Seen::Through(through) => Self::Through {
                legs: limits.list(&through.legs).iter().map(Into::into).collect(),
                left_out: Some(through.left_out).filter(|count| *count != 0),
            },
            Seen::SocketsTo(sockets) => Self::SocketsTo(SocketsTo::new(sockets)),
            Seen::Listening(listener) => Self::Listening(listener.into()),
        }
    }

    pub fn model(self) -> Seen {
        match self {
            Self::Setting(setting) => Seen::Setting(Setting {
                path: setting.path.into(),
                value: setting.value.into(),
            }),
            Self::ConntrackCount { entries } => Seen::ConntrackCount(entries),
            Self::ConnectionsOpened { connections } => Seen::ConnectionsOpened(connections),
            Self::ConntrackStatistics {
                drop,
                early_drop,
                insert_failed,
            } => Seen::ConntrackStatistics(ConntrackStatistics {
                drop,
                early_drop,
                insert_failed,
            }),
            Self::Neighbour { address, state } => Seen::Neighbour(Neighbour {
                address,
                state: state.0,
            }),
            Self::Attached { device, filters, xdp } => Seen::Attached(Attached {
                device: device.into(),
                filters: filters.into_iter().map(FilterLine::model).collect(),
                xdp: xdp.unwrap_or_default(),
            }),
            Self::Sockets { local, sockets } => Seen::Sockets {
                local: local.into(),
                sockets: sockets.into_iter().map(Into::into).collect(),
            },
            Self::Through { legs, left_out } => Seen::Through(Through {
                legs: legs.into_iter().map(Into::into).collect(),
                left_out: left_out.unwrap_or(0),
            }),
            Self::SocketsTo(sockets) => Seen::SocketsTo(Box::new(sockets.model())),
            Self::Listening(listener) => Seen::Listening(listener.into()),
        }
    }
}

impl From<&Connected> for ConnectedLine {
    fn from(connected: &Connected) -> Self {
        Self {
            connection: connected.tuple.into(),
            socket: (&connected.socket).into(),
        }
    }
}

impl From<ConnectedLine> for Connected {
    fn from(line: ConnectedLine) -> Self {
        Self {
            tuple: line.connection.into(),
            socket: line.socket.into(),
        }
    }
}

impl From<&Leg> for LegLine {
    fn from(leg: &Leg) -> Self {
        Self {
            connection: leg.tuple.into(),
            conntrack: (&leg.entry).into(),
            socket: (&leg.socket).into(),
        }
    }
}

impl From<LegLine> for Leg {
    fn from(line: LegLine) -> Self {
        Self {
            tuple: line.connection.into(),
            entry: line.conntrack.into(),
            socket: line.socket.into(),
        }
    }
}

impl<'a> SettingLine<'a> {
    pub fn new(setting: &'a Setting, limits: Limits) -> Self {
        Self {
            path: limits.text(&setting.path),
            value: limits.text(&setting.value),
        }
    }
}

impl SocketsTo {
    fn new(sockets: &aspect::SocketsTo) -> Self {
        Self {
            destination: sockets.destination.into(),
            sockets: sockets.sockets,
            time_wait: sockets.time_wait,
            holder: sockets.holder.map(|(process, sockets)| Holder {
                process: process.into(),
                sockets,
            }),
            range: sockets.range.as_ref().map(|range| [*range.start(), *range.end()]),
            taken: sockets.taken,
        }
    }

    fn model(self) -> aspect::SocketsTo {
        aspect::SocketsTo {
            destination: self.destination.into(),
            sockets: self.sockets,
            time_wait: self.time_wait,
            holder: self.holder.map(|holder| (holder.process.into(), holder.sockets)),
            range: self.range.map(|[first, last]| first..=last),
            taken: self.taken,
        }
    }
}

impl<'a> FilterLine<'a> {
    fn new(filter: &'a Filter, limits: Limits) -> Self {
        Self {
            egress: filter.egress,
            kind: limits.text(&filter.kind),
            preference: filter.preference,
            handle: filter.handle,
            drops: filter.drops,
            program: filter.program.as_deref().map(|name| limits.text(name)),
        }
    }

    fn model(self) -> Filter {
        Filter {
            egress: self.egress,
            kind: self.kind.into(),
            preference: self.preference,
            handle: self.handle,
            drops: self.drops,
            program: self.program.map(Into::into),
        }
    }
}
