//! Looks at aspects of the namespace that the thread is in. What cannot be read is left out.

mod sockets;

use super::allowance::Allowance;
use super::probe::Probe;
use super::through;
use super::zones::Zones;
use crate::model::aspect::{ASPECTS_MAX, Aspect, Attached, Neighbour, Seen, Setting};
use crate::model::tuple::Tuple;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, netdevice};
use std::fs;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// The namespace's.
    pub(super) inode: u32,
    /// The packets of the connection that is asked about, if one is: as they leave, after translation.
    pub(super) leaving: Option<Tuple>,
}

pub(super) fn look(
    probe: &mut Probe,
    zones: &mut Zones,
    searches: &mut Allowance,
    scope: Scope,
    aspects: &[Aspect],
) -> Vec<Seen> {
    let aspects = aspects.get(..ASPECTS_MAX).unwrap_or(aspects);
    let mut seen = Vec::new();
    for aspect in aspects {
        match aspect {
            Aspect::Listeners(port) => seen.extend(sockets::listeners(probe, scope.inode, *port)),
            Aspect::SocketsTo { source, destination } => {
                seen.extend(sockets::connected(probe, scope.inode, *source, *destination));
            }
            Aspect::Sockets { local } => seen.extend(sockets::local(probe, searches, scope.inode, *local)),
            Aspect::OtherEnd => {
                seen.extend(scope.leaving.and_then(|of| sockets::other_end(probe, scope.inode, of)));
            }
            Aspect::Through { destination, process } => {
                let through = through::look(probe, zones, scope.inode, *destination, *process);
                seen.extend(through.ok().map(Seen::Through));
            }
            Aspect::Setting(path) => seen.extend(setting(path)),
            Aspect::DeviceSetting { path, ifindex } => {
                seen.extend(device(*ifindex).and_then(|device| setting(&path.replace("{}", &device))));
            }
            Aspect::ConnectionsOpened => seen.extend(connections_opened()),
            Aspect::ConntrackCount => seen.extend(probe.conntrack_count().ok().map(Seen::ConntrackCount)),
            Aspect::ConntrackStatistics => {
                seen.extend(probe.conntrack_statistics().ok().map(Seen::ConntrackStatistics));
            }
            Aspect::Neighbour(address) => {
                let target = scope.leaving.map(|leaving| leaving.destination.address);
                seen.extend(neighbour(probe, address.or(target)));
            }
            Aspect::Attached { ifindex } => seen.extend(attached(probe, *ifindex)),
        }
    }
    seen
}

fn neighbour(probe: &mut Probe, address: Option<IpAddr>) -> Option<Seen> {
    let address = address?;
    let state = probe.neighbour(address).ok()??;
    Some(Seen::Neighbour(Neighbour { address, state }))
}

fn attached(probe: &mut Probe, ifindex: u32) -> Option<Seen> {
    Some(Seen::Attached(Attached {
        device: device(ifindex)?.into(),
        filters: probe.filters(ifindex).unwrap_or_default(),
        xdp: probe.xdp(ifindex).unwrap_or_default(),
    }))
}

fn device(ifindex: u32) -> Option<String> {
    netdevice::index_to_name(socket().ok()?, ifindex).ok()
}

/// The counters are those of the reading thread's namespace.
fn connections_opened() -> Option<Seen> {
    let counters = fs::read_to_string("/proc/thread-self/net/snmp").ok()?;
    opened(&counters).map(Seen::ConnectionsOpened)
}

/// `ActiveOpens` and `PassiveOpens`: a line of names, and a line of numbers below it.
fn opened(counters: &str) -> Option<u64> {
    let mut tcp = counters.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, numbers) = (tcp.next()?.split(' '), tcp.next()?.split(' '));
    let is_open = |name: &str| matches!(name, "ActiveOpens" | "PassiveOpens");
    let opens = names.zip(numbers).filter(|(name, _)| is_open(name));
    let opens: Vec<u64> = opens.filter_map(|(_, number)| number.parse().ok()).collect();
    (opens.len() == 2).then(|| opens.iter().sum())
}

/// Of the namespace, to ask about its devices.
fn socket() -> Result<OwnedFd, Errno> {
    net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

/// The settings below `net` are those of the reading thread's namespace.
fn setting(path: &str) -> Option<Seen> {
    value(path).map(|value| {
        Seen::Setting(Setting {
            path: path.into(),
            value: value.trim().into(),
        })
    })
}

fn value(path: &str) -> Option<String> {
    let inside = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let value = fs::read_to_string(Path::new("/proc/sys").join(path)).ok();
    value.filter(|_| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_opened_is_added_up() {
        let counters =
            "Ip: Forwarding\nIp: 1\nTcp: RtoMin ActiveOpens PassiveOpens InSegs\nTcp: 200 5 7 90\nUdp: X\nUdp: 3";
        assert_eq!(opened(counters), Some(12));
        assert_eq!(opened("Tcp: ActiveOpens\nTcp: 5"), None);
        assert_eq!(opened("Tcp: ActiveOpens PassiveOpens"), None);
        assert!(opened(&fs::read_to_string("/proc/thread-self/net/snmp").unwrap()).is_some());
    }

    #[test]
    fn a_setting_is_read_from_below_proc_sys_only() {
        let Some(Seen::Setting(read)) = setting("net/ipv4/ip_local_port_range") else {
            panic!("every kernel has it");
        };
        assert_eq!(read.value.split_whitespace().count(), 2);
        assert_eq!(read.name(), "net.ipv4.ip_local_port_range");
        assert_eq!(setting("../uptime"), None);
        assert_eq!(setting("/etc/hostname"), None);
        assert_eq!(setting("net/ipv4/none"), None);
    }
}
