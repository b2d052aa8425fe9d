//! What was looked at because a theory needed it, in words.

use crate::model::aspect::{Connected, Seen};
use crate::sink::words::{count, process, thousands};

/// Where it was read.
pub(super) fn source(seen: &Seen) -> &'static str {
    match seen {
        Seen::Setting(_) => "sysctl",
        Seen::ConntrackCount(_) => "ctnetlink",
        Seen::Through(_) | Seen::Sockets { .. } => "sock_diag",
    }
}

/// A sentence without its full stop; `netns` is where it was seen.
pub(super) fn sentence(netns: &str, seen: &Seen) -> String {
    match seen {
        Seen::Setting(setting) => format!("{} is {} in {netns}", setting.name(), setting.value),
        Seen::ConntrackCount(entries) => {
            format!("conntrack has {} entries in {netns}", thousands(u64::from(*entries)))
        }
        Seen::Sockets { local, sockets } if sockets.is_empty() => {
            format!("no connection in {netns} has the local end {local}")
        }
        Seen::Sockets { sockets, .. } => {
            let all: Vec<_> = sockets.iter().map(connected).collect();
            format!("in {netns} there is {}", all.join(" and "))
        }
        Seen::Through(through) => {
            let legs = u64::try_from(through.legs.len()).unwrap_or(u64::MAX) + u64::from(through.left_out);
            let go = if legs == 1 { "goes" } else { "go" };
            format!("{} in {netns} {go} through the process", count(legs, "connection"))
        }
    }
}

fn connected(connected: &Connected) -> String {
    let Connected { tuple, socket } = connected;
    let state = socket.state.map_or("in an unknown state", |state| state.name());
    let holder = socket.process.map(|of| format!(" of {}", process(of.pid, of.comm)));
    format!("{tuple}{}, {state}", holder.unwrap_or_default())
}
