//! Which sockets there are to one endpoint or on one port, and who holds them.

use super::value;
use crate::inspect::socket::Socket;
use crate::inspect::source::allowance::Allowance;
use crate::inspect::source::probe::Probe;
use crate::inspect::source::process;
use crate::model::aspect::{Connected, LISTENERS_MAX, SOCKETS_MAX, Seen, SocketsTo};
use crate::model::identity::Process;
use crate::model::tcp::TcpState;
use crate::model::tuple::{Endpoint, Tuple};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

pub(super) fn listeners(probe: &mut Probe, inode: u32, port: u16) -> Vec<Seen> {
    let mut found = probe.listeners(Some(port)).unwrap_or_default();
    found.truncate(LISTENERS_MAX);
    let inodes = found.iter().map(|socket| socket.inode).collect();
    let processes = process::holders(&inodes, &HashSet::from([inode]));
    let told = |socket: Socket| Seen::Listening(socket.listener(processes.get(&socket.inode).copied()));
    found.into_iter().map(told).collect()
}

pub(super) fn connected(probe: &mut Probe, inode: u32, source: IpAddr, destination: Endpoint) -> Option<Seen> {
    let mut sockets = probe.connected_to(destination.port).ok()?;
    sockets.retain(|socket| socket.tuple.destination == destination && socket.tuple.source.address == source);
    let range = value("net/ipv4/ip_local_port_range").and_then(|text| range(&text));
    let reserved = value("net/ipv4/ip_local_reserved_ports").map(|text| reserved(&text));
    // A port that somebody bound is not chosen for others.
    let listening = probe.listeners(None).unwrap_or_default();
    let mut taken: BTreeSet<u16> = reserved.into_iter().flatten().flatten().collect();
    taken.extend(sockets.iter().chain(&listening).map(|socket| socket.tuple.source.port));
    let taken = taken
        .iter()
        .filter(|port| range.as_ref().is_some_and(|range| range.contains(port)));
    Some(Seen::SocketsTo(Box::new(SocketsTo {
        destination,
        sockets: number(sockets.len()),
        time_wait: number(
            sockets
                .iter()
                .filter(|socket| socket.state == Some(TcpState::TimeWait))
                .count(),
        ),
        taken: number(taken.count()),
        holder: holder(&sockets, inode),
        range,
    })))
}

/// The connections that have this local end. The kernel walks all its sockets for it, and packets that met none come by
/// the thousand: `None` also where too many were asked for lately.
pub(super) fn local(probe: &mut Probe, searches: &mut Allowance, inode: u32, local: Endpoint) -> Option<Seen> {
    if !searches.is_left() {
        return None;
    }
    let mut own = searches.spend(|| probe.connected(local.port)).ok()?;
    own.retain(|socket| socket.tuple.source == local);
    Some(told(inode, local, own))
}

/// The socket that these packets meet.
pub(super) fn other_end(probe: &mut Probe, inode: u32, leaving: Tuple) -> Option<Seen> {
    let ends = leaving.inverted();
    let mut met = probe.connected(ends.source.port).ok()?;
    met.retain(|socket| socket.tuple == ends);
    (!met.is_empty()).then(|| told(inode, ends.source, met))
}

fn told(inode: u32, local: Endpoint, mut own: Vec<Socket>) -> Seen {
    own.truncate(SOCKETS_MAX);
    let inodes = own.iter().map(|socket| socket.inode).collect();
    let processes = process::holders(&inodes, &HashSet::from([inode]));
    let told = |socket: &Socket| Connected {
        tuple: socket.tuple,
        socket: socket.info(processes.get(&socket.inode).copied()),
    };
    Seen::Sockets {
        local,
        sockets: own.iter().map(told).collect(),
    }
}

/// The process that holds most of the sockets.
fn holder(sockets: &[Socket], inode: u32) -> Option<(Process, u32)> {
    let inodes = sockets.iter().map(|socket| socket.inode).collect();
    let processes = process::holders(&inodes, &HashSet::from([inode]));
    let mut held: BTreeMap<u32, (Process, u32)> = BTreeMap::new();
    for process in sockets.iter().filter_map(|socket| processes.get(&socket.inode)) {
        held.entry(process.pid).or_insert((*process, 0)).1 += 1;
    }
    held.into_values().max_by_key(|(_, count)| *count)
}

/// The first and the last, such as `32768 60999`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut ports = text.split_whitespace().map(str::parse);
    Some(ports.next()?.ok()?..=ports.next()?.ok()?)
}

/// `8080,9000-9010`.
fn reserved(text: &str) -> Vec<RangeInclusive<u16>> {
    let one = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(one).collect()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_ranges_are_read_as_the_kernel_writes_them() {
        assert_eq!(range("32768\t60999\n"), Some(32768..=60999));
        assert_eq!(range("32768"), None);
        assert_eq!(reserved("8080,9000-9002\n"), [8080..=8080, 9000..=9002]);
        assert_eq!(reserved("\n"), []);
    }
}
