//! What was looked at because a theory needed it, in words.

use crate::model::aspect::{Attached, Filter, Seen};
use crate::sink::text::Shown;
use crate::sink::words::{count, thousands};

/// Where it was read.
pub(super) fn source(seen: &Seen) -> &'static str {
    match seen {
        Seen::Setting(_) => "sysctl",
        Seen::ConntrackCount(_) | Seen::ConntrackStatistics(_) => "ctnetlink",
        Seen::Neighbour(_) | Seen::Attached(_) => "rtnetlink",
        Seen::Through(_) => "sock_diag",
    }
}

/// A sentence without its full stop; `netns` is where it was seen.
pub(super) fn sentence(netns: &str, seen: &Seen) -> String {
    match seen {
        Seen::Setting(setting) => format!("{} is {} in {netns}", setting.name(), setting.value),
        Seen::ConntrackCount(entries) => {
            format!("conntrack has {} entries in {netns}", thousands(u64::from(*entries)))
        }
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
        Seen::Through(through) => {
            let legs = u64::try_from(through.legs.len()).unwrap_or(u64::MAX) + u64::from(through.left_out);
            let go = if legs == 1 { "goes" } else { "go" };
            format!("{} in {netns} {go} through the process", count(legs, "connection"))
        }
    }
}

fn attached(netns: &str, attached: &Attached) -> String {
    let mut all: Vec<_> = attached.filters.iter().map(filter).collect();
    if attached.xdp != 0 {
        all.push(format!("the XDP program {}", attached.xdp));
    }
    let device = Shown(attached.device.as_bytes());
    match all.is_empty() {
        true => format!("nothing that could drop packets is attached to {device} in {netns}"),
        false => format!("attached to {device} in {netns}: {}", all.join(", ")),
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
