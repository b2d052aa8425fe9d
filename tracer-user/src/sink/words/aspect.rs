//! What was looked at because a theory needed it, in words.

use crate::model::aspect::{Attached, Connected, Filter, Seen, SocketsTo};
use crate::sink::text::Shown;
use crate::sink::words::{count, evidence, process, thousands};

/// Where it was read.
pub(super) fn source(seen: &Seen) -> &'static str {
    match seen {
        Seen::Setting(_) => "sysctl",
        Seen::ConntrackCount(_) | Seen::ConntrackStatistics(_) => "ctnetlink",
        Seen::Neighbour(_) | Seen::Attached(_) => "rtnetlink",
        Seen::ConnectionsOpened(_) => "snmp",
        Seen::Through(_) | Seen::SocketsTo(_) | Seen::Listening(_) | Seen::Sockets { .. } => "sock_diag",
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
        Seen::ConntrackStatistics(counted) => format!(
            "conntrack counted {} drops, {} early drops and {} failed insertions in {netns}",
            thousands(u64::from(counted.drop)),
            thousands(u64::from(counted.early_drop)),
            thousands(u64::from(counted.insert_failed))
        ),
        Seen::Neighbour(neighbour) => {
            format!(
                "the neighbour {} is {} in {netns}",
                neighbour.address,
                neighbour.state.name()
            )
        }
        Seen::Attached(attached) => self::attached(netns, attached),
        Seen::Sockets { local, sockets } if sockets.is_empty() => {
            format!("no connection in {netns} has the local end {local}")
        }
        Seen::Sockets { sockets, .. } => {
            let all: Vec<_> = sockets.iter().map(one_connected).collect();
            format!("in {netns} there is {}", all.join(" and "))
        }
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

fn attached(netns: &str, attached: &Attached) -> String {
    let mut all: Vec<_> = attached.filters.iter().map(filter).collect();
    if attached.xdp != 0 {
        all.push(format!("the XDP program {}", attached.xdp));
    }
    let device = Shown(attached.device.as_bytes());
    if all.is_empty() {
        format!("nothing that could drop packets is attached to {device} in {netns}")
    } else {
        format!("attached to {device} in {netns}: {}", all.join(", "))
    }
}

/// `the egress filter flower of preference 49152, which drops`.
pub(super) fn filter(filter: &Filter) -> String {
    let way = if filter.egress { "egress" } else { "ingress" };
    let drops = if filter.drops { ", which drops" } else { "" };
    let program = filter.program.as_deref();
    let program = program.map_or(String::new(), |name| format!(" ({})", Shown(name.as_bytes())));
    format!(
        "the {way} filter {}{program} of preference {}{drops}",
        Shown(filter.kind.as_bytes()),
        filter.preference
    )
}

fn one_connected(connected: &Connected) -> String {
    let Connected { tuple, socket } = connected;
    let state = socket.state.map_or("in an unknown state", |state| state.name());
    let holder = socket.process.map(|of| format!(" of {}", process(of.pid, of.comm)));
    format!("{tuple}{}, {state}", holder.unwrap_or_default())
}
