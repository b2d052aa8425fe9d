//! Bringing packets (drops, RSTs) and connections together.

use super::answers::Asker;
use super::config::{LINK_PATIENCE, MAX_DROPS_PER_FLOW, MAX_LINKS, PACKET_PATIENCE};
use super::flow::{Certainty, DropSeen, Flow, Phase, ResetSeen};
use super::flows::Handle;
use super::join::{self, Candidates};
use super::judge::ECONNREFUSED;
use super::origins::Origins;
use super::packets::{PacketSeen, What};
use super::strays;
use super::theory;
use super::tracker::{Link, Tracker};
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::event::{Change, ConntrackChange, Event, EventKind, Packet, RstMaker};
use crate::model::identity::Netns;
use crate::model::inquiry::Question;
use crate::model::reason::{DropReason, RstReason};
use crate::model::tcp::{self, ConntrackState};
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;
use std::sync::Arc;

enum Joined {
    Done,
    /// A connection fits, but which one depends on an inquiry.
    Waiting,
    Nobody,
}

impl Tracker {
    /// Gives the packet to the connections it belongs to, or keeps it until they show up.
    pub(super) fn handle_packet(&mut self, seen: PacketSeen) {
        let is_stray = strays::is_stray(&seen);
        let waiting = match self.try_join(&seen) {
            Joined::Done => {
                if is_stray {
                    self.ask_stray(&seen, None);
                }
                return;
            }
            // A RST that a translated packet met is a finding of its own if nobody on this host claims it.
            Joined::Nobody if matches!(seen.what, What::Reset { .. }) => self.config.settle,
            Joined::Waiting => LINK_PATIENCE,
            Joined::Nobody => PACKET_PATIENCE,
        };
        let seen = Arc::new(seen);
        let (id, evicted) = self.packets.insert(Arc::clone(&seen));
        self.totals.evicted += u64::from(evicted);
        self.packet_deadlines.arm(seen.at + waiting, id);
        if is_stray {
            self.ask_stray(&seen, Some(id));
        }
    }

    /// The flows that the packet could belong to, oldest first, with their namespaces.
    fn candidates(&self, seen: &PacketSeen) -> Candidates {
        let mut candidates = Candidates::new();
        seen.each_pair(|pair| {
            for (handle, flow) in self.flows.by_pair(pair) {
                if join::direction(flow, seen).is_some() {
                    candidates.push((handle, flow.netns()));
                }
            }
        });
        if candidates.len() > 1 {
            candidates.sort_unstable_by_key(|(handle, _)| *handle);
            candidates.dedup_by_key(|(handle, _)| *handle);
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
    fn await_link(&mut self, candidates: &[(Handle, Netns)], since: Timestamp) {
        for (id, _) in candidates {
            if let Some(flow) = self.flows.get_mut(*id) {
                flow.signs_mut().awaits_link = Some(since + LINK_PATIENCE);
            }
        }
    }

    fn join(&mut self, candidates: &[(Handle, Netns)], seen: &PacketSeen, far: Option<Netns>) {
        for (id, _) in candidates {
            let flow = self.flows.get_mut(*id);
            if let Some(flow) = flow.filter(|flow| flow.signs().awaits_link.is_some()) {
                flow.signs_mut().awaits_link = None;
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
        let (Some(ifindex), What::Drop { .. } | What::Rejected) = (seen.packet.ifindex, &seen.what) else {
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

    fn attach(&mut self, id: Handle, seen: &PacketSeen, certainty: Certainty) {
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        let Some(direction) = join::direction(flow, seen) else {
            return;
        };
        if let Some(entry) = seen.packet.conntrack.filter(|_| seen.netns == flow.netns()) {
            flow.signs_mut().set_conntrack(entry);
        }
        // A RST of its own that is lost is not what its connection waits for.
        let ends = seen.packet.tcp_flags & tcp::RST != 0;
        match &seen.what {
            What::Drop { .. } if ends && direction == Direction::Original => {}
            What::Drop { reason, location } => {
                let mut rejected = false;
                if let Some(drop) = drop_of(flow, seen, *reason, direction, certainty) {
                    drop.drops += 1;
                    drop.location = drop.location.take().or_else(|| location.clone());
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
                flow.signs_mut().rule_reset.get_or_insert_with(reset);
                let rst = seen.packet.tuple.inverted();
                self.resets.remember(seen.at, RstMaker::Netfilter, rst);
            }
            What::Reset { maker, reason } if direction == Direction::Original => {
                flow.signs_mut().reset = Some(Box::new(reset_seen(seen, *maker, *reason)));
            }
            What::Reset { .. } => {}
        }
        self.flows.reindex(id);
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
            let known = self.flows.by_pair(own.into());
            let its = known.filter(|(_, flow)| flow.netns() == netns && flow.tuple == own);
            let mut its: Vec<_> = its.map(|(handle, _)| handle).collect();
            its.sort_unstable();
            for id in its {
                let Some(flow) = self.flows.get_mut(id) else { continue };
                flow.signs_mut().set_conntrack(entry);
                let leaving = flow.leaving();
                self.flows.reindex(id);
                self.claim_packets(leaving);
                self.touch(Some(id));
            }
        }
    }

    /// Looks through the packets that waited for a flow with this tuple.
    pub(super) fn claim_packets(&mut self, tuple: Tuple) {
        for packet in self.packets.by_pair(tuple) {
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
        let Some(seen) = self.packets.remove(id) else {
            return;
        };
        let candidates = self.candidates(&seen);
        if !candidates.is_empty() {
            // Nobody could tell where its device leads.
            return self.join(&candidates, &seen, None);
        }
        let redirected = seen.packet.conntrack.filter(Conntrack::redirects);
        let (What::Reset { maker, reason }, Some(entry)) = (&seen.what, redirected) else {
            self.totals.unmatched_packets += 1;
            return;
        };
        let stolen = theory::is_no_socket(*maker, *reason) && seen.packet.tuple == entry.leaving();
        if !stolen || !self.config.wants(seen.netns) {
            self.totals.unmatched_packets += 1;
            return;
        }
        // A stolen port refused somebody whose socket is not on this host.
        let flow = inbound_flow(&seen, entry.original, &mut self.origins);
        let flow = self.enter(flow, seen.at);
        self.attach(flow, &seen, Certainty::Certain);
        self.touch(Some(flow));
    }
}

/// A connection of a remote initiator, known only by the packet that was refused.
fn inbound_flow(seen: &PacketSeen, original: Tuple, origins: &mut Origins) -> Flow {
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
    let mut flow = Flow::new(&event, original, ended, origins);
    flow.signs_mut().inbound = true;
    flow
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
    let signs = flow.signs_mut();
    if let Some(index) = signs.drops.iter().position(same) {
        let drop = signs.drops.get_mut(index)?;
        drop.at = drop.at.min(seen.at);
        drop.certainty = drop.certainty.max(certainty);
        return Some(drop);
    }
    if signs.drops.len() >= MAX_DROPS_PER_FLOW {
        return None;
    }
    let closed = conntrack.is_some_and(|entry| entry.state == Some(ConntrackState::Close));
    let reset_before = signs.reset_received.is_some_and(|(at, _)| at < seen.at) || signs.reset.is_some();
    // Nearly always the only one.
    signs.drops.reserve_exact(1);
    signs.drops.push(DropSeen {
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
    signs.drops.last_mut()
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
