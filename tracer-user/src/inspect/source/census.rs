//! Looks into every namespace for connections that hang: no answer to a SYN, no acknowledgement of data.
//!
//! A namespace that cannot be looked at is left out and named in the log.

use super::clock::now;
use super::netns::Namespaces;
use super::probe::{Probe, ProbeError};
use super::process;
use crate::inspect::socket::{Family, Socket};
use crate::model::identity::Netns;
use crate::model::inquiry::{Census, SocketInfo, Stalled};
use crate::model::time::Timestamp;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

pub(super) fn census(namespaces: &mut Namespaces, deadline: Instant) -> Census {
    let (mut seen, mut left_out) = (Vec::new(), 0);
    let all = namespaces.all();
    let total = all.len();
    for (index, (inode, path)) in all.into_iter().enumerate() {
        if Instant::now() >= deadline {
            let missed = total - index;
            tracing::warn!(missed, "no time to look for hung connections in all namespaces");
            break;
        }
        let entrance = Arc::clone(&path);
        let Ok(found) = namespaces.open_path(inode, path) else {
            tracing::debug!(%entrance, "a namespace is gone before it was looked at");
            continue;
        };
        let enter = found.enter.clone();
        match namespaces.inside(&found, |netns| look(netns, enter.as_ref(), deadline)) {
            Ok(Ok((stalled, more))) => {
                seen.extend(stalled);
                left_out += more;
                left_out += keep_various(&mut seen, |seen: &Seen| {
                    (seen.netns.id(), seen.socket.tuple.destination)
                });
            }
            Ok(Err(error)) => tracing::warn!(%entrance, %error, "cannot look for hung connections"),
            Err(error) => tracing::warn!(%entrance, %error, "cannot look for hung connections"),
        }
    }
    if left_out > 0 {
        tracing::warn!(
            told = seen.len(),
            left_out,
            "more connections hang already than are looked at; the others are found when they send again"
        );
    }
    Census {
        sockets: with_processes(seen),
        left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
    }
}

/// A [`Stalled`] without its process.
struct Seen {
    netns: Netns,
    enter: Option<Arc<str>>,
    at: Timestamp,
    socket: Socket,
}

/// Some of the namespace's, and how many more there were.
fn look(netns: Netns, enter: Option<&Arc<str>>, deadline: Instant) -> Result<(Vec<Seen>, usize), ProbeError> {
    let mut probe = Probe::new(deadline);
    let mut candidates = Vec::new();
    for family in Family::BOTH {
        candidates.extend(probe.stalled(family)?.into_iter().map(|socket| (family, socket)));
    }
    let left_out = keep_various(&mut candidates, |(_, socket): &(Family, Socket)| {
        socket.tuple.destination
    });
    let mut seen = Vec::new();
    for (family, candidate) in candidates {
        // It may have gone on meanwhile.
        let again = probe.again(&candidate, family)?.filter(Socket::is_stalled);
        seen.extend(again.map(|socket| Seen {
            netns,
            enter: enter.cloned(),
            at: now(),
            socket,
        }));
    }
    Ok((seen, left_out))
}

/// Keeps as many as are told, first one of each sort, then a second …, and returns how many that leaves out.
fn keep_various<T, K: Eq + Hash>(all: &mut Vec<T>, sort: impl Fn(&T) -> K) -> usize {
    let left_out = all.len().saturating_sub(SOCKETS_MAX);
    if left_out > 0 {
        let mut known: HashMap<K, usize> = HashMap::new();
        let mut ranked: Vec<_> = std::mem::take(all)
            .into_iter()
            .map(|one| {
                let rank = known.entry(sort(&one)).or_default();
                *rank += 1;
                (*rank, one)
            })
            .collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        all.extend(ranked.into_iter().take(SOCKETS_MAX).map(|(_, one)| one));
    }
    left_out
}

fn with_processes(seen: Vec<Seen>) -> Vec<Stalled> {
    let inodes = seen.iter().map(|seen| seen.socket.inode).collect();
    let namespaces: HashSet<u32> = seen.iter().map(|seen| seen.netns.inode).collect();
    let processes = process::holders(&inodes, &namespaces);
    let stalled = |Seen {
                       netns,
                       enter,
                       at,
                       socket,
                   }| Stalled {
        netns,
        enter,
        at,
        tuple: socket.tuple,
        cookie: socket.cookie,
        unacked: socket.send_queue.saturating_sub(socket.info.not_sent.unwrap_or(0)),
        backoff: socket.info.backoff,
        rto: socket.info.rto,
        left: socket.timer.unwrap_or_default(),
        socket: SocketInfo {
            // There may be many, and those that are found to hang are asked for it.
            sending: None,
            ..socket.info(processes.get(&socket.inode).copied())
        },
    };
    seen.into_iter().map(stalled).collect()
}

/// Connections told: as many as fit into one line of a recording.
const SOCKETS_MAX: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_does_not_hide_the_others() {
        let crowd = (0..SOCKETS_MAX + 10).map(|number| ("crowd", number));
        let mut all: Vec<_> = crowd.chain([("lonely", 0), ("twin", 0), ("twin", 1)]).collect();
        assert_eq!(keep_various(&mut all, |(sort, _)| *sort), 13);
        assert_eq!(all.len(), SOCKETS_MAX);
        assert_eq!(all.iter().filter(|(sort, _)| *sort != "crowd").count(), 3);
        assert_eq!(keep_various(&mut all, |(sort, _)| *sort), 0);
        assert_eq!(all.len(), SOCKETS_MAX);
    }
}
