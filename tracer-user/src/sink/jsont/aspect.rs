//! What is looked at because a theory needs it: in inquiries, answers and evidence.

use crate::model::aspect::{Aspect, Connected, Leg, Seen, Setting, Through};
use crate::sink::jsont::socket::Socket;
use crate::sink::jsont::{Conntrack, Endpoint, Limits, Tuple};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

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
    /// Connections to a destination that are redirected to a listener of a process.
    Through {
        destination: Endpoint,
        pid: u32,
    },
    /// The connections that have this local endpoint.
    Sockets {
        local: Endpoint,
    },
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
    Through {
        legs: Vec<LegLine>,
        /// How many more there were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_out: Option<u32>,
    },
    Sockets {
        local: Endpoint,
        sockets: Vec<ConnectedLine>,
    },
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
            Aspect::Sockets { local } => Self::Sockets { local: (*local).into() },
            Aspect::Through { destination, process } => Self::Through {
                destination: (*destination).into(),
                pid: *process,
            },
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
            Self::Sockets { local } => Aspect::Sockets { local: local.into() },
            Self::Through { destination, pid } => Aspect::Through {
                destination: destination.into(),
                process: pid,
            },
        }
    }
}

impl<'a> SeenLine<'a> {
    pub fn new(seen: &'a Seen, limits: Limits) -> Self {
        match seen {
            Seen::Setting(setting) => Self::Setting(SettingLine::new(setting, limits)),
            Seen::ConntrackCount(entries) => Self::ConntrackCount { entries: *entries },
            Seen::Sockets { local, sockets } => Self::Sockets {
                local: (*local).into(),
                sockets: sockets.iter().map(Into::into).collect(),
            },
            Seen::Through(through) => Self::Through {
                legs: limits.list(&through.legs).iter().map(Into::into).collect(),
                left_out: Some(through.left_out).filter(|count| *count != 0),
            },
        }
    }

    pub fn model(self) -> Seen {
        match self {
            Self::Setting(setting) => Seen::Setting(Setting {
                path: setting.path.into(),
                value: setting.value.into(),
            }),
            Self::ConntrackCount { entries } => Seen::ConntrackCount(entries),
            Self::Sockets { local, sockets } => Seen::Sockets {
                local: local.into(),
                sockets: sockets.into_iter().map(Into::into).collect(),
            },
            Self::Through { legs, left_out } => Seen::Through(Through {
                legs: legs.into_iter().map(Into::into).collect(),
                left_out: left_out.unwrap_or(0),
            }),
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
