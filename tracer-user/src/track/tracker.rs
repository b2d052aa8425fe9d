//! The state machine itself: what each event, answer and deadline changes.

use super::answers::{Asker, Inquiries};
use super::census::Schedule;
use super::config::{Config, MAX_ENTRANCES, STANDSTILL};
use super::deadlines::{Deadlines, Mark};
use super::findings::Findings;
use super::flow::{Flow, Phase};
use super::flows::{Flows, Handle};
use super::giveup::GiveUps;
use super::judge::{ECONNABORTED, ECONNREFUSED, ECONNRESET, Ordinary};
use super::locals::Locals;
use super::lost::Lost;
use super::names::Register;
use super::origins::Origins;
use super::packets::{PacketSeen, Packets, What};
use super::recurring::Recurring;
use super::resets::Resets;
use super::strays::Strays;
use super::sweep::Sweeps;
use super::totals::Totals;
use super::turns::Turns;
use crate::model::event::{Destroyed, Event, EventKind, RstMaker, RstSent};
use crate::model::finding::Finding;
use crate::model::identity::Netns;
use crate::model::inquiry::{Answer, Inquiry, Reply};
use crate::model::tcp::{self, TcpState};
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;
use crate::model::who::Subject;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// See the module [`crate::track`].
#[derive(Debug)]
pub struct Tracker {
    pub(super) config: Config,
    pub(super) flows: Flows,
    pub(super) origins: Origins,
    pub(super) packets: Packets,
    pub(super) flow_deadlines: Deadlines<Handle>,
    pub(super) packet_deadlines: Deadlines<u64>,
    pub(super) resets: Resets,
    pub(super) give_ups: GiveUps,
    pub(super) recurring: Recurring,
    pub(super) findings: Findings,
    pub(super) inquiries: Inquiries,
    pub(super) locals: Locals,
    /// Of examinations of single connections.
    pub(super) turns: Turns,
    pub(super) strays: Strays,
    pub(super) lost: Lost,
    pub(super) names: Register,
    /// Namespace and device → the namespace behind it, once known.
    pub(super) links: BTreeMap<(u64, u32), Link>,
    /// How a person enters a namespace, by its identity.
    pub(super) entrances: BTreeMap<u64, Arc<str>>,
    pub(super) sweeps: Sweeps,
    pub(super) census: Schedule,
    /// Connections that something was learned of and that are to be judged before the current call returns.
    pub(super) touched: Vec<Handle>,
    /// The latest time that was told of.
    pub(super) latest: Timestamp,
    /// When the host last went on after it had stood still: what hung before counts from then on.
    pub(super) resumed: Option<Timestamp>,
    pub(super) totals: Totals,
}

/// What is known of the far end of a device.
#[derive(Clone, Copy, Debug)]
pub(super) enum Link {
    Asked,
    Known(Option<Netns>),
}

impl Tracker {
    pub fn new(config: Config, now: Timestamp) -> Self {
        let sweeps = Sweeps::starting(config.sweep.then_some(now));
        let census = Schedule::starting(config.census.then_some(now));
        let flows = Flows::bounded(config.max_flows);
        Self {
            config,
            flows,
            origins: Origins::default(),
            packets: Packets::default(),
            flow_deadlines: Deadlines::default(),
            packet_deadlines: Deadlines::default(),
            resets: Resets::default(),
            give_ups: GiveUps::default(),
            recurring: Recurring::default(),
            findings: Findings::default(),
            inquiries: Inquiries::default(),
            locals: Locals::default(),
            turns: Turns::new(),
            strays: Strays::default(),
            lost: Lost::default(),
            names: Register::default(),
            links: BTreeMap::new(),
            entrances: BTreeMap::new(),
            sweeps,
            census,
            touched: Vec::new(),
            latest: now,
            resumed: None,
            totals: Totals::default(),
        }
    }

    /// How long hangs last before they are reported, from now on.
    pub fn set_hang_after(&mut self, hang_after: Duration) {
        self.config.hang_after = hang_after;
    }

    /// Takes in one event. Its own time counts, in any order.
    pub fn handle_event(&mut self, event: &Event) {
        self.totals.events += 1;
        self.advance(event.at);
        match &event.kind {
            EventKind::Connect => self.totals.connects += 1,
            EventKind::Established => self.handle_established(event),
            EventKind::Failed { errno } => self.handle_end(event, *errno, false),
            EventKind::Closed { errno } => self.handle_end(event, *errno, true),
            EventKind::Retransmit(retransmit) => {
                let id = self.flow_of(event, Phase::Connecting);
                if let Some(flow) = id.and_then(|id| self.flows.get_mut(id)) {
                    flow.retransmitted(event.at, *retransmit);
                }
                self.touch(id);
            }
            EventKind::RstSent(sent) => self.handle_rst_sent(event, sent),
            EventKind::RstReceived { state } => self.handle_rst_received(event, *state),
            EventKind::Destroyed(destroyed) => self.handle_destroyed(event, *destroyed),
            EventKind::Conntrack(changed) => self.handle_conntrack(event, changed),
            EventKind::Drop(dropped) => {
                // A socket that resets its connection waits for nothing.
                let ends = dropped.packet.tcp_flags & tcp::RST != 0;
                if event.socket.is_some() && event.owner.is_some() && !ends {
                    let connecting = matches!(dropped.state, None | Some(TcpState::SynSent));
                    self.flow_of(
                        event,
                        if connecting {
                            Phase::Connecting
                        } else {
                            Phase::Established
                        },
                    );
                }
                self.handle_packet(PacketSeen {
                    at: event.at,
                    netns: event.netns,
                    packet: dropped.packet,
                    what: What::Drop {
                        reason: dropped.reason,
                        location: dropped.location.clone(),
                    },
                });
            }
        }
        if self.tracked() > 0 {
            self.sweeps.hurry(event.at + self.config.sweep_interval());
        }
        self.review_touched(event.at);
        self.name_findings(event.at);
    }

    /// Takes in what an inquiry found.
    pub fn handle_answer(&mut self, answer: Answer) {
        let Answer { id, at, enter, reply } = answer;
        self.advance(at);
        let asked = self.inquiries.take(id);
        if let (Some(enter), Some((netns, _))) = (&enter, asked) {
            self.remember_entrance(netns, enter);
        }
        match (asked.map(|(_, asker)| asker), reply) {
            (Some(Asker::Flow(flow)), reply) => self.examined(flow, at, enter, reply),
            (Some(Asker::Link { netns, ifindex }), reply) => {
                let far = if let Reply::Link(far) = reply { far } else { None };
                self.links.insert((netns, ifindex), Link::Known(far));
                self.rejoin_packets(netns, ifindex);
            }
            (Some(Asker::Stray(stray)), reply) => self.stray_answered(stray, at, enter, reply),
            (Some(Asker::Deleted { netns, reply: tuple }), reply) => self.deleted_answered(netns, tuple, reply),
            (Some(Asker::Sweep), reply) => self.sweep_answered(at, reply),
            (Some(Asker::Census), reply) => self.census_answered(at, reply),
            (Some(Asker::Name(subject)), reply) => self.name_answered(subject, reply),
            (Some(Asker::Walk { finding, index }), reply) => self.walked((finding, index), at, enter, reply),
            (None, _) => {}
        }
        self.review_touched(at);
        self.name_findings(at);
    }

    /// A deadline that passed long ago without a call: nobody ran, neither we nor the timers and peers of the connections.
    pub(super) fn advance(&mut self, to: Timestamp) {
        let late = |due| to.since(due) > STANDSTILL;
        if late(self.latest) && self.poll_timeout().is_some_and(late) {
            self.resumed = Some(to);
            self.sweeps.resumed(to);
        }
        self.latest = self.latest.max(to);
    }

    /// When to call [`Self::handle_timeout`], at the latest.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        [
            self.flow_deadlines.next(),
            self.packet_deadlines.next(),
            self.findings.poll_timeout(),
            self.sweeps.next_at,
            self.census.next_at,
            self.names.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due. Calling it too early, or again, changes nothing.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.advance(now);
        while let Some((_, id)) = self.packet_deadlines.pop_due(now) {
            self.packet_expired(id);
        }
        while let Some((at, id)) = self.flow_deadlines.pop_due(now) {
            self.flow_expired(id, at);
        }
        self.review_touched(now);
        self.findings.handle_timeout(now);
        self.take_census(now);
        self.sweep(now);
        let flows = &self.flows;
        let armed = |at, id| flows.get(id).is_some_and(|flow| flow.queued == Some(Mark::of(at)));
        self.flow_deadlines.prune(flows.len(), armed);
        let packets = &self.packets;
        self.packet_deadlines
            .prune(packets.len(), |_, id| packets.get(id).is_some());
        self.name_findings(now);
    }

    pub fn poll_inquiry(&mut self) -> Option<Inquiry> {
        self.inquiries.poll()
    }

    pub fn poll_finding(&mut self) -> Option<Finding> {
        self.names.poll()
    }

    /// Flushes at the end: drain [`Self::poll_finding`] once more after it.
    pub fn finish(&mut self, now: Timestamp) {
        self.handle_timeout(now);
        self.findings.finish(now);
        self.release_findings(now);
        self.totals.unresolved += self.inquiries.unresolved(now);
    }

    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Connections under suspicion now.
    pub fn tracked(&self) -> usize {
        self.flows.len()
    }

    pub(super) fn remember_entrance(&mut self, netns: u64, enter: &Arc<str>) {
        if self.entrances.len() >= MAX_ENTRANCES && !self.entrances.contains_key(&netns) {
            self.entrances.pop_first();
        }
        self.entrances.insert(netns, Arc::clone(enter));
    }

    fn handle_established(&mut self, event: &Event) {
        self.totals.established += 1;
        let Some(id) = event.socket.and_then(|socket| self.flows.by_socket(socket)) else {
            return;
        };
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        // Data may have been sent again before this late event came.
        if flow.phase == Phase::Connecting && flow.last_retransmit.is_none_or(|last| last <= event.at) {
            self.finish_flow(id, Ordinary::Recovered, event.at);
        }
    }

    fn handle_end(&mut self, event: &Event, errno: u32, connected: bool) {
        if connected {
            self.totals.closed += 1;
        }
        // Only a failed connect is worth a closer look by itself.
        let id = if connected && errno == 0 {
            event.socket.and_then(|socket| self.flows.by_socket(socket))
        } else {
            self.flow_of(event, Phase::Connecting)
        };
        if let Some(flow) = id.and_then(|id| self.flows.get_mut(id)) {
            let connected = connected || flow.phase == Phase::Established;
            flow.phase = Phase::Ended {
                at: event.at,
                errno,
                connected,
            };
            if !connected && errno == 0 && flow.syn_retransmits > 0 {
                self.give_ups.count(flow.netns(), flow.tuple.destination, event.at);
            }
        }
        self.touch(id);
    }

    fn handle_rst_received(&mut self, event: &Event, state: Option<TcpState>) {
        let id = self.flow_of(event, Phase::Established);
        if let Some(flow) = id.and_then(|id| self.flows.get_mut(id)) {
            flow.signs_mut().reset_received = Some((event.at, state));
            let connected = state != Some(TcpState::SynSent);
            if !flow.is_ended() {
                let errno = if connected { ECONNRESET } else { ECONNREFUSED };
                flow.phase = Phase::Ended {
                    at: event.at,
                    errno,
                    connected,
                };
            }
        }
        self.touch(id);
    }

    fn handle_destroyed(&mut self, event: &Event, destroyed: Destroyed) {
        let connected = destroyed.state != Some(TcpState::SynSent);
        // Its RST is no doing of the network's, should it go to somebody on this host.
        if let (true, Some(tuple)) = (connected, event.tuple) {
            self.resets.remember(event.at, RstMaker::Socket, tuple);
            if self.is_in_the_way(event.netns, tuple) {
                return;
            }
        }
        let phase = if connected {
            Phase::Established
        } else {
            Phase::Connecting
        };
        let id = self.flow_of(event, phase);
        if let Some(flow) = id.and_then(|id| self.flows.get_mut(id)) {
            flow.signs_mut().destroyed = Some((event.at, destroyed));
            if !flow.is_ended() {
                flow.phase = Phase::Ended {
                    at: event.at,
                    errno: ECONNABORTED,
                    connected,
                };
            }
        }
        self.touch(id);
    }

    /// Its socket gets the SYNs of a connection that is redirected there: it is an old one, and that can go on without it.
    fn is_in_the_way(&self, netns: Netns, tuple: Tuple) -> bool {
        let mut others = self.flows.by_pair(tuple.into());
        others.any(|(_, flow)| {
            let meets = flow.tuple != tuple.inverted() && flow.leaving() == tuple.inverted();
            meets && flow.netns() == netns && flow.phase == Phase::Connecting
        })
    }

    fn handle_rst_sent(&mut self, event: &Event, sent: &RstSent) {
        if let (true, Some(tuple)) = (sent.active, event.tuple) {
            self.resets.remember(event.at, RstMaker::Socket, tuple);
            self.ask_reset(event, sent);
        }
        // An active one has no packet, and what it answers is no packet of the receiver's.
        if let Some(packet) = sent.packet {
            let what = match sent.maker {
                RstMaker::Netfilter => What::Rejected,
                maker @ (RstMaker::Socket | RstMaker::NoSocket | RstMaker::Remote | RstMaker::Unknown) => What::Reset {
                    maker,
                    reason: sent.reason,
                },
            };
            self.handle_packet(PacketSeen {
                at: event.at,
                netns: event.netns,
                packet,
                what,
            });
        }
    }

    /// The flow of the event's socket, entered if it is new; `None` where the event has no tuple, or nobody wants it.
    fn flow_of(&mut self, event: &Event, phase: Phase) -> Option<Handle> {
        let tuple = event.tuple.filter(|_| self.config.wants(event.netns))?;
        let known = event.socket.and_then(|socket| self.flows.by_socket(socket));
        let known = known.or_else(|| self.flow_by_tuple(event, tuple));
        if let Some(id) = known {
            if self.flows.get(id).is_some_and(|flow| belongs(flow, event)) {
                self.complete(id, event);
                return Some(id);
            }
            // The socket connects again: its previous attempt is over, and judged by itself when it settles.
            self.flows.detach(id);
            if let Some(flow) = self.flows.get_mut(id).filter(|flow| !flow.is_ended()) {
                flow.phase = Phase::Ended {
                    at: event.at,
                    errno: 0,
                    connected: flow.phase == Phase::Established,
                };
            }
            self.touch(Some(id));
        }
        if let Some(owner) = event.owner {
            self.expect_name(Subject::of_owner(&owner), event.netns, event.at);
        }
        let flow = Flow::new(event, tuple, phase, &mut self.origins);
        let id = self.enter(flow, event.at);
        self.claim_packets(tuple);
        Some(id)
    }

    /// From now on the flow is tracked, if need be in place of the oldest.
    pub(super) fn enter(&mut self, flow: Flow, at: Timestamp) -> Handle {
        let (id, evicted) = self.flows.insert(flow);
        if let Some(evicted) = evicted {
            self.totals.evicted += 1;
            self.release_finding(&evicted, at);
        }
        id
    }

    /// A flow that is known by its tuple only so far.
    fn flow_by_tuple(&self, event: &Event, tuple: Tuple) -> Option<Handle> {
        let fits = |flow: &Flow| {
            let other_socket = flow.socket.is_some() && event.socket.is_some();
            flow.netns() == event.netns && flow.tuple == tuple && !other_socket && belongs(flow, event)
        };
        let known = self.flows.by_pair(tuple.into());
        known.filter(|(_, flow)| fits(flow)).map(|(handle, _)| handle).min()
    }

    /// Fills in what an earlier event could not know.
    fn complete(&mut self, id: Handle, event: &Event) {
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        if let (None, Some(owner)) = (flow.started(), event.owner) {
            flow.set_owner(owner, &mut self.origins);
        }
        if let (Some(_), None, Some(socket)) = (&flow.signs().counted, flow.socket, event.socket) {
            self.flows.set_socket(id, socket);
        }
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        flow.first_seen = flow.first_seen.min(event.at);
        if let Some(tuple) = event.tuple
            && flow.tuple.source.port == 0
            && tuple.source.port != 0
        {
            self.flows.set_tuple(id, tuple);
            self.claim_packets(tuple);
        }
    }
}

/// Whether the event is of the same connect as the flow: a socket may connect again and again.
fn belongs(flow: &Flow, event: &Event) -> bool {
    match (flow.started(), event.owner, &flow.signs().counted) {
        (Some(started), Some(owner), _) => started == owner.started,
        (None, Some(owner), Some(counted)) => owner.started <= counted.at,
        _ => true,
    }
}
