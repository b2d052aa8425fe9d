//! Whether a packet belongs to a connection, which way it goes, and how sure that is. Pure.

use super::flow::{Certainty, Flow, Phase};
use super::flows::Handle;
use super::packets::PacketSeen;
use crate::model::conntrack::Direction;
use crate::model::evidence::Place;
use crate::model::identity::Netns;
use crate::model::tuple::Tuple;
use smallvec::SmallVec;

/// The flows that a packet may belong to, with their namespaces: nearly always one.
pub(super) type Candidates = SmallVec<[(Handle, Netns); 2]>;

/// The direction of the packet relative to the flow's socket; `None`: it is not of this flow.
///
/// In the flow's own namespace the packet's conntrack entry must be the flow's (its original tuple is what the
/// initiating socket has, the inverse of its reply tuple what an accepting one has); in another namespace the tuple as it
/// enters there must be the flow's as it leaves.
pub(super) fn direction(flow: &Flow, seen: &PacketSeen) -> Option<Direction> {
    if matches!(flow.phase, Phase::Ended { at, .. } if seen.at > at) {
        // Of a later connection with the same tuple: what ends a connection comes after its packets.
        return None;
    }
    let packet = seen.packet.tuple;
    let here = if seen.netns == flow.netns() {
        flow.tuple
    } else {
        flow.leaving()
    };
    let plain = |own: Tuple| match packet {
        _ if packet == own => Some(Direction::Original),
        _ if packet == own.inverted() => Some(Direction::Reply),
        _ => None,
    };
    let Some(entry) = &seen.packet.conntrack else {
        return plain(here).or_else(|| plain(flow.leaving()));
    };
    if entry.original == here {
        entry.direction(packet)
    } else if entry.reply == here {
        // The flow's socket is the accepting side: what it sends is the entry's reply direction.
        entry.direction(packet).map(|direction| match direction {
            Direction::Original => Direction::Reply,
            Direction::Reply => Direction::Original,
        })
    } else {
        plain(here)
    }
}

/// Who of the candidates (flow and namespace) owns a packet of the namespace `here`, and how sure that is.
/// `far` is the namespace behind the packet's device, where that is known.
pub(super) fn owners(
    candidates: &[(Handle, Netns)],
    here: Netns,
    far: Option<Netns>,
) -> SmallVec<[(Handle, Certainty); 2]> {
    let within = |netns: Netns| candidates.iter().filter(move |(_, of)| *of == netns).map(|(id, _)| *id);
    let local: SmallVec<_> = within(here).map(|id| (id, Certainty::Certain)).collect();
    if !local.is_empty() {
        return local;
    }
    let linked: SmallVec<_> = far
        .into_iter()
        .flat_map(within)
        .map(|id| (id, Certainty::Certain))
        .collect();
    if !linked.is_empty() {
        return linked;
    }
    let certainty = if candidates.len() > 1 {
        Certainty::Ambiguous
    } else {
        Certainty::OnlyCandidate
    };
    candidates.iter().map(|(id, _)| (*id, certainty)).collect()
}

/// Where the packet was dropped, as far as its namespace, device and direction tell.
pub(super) fn place(flow: &Flow, seen: &PacketSeen, direction: Direction) -> Place {
    if seen.packet.ifindex.is_none() {
        return Place::Output;
    }
    let translated_here = seen.packet.conntrack.is_some_and(|entry| entry.translated().is_some());
    match direction {
        _ if seen.netns != flow.netns() => Place::Forward,
        Direction::Reply => Place::Input,
        // A packet that the socket sent comes back with a device only when it goes to a local address (lo) …
        Direction::Original if translated_here || is_local(flow.tuple) => Place::Input,
        // … or when it was looked at after routing (POSTROUTING, egress).
        Direction::Original => Place::Output,
    }
}

fn is_local(tuple: Tuple) -> bool {
    tuple.destination.address.is_loopback() || tuple.destination.address == tuple.source.address
}
