//! Looks at aspects of the namespace that the thread is in. What cannot be read is left out.

use super::probe::Probe;
use super::through;
use super::zones::Zones;
use crate::model::aspect::{ASPECTS_MAX, Aspect, Attached, Neighbour, Seen, Setting};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, netdevice};
use std::fs;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};
use std::sync::Arc;

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// The namespace's.
    pub(super) inode: u32,
    /// Where the packets of the connection go that is asked about, if one is.
    pub(super) target: Option<IpAddr>,
}

pub(super) fn look(probe: &mut Probe, zones: &mut Zones, scope: Scope, aspects: &[Aspect]) -> Vec<Seen> {
    let aspects = aspects.get(..ASPECTS_MAX).unwrap_or(aspects);
    let seen = aspects.iter().filter_map(|aspect| one(probe, zones, scope, aspect));
    seen.collect()
}

fn one(probe: &mut Probe, zones: &mut Zones, scope: Scope, aspect: &Aspect) -> Option<Seen> {
    match aspect {
        Aspect::Setting(path) => setting(path),
        Aspect::DeviceSetting { path, ifindex } => setting(&path.replace("{}", &device(*ifindex)?)),
        Aspect::ConntrackCount => probe.conntrack_count().ok().map(Seen::ConntrackCount),
        Aspect::ConntrackStatistics => probe.conntrack_statistics().ok().map(Seen::ConntrackStatistics),
        Aspect::Neighbour(address) => {
            let address = address.or(scope.target)?;
            let state = probe.neighbour(address).ok()??;
            Some(Seen::Neighbour(Neighbour { address, state }))
        }
        Aspect::Attached { ifindex } => Some(Seen::Attached(Attached {
            device: device(*ifindex)?.into(),
            filters: probe.filters(*ifindex).unwrap_or_default(),
            xdp: probe.xdp(*ifindex).unwrap_or_default(),
        })),
        Aspect::Through { destination, process } => through::look(probe, zones, scope.inode, *destination, *process)
            .ok()
            .map(Seen::Through),
    }
}

fn device(ifindex: u32) -> Option<String> {
    netdevice::index_to_name(socket().ok()?, ifindex).ok()
}

/// Of the namespace, to ask about its devices.
fn socket() -> Result<OwnedFd, Errno> {
    net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

/// The settings below `net` are those of the reading thread's namespace.
fn setting(path: &str) -> Option<Seen> {
    let inside = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let value = fs::read_to_string(Path::new("/proc/sys").join(path)).ok();
    let value = value.filter(|_| inside)?;
    Some(Seen::Setting(Setting {
        path: path.into(),
        value: Arc::from(value.trim()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

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
