//! Who goes to a destination through a proxy of the namespace that the thread is in.
//!
//! Answered by sockets and their conntrack entries, not by a dump of conntrack: a table can have a million entries.

use super::probe::{Probe, ProbeError};
use super::process;
use super::zones::Zones;
use crate::inspect::socket::Socket;
use crate::model::aspect::{LEGS_MAX, Leg, Through};
use crate::model::conntrack::Conntrack;
use crate::model::tuple::Endpoint;
use std::collections::HashSet;

/// Connections to the destination that are redirected to a listener of this process.
pub(super) fn look(
    probe: &mut Probe,
    zones: &mut Zones,
    inode: u32,
    destination: Endpoint,
    process: u32,
) -> Result<Through, ProbeError> {
    let mut sockets = probe.towards(destination)?;
    // The proxy's own go to it as well.
    let left_out = sockets.len().saturating_sub(SOCKETS_MAX);
    sockets.truncate(SOCKETS_MAX);
    let mut redirected: Vec<(Socket, Conntrack)> = Vec::new();
    for socket in sockets {
        let entry = probe.conntrack(socket.tuple, zones)?;
        redirected.extend(entry.filter(Conntrack::redirects).map(|entry| (socket, entry)));
    }
    let mut listeners: Vec<Socket> = Vec::new();
    let mut ports: Vec<u16> = redirected.iter().map(|(_, entry)| target(entry).port).collect();
    ports.sort_unstable();
    ports.dedup();
    for port in ports {
        listeners.extend(probe.listeners(Some(port))?);
    }
    let sockets = redirected.iter().map(|(socket, _)| socket);
    let inodes = sockets.chain(&listeners).map(|socket| socket.inode).collect();
    let holders = process::holders(&inodes, &HashSet::from([inode]));
    let holder = |socket: &Socket| holders.get(&socket.inode).copied();
    let taken = |entry: &Conntrack| {
        let mut serving = listeners.iter().filter(|listener| listener.serves(target(entry)));
        serving.any(|listener| holder(listener).is_some_and(|of| of.pid == process))
    };
    redirected.retain(|(_, entry)| taken(entry));
    let left_out = left_out + redirected.len().saturating_sub(LEGS_MAX);
    let legs = redirected.into_iter().take(LEGS_MAX).map(|(socket, entry)| Leg {
        tuple: socket.tuple,
        entry,
        socket: socket.info(holder(&socket)),
    });
    Ok(Through {
        legs: legs.collect(),
        left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
    })
}

fn target(entry: &Conntrack) -> Endpoint {
    entry.leaving().destination
}

/// Connections to the destination whose entries are asked for.
const SOCKETS_MAX: usize = 64;
