//! Packets that met no socket although their connection lives: nothing translated them back. Finds out whose they were.

use super::answers::Asker;
use super::config::{MAX_STRAYS, PACKET_PATIENCE, STRAYS_BURST, STRAYS_PER_SECOND};
use super::flow::{Examination, Flow, Outcome, Phase, ResetSeen};
use super::lost::Deleted;
use super::origins::Origins;
use super::pace::Pace;
use super::packets::{PacketSeen, What};
use super::theory;
use super::tracker::Tracker;
use crate::model::aspect::{self, Aspect, Connected, Seen};
use crate::model::conntrack::Conntrack;
use crate::model::event::{Event, EventKind, RstMaker, RstSent};
use crate::model::identity::Netns;
use crate::model::inquiry::{Examined, Question, Reply, SocketInfo};
use crate::model::tcp::{self, ConntrackState, TcpState};
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A packet of a connection that was not translated back.
#[derive(Clone, Debug)]
pub(super) struct Stray {
    /// As it came.
    pub(super) packet: Tuple,
    /// It was the other end's last: a FIN, or a RST.
    pub(super) ends: bool,
    pub(super) why: Untranslated,
    /// It is a RST of a socket's own accord, and answers nothing.
    pub(super) abort: Option<ResetSeen>,
    /// Of the namespace.
    pub(super) settings: Vec<Seen>,
}

#[derive(Clone, Debug)]
pub(super) enum Untranslated {
    /// Its entry is there: conntrack took the packet for invalid.
    Invalid(Conntrack),
    /// Its entry was seen to be deleted.
    Deleted(Deleted),
    /// It has no entry, and only this connection can be meant.
    NoEntry(Connected),
}

/// Waits for an answer.
#[derive(Clone, Debug)]
struct Pending {
    reset: ResetSeen,
    ends: bool,
    /// Its number among the packets that wait for a connection.
    packet: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Strays {
    next: u64,
    waiting: BTreeMap<u64, Pending>,
    /// What was asked lately is not asked again, oldest first.
    recent: VecDeque<(Timestamp, u64, Tuple)>,
    pub(super) pace: Pace,
}

impl Default for Strays {
    fn default() -> Self {
        Self {
            next: 0,
            waiting: BTreeMap::new(),
            recent: VecDeque::new(),
            pace: Pace::new(STRAYS_PER_SECOND, STRAYS_BURST),
        }
    }
}

impl Strays {
    fn is_known(&mut self, at: Timestamp, netns: u64, packet: Tuple) -> bool {
        while self
            .recent
            .front()
            .is_some_and(|(asked, _, _)| at.since(*asked) > PACKET_PATIENCE)
        {
            self.recent.pop_front();
        }
        let mut recent = self.recent.iter();
        recent.any(|(_, of, known)| (*of, *known) == (netns, packet))
    }
}

/// Whether it may be a packet that was not translated back: no SYN, for which there was no socket and no entry that it
/// could belong to, unless conntrack took it for the first of a connection.
pub(super) fn is_stray(seen: &PacketSeen) -> bool {
    let What::Reset { maker, reason } = seen.what else {
        return false;
    };
    let flags = seen.packet.tcp_flags;
    let begins = flags & (tcp::SYN | tcp::ACK) == tcp::SYN;
    let picked_up = |entry: Conntrack| entry.original == seen.packet.tuple && entry.status & SEEN_REPLY == 0;
    theory::is_no_socket(maker, reason)
        && !begins
        && flags & tcp::RST == 0
        && seen.packet.conntrack.is_none_or(picked_up)
}

impl Tracker {
    /// Asks whose the packet was; `packet` is its number while it waits for a connection.
    pub(super) fn ask_stray(&mut self, seen: &PacketSeen, packet: Option<u64>) {
        let What::Reset { maker, reason } = seen.what else {
            return;
        };
        let pending = Pending {
            reset: super::joining::reset_seen(seen, maker, reason),
            ends: seen.packet.tcp_flags & tcp::FIN != 0,
            packet,
        };
        self.ask_whose(pending);
    }

    /// A socket whose entry was deleted resets its connection: the other end will not learn of it.
    pub(super) fn ask_reset(&mut self, event: &Event, sent: &RstSent) {
        let Some(tuple) = event.tuple.filter(|tuple| self.lost.of(event.netns, *tuple).is_some()) else {
            return;
        };
        self.ask_whose(Pending {
            reset: ResetSeen {
                at: event.at,
                netns: event.netns,
                maker: sent.maker,
                reason: sent.reason,
                packet: tuple,
                ifindex: None,
                mark: 0,
                conntrack: None,
            },
            ends: true,
            packet: None,
        });
    }

    fn ask_whose(&mut self, pending: Pending) {
        let (at, netns, packet) = (pending.reset.at, pending.reset.netns, pending.reset.packet);
        if !self.config.wants(netns) || self.strays.is_known(at, netns.id(), packet) {
            return;
        }
        let question = Question::Connection {
            tuple: packet,
            target: Some(packet.destination),
            aspects: vec![
                Aspect::Sockets {
                    local: packet.destination,
                },
                Aspect::Setting(LIBERAL.into()),
            ],
        };
        let strays = &mut self.strays;
        strays.next += 1;
        let asker = Asker::Stray(strays.next);
        let asked = strays.waiting.len() < MAX_STRAYS
            && self.inquiries.has_room(at, &mut self.totals)
            && strays.pace.take(at)
            && self.inquiries.ask(at, asker, netns, None, question, &mut self.totals);
        if asked {
            strays.waiting.insert(strays.next, pending);
            strays.recent.push_back((at, netns.id(), packet));
        } else {
            self.totals.unexamined += 1;
        }
    }

    pub(super) fn stray_answered(&mut self, id: u64, at: Timestamp, enter: Option<Arc<str>>, reply: Reply) {
        let Some(pending) = self.strays.waiting.remove(&id) else {
            return;
        };
        let Reply::Connection(examined) = reply else {
            return;
        };
        if aspect::sockets(&examined.seen, pending.reset.packet.destination).is_none() {
            self.totals.unexamined += 1;
            return;
        }
        let Some((why, socket)) = self.untranslated(&pending, &examined) else {
            return;
        };
        if let Some(packet) = pending.packet {
            self.packets.remove(packet);
        }
        let (owner, entry) = match &why {
            Untranslated::Invalid(entry) => (entry.original, Some(*entry)),
            Untranslated::Deleted(deleted) => (deleted.entry.original, None),
            Untranslated::NoEntry(connected) => (connected.tuple, None),
        };
        let packet = pending.reset.packet;
        let looked = Outcome {
            at,
            enter,
            examined: Ok(Box::new(Examined {
                conntrack: entry,
                socket,
                target: packet.source,
                target_is_local: false,
                listeners: Vec::new(),
                seen: Vec::new(),
            })),
        };
        let is_setting = |seen: &Seen| matches!(seen, Seen::Setting(_));
        let stray = Stray {
            packet,
            ends: pending.ends,
            why,
            abort: None,
            settings: examined.seen.into_iter().filter(is_setting).collect(),
        };
        self.suspect(owner, pending.reset, stray, looked);
    }

    /// Why nothing translated the packet back, and the socket that it was meant for, where that is here.
    fn untranslated(&self, pending: &Pending, examined: &Examined) -> Option<(Untranslated, Option<SocketInfo>)> {
        let ResetSeen {
            netns, packet, ifindex, ..
        } = pending.reset;
        let sockets = aspect::sockets(&examined.seen, packet.destination)?;
        let socket_of = |tuple: Tuple| {
            let found = sockets.iter().find(|connected| connected.tuple == tuple);
            found.map(|connected| connected.socket.clone())
        };
        // Whoever waits is here, or elsewhere; or nobody does any more.
        let waits = |entry: &Conntrack, socket: &Option<SocketInfo>| {
            socket.is_some() || entry.original.source != packet.destination || !examined.target_is_local
        };
        if let Some(deleted) = self.lost.of(netns, packet) {
            let socket = socket_of(deleted.entry.original);
            return waits(&deleted.entry, &socket).then(|| (Untranslated::Deleted(deleted.clone()), socket));
        }
        if let Some(entry) = examined.conntrack.filter(|entry| is_alive_reply(entry, packet)) {
            let socket = socket_of(entry.original);
            return waits(&entry, &socket).then_some((Untranslated::Invalid(entry), socket));
        }
        let [only] = sockets else {
            return None;
        };
        let sent_here = ifindex == Some(LOOPBACK);
        let other = only.tuple.destination != packet.source && only.socket.state == Some(TcpState::Established);
        let meant = sent_here && other && examined.conntrack.is_none_or(|entry| entry.original == packet);
        (meant && examined.listeners.is_empty())
            .then(|| (Untranslated::NoEntry(only.clone()), Some(only.socket.clone())))
    }

    fn suspect(&mut self, tuple: Tuple, reset: ResetSeen, mut stray: Stray, looked: Outcome) {
        let known = self.flows.by_pair(tuple.into());
        let its = known.filter(|(_, flow)| flow.netns() == reset.netns && flow.tuple == tuple);
        let known = its.map(|(handle, _)| handle).min();
        let id = known.unwrap_or_else(|| {
            let has_socket = looked.examined.as_ref().is_ok_and(|examined| examined.socket.is_some());
            let flow = flow_of(tuple, &reset, has_socket, &mut self.origins);
            self.enter(flow, reset.at)
        });
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        if let Untranslated::Deleted(deleted) = &stray.why {
            flow.signs_mut().set_conntrack(deleted.entry);
        }
        if reset.maker == RstMaker::Socket {
            stray.abort = Some(reset);
        } else {
            flow.signs_mut().reset = Some(Box::new(reset));
        }
        flow.signs_mut().stray = Some(Box::new(stray));
        flow.signs_mut().asked.get_or_insert(looked.at);
        flow.examination = Examination::Done(Box::new(looked));
        self.flows.reindex(id);
        self.touch(Some(id));
    }
}

fn is_alive_reply(entry: &Conntrack, packet: Tuple) -> bool {
    entry.reply == packet && entry.translated().is_some() && entry.state == Some(ConntrackState::Established)
}

/// A connection that is known by a packet that missed it only.
fn flow_of(tuple: Tuple, reset: &ResetSeen, has_socket: bool, origins: &mut Origins) -> Flow {
    let netns: Netns = reset.netns;
    let event = Event {
        at: reset.at,
        cpu: 0,
        netns,
        socket: None,
        tuple: Some(tuple),
        owner: None,
        kind: EventKind::Connect,
    };
    let mut flow = Flow::new(&event, tuple, Phase::Established, origins);
    flow.signs_mut().inbound = !has_socket;
    flow
}

/// `IPS_SEEN_REPLY`.
const SEEN_REPLY: u32 = 1 << 1;
/// The index of `lo` in every namespace.
const LOOPBACK: u32 = 1;
/// Whether conntrack lets packets pass that are out of the window.
pub(super) const LIBERAL: &str = "net/netfilter/nf_conntrack_tcp_be_liberal";
