//! Looks at aspects of the namespace that the thread is in. What cannot be read is left out.

use super::probe::Probe;
use super::through;
use super::zones::Zones;
use crate::model::aspect::{ASPECTS_MAX, Aspect, Connected, SOCKETS_MAX, Seen, Setting};
use crate::model::identity::Process;
use crate::model::tuple::Endpoint;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, netdevice};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};
use std::sync::Arc;

/// `inode` is the namespace's.
pub(super) fn look(probe: &mut Probe, zones: &mut Zones, inode: u32, aspects: &[Aspect]) -> Vec<Seen> {
    let aspects = aspects.get(..ASPECTS_MAX).unwrap_or(aspects);
    let seen = aspects.iter().filter_map(|aspect| one(probe, zones, inode, aspect));
    seen.collect()
}

fn one(probe: &mut Probe, zones: &mut Zones, inode: u32, aspect: &Aspect) -> Option<Seen> {
    match aspect {
        Aspect::Setting(path) => setting(path),
        Aspect::DeviceSetting { path, ifindex } => {
            let device = netdevice::index_to_name(socket().ok()?, *ifindex).ok()?;
            setting(&path.replace("{}", &device))
        }
        Aspect::ConntrackCount => probe.conntrack_count().ok().map(Seen::ConntrackCount),
        Aspect::Through { destination, process } => through::look(probe, zones, inode, *destination, *process)
            .ok()
            .map(Seen::Through),
        Aspect::Sockets { local } => sockets(probe, *local),
    }
}

fn sockets(probe: &mut Probe, local: Endpoint) -> Option<Seen> {
    let all = probe.connected(local.port).ok()?;
    let own = all.iter().filter(|socket| socket.tuple.source == local);
    let own = own.map(|socket| Connected {
        tuple: socket.tuple,
        socket: socket.info(None),
    });
    Some(Seen::Sockets {
        local,
        sockets: own.take(SOCKETS_MAX).collect(),
    })
}

/// The inodes of the sockets that were seen.
pub(super) fn inodes(seen: &[Seen]) -> impl Iterator<Item = u32> {
    let sockets = seen.iter().flat_map(|seen| match seen {
        Seen::Sockets { sockets, .. } => sockets.as_slice(),
        Seen::Setting(_) | Seen::ConntrackCount(_) | Seen::Through(_) => &[],
    });
    sockets.map(|connected| connected.socket.inode)
}

/// Fills in who holds them.
pub(super) fn name_holders(seen: &mut [Seen], holder: impl Fn(u32) -> Option<Process>) {
    for seen in seen {
        if let Seen::Sockets { sockets, .. } = seen {
            for connected in sockets {
                connected.socket.process = holder(connected.socket.inode);
            }
        }
    }
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
