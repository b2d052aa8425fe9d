//! Looks into every namespace for connections that the kernel completed and nobody accepted.
//!
//! A namespace that cannot be looked at is left out: the next sweep tries again.

use super::netns::Namespaces;
use super::probe::{Probe, ProbeError};
use super::process;
use super::zones::Zones;
use crate::inspect::queue::assign;
use crate::inspect::socket::Socket;
use crate::model::conntrack::Conntrack;
use crate::model::identity::Netns;
use crate::model::inquiry::Waiting;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Instant;

pub(super) fn sweep(namespaces: &mut Namespaces, zones: &mut Zones, deadline: Instant) -> Vec<Waiting> {
    let mut seen = Vec::new();
    for (inode, path) in namespaces.all() {
        let room = WAITING_MAX.saturating_sub(seen.len());
        if room == 0 || Instant::now() >= deadline {
            tracing::warn!(waiting = seen.len(), "sweep of the accept queues ended early");
            break;
        }
        let Ok(found) = namespaces.open_path(inode, path) else {
            continue;
        };
        match namespaces.inside(&found, |netns| look(netns, found.enter.as_ref(), zones, room, deadline)) {
            Ok(Ok(waiting)) => seen.extend(waiting),
            Ok(Err(error)) => tracing::debug!(inode, %error, "cannot look at accept queues"),
            Err(error) => tracing::debug!(%error, "cannot look at accept queues"),
        }
    }
    with_processes(seen)
}

/// A [`Waiting`] without its processes.
struct Seen {
    netns: Netns,
    enter: Option<Arc<str>>,
    listener: Socket,
    child: Socket,
    conntrack: Option<Conntrack>,
    client: Option<Socket>,
}

fn look(
    netns: Netns,
    enter: Option<&Arc<str>>,
    zones: &mut Zones,
    room: usize,
    deadline: Instant,
) -> Result<Vec<Seen>, ProbeError> {
    let mut probe = Probe::new(deadline);
    let mut listeners = probe.listeners(None)?;
    listeners.retain(|listener| listener.receive_queue > 0);
    let ports: BTreeSet<u16> = listeners.iter().map(|listener| listener.tuple.source.port).collect();
    let mut children = Vec::new();
    for port in ports {
        children.extend(probe.acceptable(port)?);
    }
    let mut seen = Vec::new();
    for (listener, child) in assign(&listeners, &children).into_iter().take(room) {
        let conntrack = probe.conntrack(child.tuple, zones).ok().flatten();
        // Before translation, where there is one: as the client has it.
        let client = conntrack.map_or(child.tuple.inverted(), |entry| entry.original);
        seen.push(Seen {
            netns,
            enter: enter.cloned(),
            listener: listener.clone(),
            child: child.clone(),
            conntrack,
            client: probe.socket(client)?,
        });
    }
    Ok(seen)
}

fn with_processes(seen: Vec<Seen>) -> Vec<Waiting> {
    let inodes = seen
        .iter()
        .flat_map(|seen| std::iter::once(&seen.listener).chain(&seen.client))
        .map(|socket| socket.inode)
        .collect();
    let namespaces: HashSet<u32> = seen.iter().map(|seen| seen.netns.inode).collect();
    let processes = process::holders(&inodes, &namespaces);
    let process = |socket: &Socket| processes.get(&socket.inode).copied();
    seen.into_iter()
        .map(|seen| Waiting {
            netns: seen.netns,
            enter: seen.enter,
            listener: seen.listener.listener(process(&seen.listener)),
            tuple: seen.child.tuple,
            receive_queue: seen.child.receive_queue,
            conntrack: seen.conntrack,
            client: seen.client.map(|client| client.info(process(&client))),
        })
        .collect()
}

/// Connections told by one sweep.
const WAITING_MAX: usize = 256;
