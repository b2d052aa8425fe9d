//! Bringing packets (drops, RSTs) and connections together.

use super::answers::Asker;
use super::config::{LINK_PATIENCE, MAX_DROPS_PER_FLOW, MAX_LINKS, PACKET_PATIENCE};
use super::flow::{Certainty, DropSeen, Flow, Phase, ResetSeen};
use super::join;
use super::judge::ECONNREFUSED;
use super::packets::{PacketSeen, What};
use super::strays;
use super::theory;
use super::tracker::{Link, Tracker, new_flow};
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::event::{Change, ConntrackChange, Event, EventKind, Packet, RstMaker};
use crate::model::finding::Way;
use crate::model::identity::Netns;
use crate::model::inquiry::Question;
use crate::model::reason::{DropReason, RstReason};
use crate::model::tcp::{self, ConntrackState};
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;

enum Joined {
    Done,
    /// A connection fits, but which one depends on an inquiry.
    Waiting,
    Nobody,
}

impl Tracker {
    /// Gives the packet to the connections it belongs to, or keeps it until they show up.
    pub(super) fn handle_packet(&mut self, seen: PacketSeen) {
        let at = seen.at;
        let stray = strays::is_stray(&seen).then(|| seen.clone());
        let waiting = match self.try_join(&seen) {
            Joined::Done => {
                if let Some(seen) = stray {
                    self.ask_stray(&seen, None);
                }
                return;
            }
            // A RST that a translated packet met is a finding of its own if nobody on this host claims it.
            Joined::Nobody if matches!(seen.what, What::Reset(_)) => self.config.settle,
            Joined::Waiting => LINK_PATIENCE,
            Joined::Nobody => PACKET_PATIENCE,
        };
        let (id, evicted) = self.packets.insert(seen);
        self.totals.evicted += u64::from(evicted.is_some());
        self.packet_deadlines.arm(at + waiting, id);
        if let Some(seen) = stray {
            self.ask_stray(&seen, Some(id));
        }
    }

    /// The flows that the packet could belong to, with their namespaces.
    fn candidates(&self, seen: &PacketSeen) -> Vec<(u64, Netns)> {
        let mut candidates = Vec::new();
        for pair in seen.pairs() {
            for id in self.flows.by_pair(pair) {
                let Some(flow) = self.flows.get(*id) else { continue };
                let fits = join::direction(flow, seen).is_some();
                if fits && !candidates.iter().any(|(other, _)| other == id) {
                    candidates.push((*id, flow.netns));
                }
            }
        }
        candidates
    }

    fn try_join(&mut self, seen: &PacketSeen) -> Joined {
        let candidates = self.candidates(seen);
        if candidates.is_empty() {
            return Joined::Nobody;
        }
        let far = if candidates.iter().any(|(_, netns)| *netns == seen.netns) {
            None
        } else {
            match self.far_end(seen) {
                Link::Asked => {
                    self.await_link(&candidates, seen.at);
                    return Joined::Waiting;
                }
                Link::Known(far) => far,
            }
        };
        self.join(&candidates, seen, far);
        Joined::Done
    }

    /// Until it is known whose the packet is, none of them is judged: it may be what explains the end.
    fn await_link(&mut self, candidates: &[(u64, Netns)], since: Timestamp) {
        for (id, _) in candidates {
            if let Some(flow) = self.flows.get_mut(*id) {
                flow.awaits_link = Some(since + LINK_PATIENCE);
            }
        }
    }

    fn join(&mut self, candidates: &[(u64, Netns)], seen: &PacketSeen, far: Option<Netns>) {
        for (id, _) in candidates {
            if let Some(flow) = self.flows.get_mut(*id) {
                flow.awaits_link = None;
            }
            self.touch(Some(*id));
        }
        for (id, certainty) in join::owners(candidates, seen.netns, far) {
            self.attach(id, seen, certainty);
        }
    }

    /// The namespace behind the packet's device: asked for once.
    fn far_end(&mut self, seen: &PacketSeen) -> Link {
        // Only a drop is reported with its place; whom else a RST could mean does not matter.
        let (Some(ifindex), What::Drop(_) | What::Rejected) = (seen.packet.ifindex, &seen.what) else {
            return Link::Known(None);
        };
        let key = (seen.netns.id(), ifindex);
        if let Some(link) = self.links.get(&key) {
            return *link;
        }
        let asker = Asker::Link { netns: key.0, ifindex };
        let question = Question::Link { ifindex };
        if !self
            .inquiries
            .ask(seen.at, asker, seen.netns, None, question, &mut self.totals)
        {
            return Link::Known(None);
        }
        if self.links.len() >= MAX_LINKS {
            self.links.pop_first();
        }
        self.links.insert(key, Link::Asked);
        Link::Asked
    }

    fn attach(&mut self, id: u64, seen: &PacketSeen, certainty: Certainty) {
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        let Some(direction) = join::direction(flow, seen) else {
            return;
        };
        let before = flow.leaving();
        if let Some(entry) = seen.packet.conntrack.filter(|_| seen.netns == flow.netns) {
            flow.conntrack = Some(Box::new(entry));
        }
        // A RST of its own that is lost is not what its connection waits for.
        let ends = seen.packet.tcp_flags & tcp::RST != 0;
        match &seen.what {
            What::Drop(_) if ends && direction == Direction::Original => {}
            What::Drop(dropped) => {
                let location = dropped.location.clone();
                let mut rejected = false;
                if let Some(drop) = drop_of(flow, seen, dropped.reason, direction, certainty) {
                    drop.drops += 1;
                    drop.location = drop.location.take().or(location);
                    rejected = drop.rejected;
                }
                if rejected {
                    let rst = seen.packet.tuple.inverted();
                    self.resets.remember(seen.at, RstMaker::Netfilter, rst);
                }
            }
            What::Rejected => {
                if let Some(drop) = drop_of(flow, seen, DropReason::Netfilter, direction, certainty) {
                    drop.resets += 1;
                    drop.rejected = true;
                }
                let reset = || Box::new(reset_seen(seen, RstMaker::Netfilter, None));
                flow.rule_reset.get_or_insert_with(reset);
                let rst = seen.packet.tuple.inverted();
                self.resets.remember(seen.at, RstMaker::Netfilter, rst);
            }
            What::Reset(sent) if direction == Direction::Original => {
                flow.reset = Some(Box::new(reset_seen(seen, sent.maker, sent.reason)));
            }
            What::Reset(_) => {}
        }
        self.flows.reindex(id, before);
    }

    /// What conntrack says of a connection's entry while it is under suspicion.
    pub(super) fn handle_conntrack(&mut self, event: &Event, changed: &ConntrackChange) {
        let netns = event.netns;
        // After its end an entry explains nothing that comes later; its last state stays known.
        let entry = changed.entry;
        if changed.change == Change::Destroy {
            return self.entry_deleted(event.at, netns, changed);
        }
        self.entry_came(netns, &entry);
        for own in [entry.original, entry.reply] {
            for id in self.flows.by_pair(own.into()).to_vec() {
                let Some(flow) = self.flows.get_mut(id) else { continue };
                if flow.netns != netns || flow.tuple != own {
                    continue;
                }
                let before = flow.leaving();
                flow.conntrack = Some(Box::new(entry));
                let leaving = flow.leaving();
                self.flows.reindex(id, before);
                self.claim_packets(leaving);
                self.touch(Some(id));
            }
        }
    }

    /// Looks through the packets that waited for a flow with this tuple.
    pub(super) fn claim_packets(&mut self, tuple: Tuple) {
        for packet in self.packets.by_pair(tuple.into()) {
            self.retry_packet(packet);
        }
    }

    fn retry_packet(&mut self, packet: u64) {
        let Some(seen) = self.packets.get(packet).cloned() else {
            return;
        };
        match self.try_join(&seen) {
            Joined::Done => drop(self.packets.remove(packet)),
            Joined::Waiting => self.packet_deadlines.arm(seen.at + LINK_PATIENCE, packet),
            Joined::Nobody => {}
        }
    }

    /// After a link became known: the packets of its device may find their connection now.
    pub(super) fn rejoin_packets(&mut self, netns: u64, ifindex: u32) {
        for packet in self.packets.of_device(netns, ifindex) {
            self.retry_packet(packet);
        }
    }

    /// Nobody claimed it in time.
    pub(super) fn packet_expired(&mut self, id: u64) {
        let Some(seen) = self.packets.get(id).cloned() else {
            return;
        };
        self.packets.remove(id);
        let candidates = self.candidates(&seen);
        if !candidates.is_empty() {
            // Nobody could tell where its device leads.
            return self.join(&candidates, &seen, None);
        }
        let redirected = seen.packet.conntrack.filter(Conntrack::redirects);
        let (What::Reset(sent), Some(entry)) = (&seen.what, redirected) else {
            self.totals.unmatched_packets += 1;
            return;
        };
        let stolen = theory::is_no_socket(sent.maker, sent.reason) && seen.packet.tuple == entry.leaving();
        if !stolen || !self.config.wants(seen.netns) {
            self.totals.unmatched_packets += 1;
            return;
        }
        // A stolen port refused somebody whose socket is not on this host.
        let flow = self.enter(inbound_flow(&seen, entry.original), seen.at);
        self.attach(flow, &seen, Certainty::Certain);
        self.touch(Some(flow));
    }
}

/// A connection of a remote initiator, known only by the packet that was refused.
fn inbound_flow(seen: &PacketSeen, original: Tuple) -> Flow {
    let ended = Phase::Ended {
        at: seen.at,
        errno: ECONNREFUSED,
        connected: false,
    };
    let event = Event {
        at: seen.at,
        cpu: 0,
        netns: seen.netns,
        socket: None,
        tuple: Some(original),
        owner: None,
        kind: EventKind::Connect,
    };
    Flow {
        way: Way::Inbound,
        ..new_flow(&event, original, ended)
    }
}

/// The flow's drops of this packet's kind, entered if these are the first; `None` where there are too many kinds.
fn drop_of<'a>(
    flow: &'a mut Flow,
    seen: &PacketSeen,
    reason: DropReason,
    direction: Direction,
    certainty: Certainty,
) -> Option<&'a mut DropSeen> {
    let place = join::place(flow, seen, direction);
    let Packet {
        tuple,
        mark,
        ifindex,
        tcp_flags,
        conntrack,
        ..
    } = seen.packet;
    let same = |drop: &DropSeen| drop.reason == reason && drop.netns == seen.netns && drop.direction == direction;
    if let Some(index) = flow.drops.iter().position(same) {
        let drop = flow.drops.get_mut(index)?;
        drop.at = drop.at.min(seen.at);
        drop.certainty = drop.certainty.max(certainty);
        return Some(drop);
    }
    if flow.drops.len() >= MAX_DROPS_PER_FLOW {
        return None;
    }
    let closed = conntrack.is_some_and(|entry| entry.state == Some(ConntrackState::Close));
    let reset_before = flow.reset_received.is_some_and(|(at, _)| at < seen.at) || flow.reset.is_some();
    // Nearly always the only one.
    flow.drops.reserve_exact(1);
    flow.drops.push(DropSeen {
        at: seen.at,
        drops: 0,
        resets: 0,
        reason,
        location: None,
        netns: seen.netns,
        place,
        ifindex,
        direction,
        packet: tuple,
        tcp_flags,
        mark,
        conntrack,
        rejected: closed && !reset_before,
        certainty,
    });
    flow.drops.last_mut()
}

pub(super) fn reset_seen(seen: &PacketSeen, maker: RstMaker, reason: Option<RstReason>) -> ResetSeen {
    ResetSeen {
        at: seen.at,
        netns: seen.netns,
        maker,
        reason,
        packet: seen.packet.tuple,
        ifindex: seen.packet.ifindex,
        mark: seen.packet.mark,
        conntrack: seen.packet.conntrack,
    }
}
