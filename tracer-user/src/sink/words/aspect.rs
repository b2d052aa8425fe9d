//! What was looked at because a theory needed it, in words.

use crate::model::aspect::{Seen, SocketsTo};
use crate::sink::words::{count, evidence, process, thousands};

/// Where it was read.
pub(super) fn source(seen: &Seen) -> &'static str {
    match seen {
        Seen::Setting(_) => "sysctl",
        Seen::ConntrackCount(_) => "ctnetlink",
        Seen::ConnectionsOpened(_) => "snmp",
        Seen::Through(_) | Seen::SocketsTo(_) | Seen::Listening(_) => "sock_diag",
    }
}

/// A sentence without its full stop; `netns` is where it was seen.
pub(super) fn sentence(netns: &str, seen: &Seen) -> String {
    match seen {
        Seen::Setting(setting) => {
            // The kernel separates several numbers by tabs.
            let value: Vec<_> = setting.value.split_whitespace().collect();
            format!("{} is {} in {netns}", setting.name(), value.join(" "))
        }
        Seen::ConntrackCount(entries) => {
            format!("conntrack has {} entries in {netns}", thousands(u64::from(*entries)))
        }
        Seen::ConnectionsOpened(connections) => format!(
            "{} TCP connections were opened and accepted in {netns} so far",
            thousands(*connections)
        ),
        Seen::Through(through) => {
            let legs = u64::try_from(through.legs.len()).unwrap_or(u64::MAX) + u64::from(through.left_out);
            let go = if legs == 1 { "goes" } else { "go" };
            format!("{} in {netns} {go} through the process", count(legs, "connection"))
        }
        Seen::SocketsTo(sockets) => connected(netns, sockets),
        Seen::Listening(listener) => format!("{} in {netns}", evidence::listens(listener)),
    }
}

fn connected(netns: &str, sockets: &SocketsTo) -> String {
    let mut parts = vec![format!(
        "{} in {netns} to {}, {} of them in TIME_WAIT",
        count(sockets.sockets.into(), "socket"),
        sockets.destination,
        thousands(sockets.time_wait.into())
    )];
    parts.extend(
        sockets
            .holder
            .map(|(of, held)| format!("; {} holds {}", process(of.pid, of.comm), thousands(held.into()))),
    );
    parts.extend(sockets.range.as_ref().map(|range| {
        format!(
            "; {} of the {} local ports from {} to {} cannot be had for another",
            thousands(sockets.taken.into()),
            thousands(sockets.ports().into()),
            range.start(),
            range.end()
        )
    }));
    parts.concat()
}
