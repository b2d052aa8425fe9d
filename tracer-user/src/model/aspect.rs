//! What is looked at in a namespace only where a theory of what is wrong needs it, and what was seen.

use crate::model::conntrack::Conntrack;
use crate::model::inquiry::SocketInfo;
use crate::model::tuple::{Endpoint, Tuple};
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
    /// Connections of the namespace to this destination that are redirected to a listener of this process.
    Through { destination: Endpoint, process: u32 },
    /// The connections that have this local endpoint.
    Sockets { local: Endpoint },
}

/// One thing that was seen. What could not be read is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Setting(Setting),
    ConntrackCount(u32),
    Through(Through),
    /// At most [`SOCKETS_MAX`].
    Sockets {
        local: Endpoint,
        sockets: Vec<Connected>,
    },
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
/// Aspects of one question, and of one answer.
pub const ASPECTS_MAX: usize = 16;
