//! `event` lines.

use crate::model::event::{Change, ConntrackChange, Destroyed, Dropped, EventKind, Retransmit, RstMaker, RstSent};
use crate::model::identity::{Owner, SocketCookie};
use crate::model::reason::{DropReason, RstReason};
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use crate::model::{event, tuple};
use crate::sink::jsont::connection::Id;
use crate::sink::jsont::spell::{Spell, spelled};
use crate::sink::jsont::{
    Connection, Conntrack, Decimal, Endpoint, Flags, Invalid, Limits, Netns, Process, Spelled, Tuple,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("allOf" = super::schema::fields_by_name("event", &[
    ("rst-sent", &["rst"]),
    ("drop", &["drop", "packet"]),
    ("conntrack-new", &["conntrack"]),
    ("conntrack-update", &["conntrack"]),
    ("conntrack-destroy", &["conntrack"]),
]))))]
pub struct Event<'a> {
    pub event: Spelled<EventName>,
    pub cpu: u32,
    #[serde(borrow)]
    pub connection: Connection<'a>,
    /// Who connected; of `conntrack-destroy`, who deleted the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Id>,
    /// Who destroyed the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Process>,
    /// Of `failed` and `closed`; absent where the application gave up, or closed in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rst: Option<Rst>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<Drop<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<Packet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conntrack: Option<Conntrack>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventName {
    Connect,
    Established,
    Failed,
    Closed,
    Retransmit,
    RstSent,
    RstReceived,
    Destroyed,
    Drop,
    ConntrackNew,
    ConntrackUpdate,
    ConntrackDestroy,
}

spelled! {
    "event": EventName {
        Connect = "connect",
        Established = "established",
        Failed = "failed",
        Closed = "closed",
        Retransmit = "retransmit",
        RstSent = "rst-sent",
        RstReceived = "rst-received",
        Destroyed = "destroyed",
        Drop = "drop",
        ConntrackNew = "conntrack-new",
        ConntrackUpdate = "conntrack-update",
        ConntrackDestroy = "conntrack-destroy",
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rst {
    pub maker: Spelled<RstMaker>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Spelled<RstReason>>,
    /// Sent of the socket's own accord.
    pub active: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Drop<'a> {
    pub reason: Spelled<DropReason>,
    /// The kernel function.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub location: Option<Cow<'a, str>>,
}

/// The packet that was dropped or answered; its conntrack entry stands beside it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Packet {
    pub source: Endpoint,
    pub destination: Endpoint,
    pub mark: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ifindex: Option<u32>,
    pub tcp_flags: Flags,
    pub sequence: u32,
    pub acknowledgement: u32,
}

impl<'a> Event<'a> {
    pub fn new(event: &'a event::Event, limits: Limits) -> Self {
        let event::Event {
            at,
            cpu,
            netns,
            socket,
            tuple,
            owner,
            kind,
        } = event;
        let mut line = Self::bare(EventName::of(kind), *cpu);
        line.connection = Connection {
            socket: socket.map(|cookie| Decimal(cookie.get())),
            source: tuple.map(|tuple| tuple.source.into()),
            destination: tuple.map(|tuple| tuple.destination.into()),
            network: tuple.map(Into::into),
            netns: Netns::new(*netns, None),
            ..Connection::default()
        };
        if let Some(owner) = owner {
            line.connection.started = Some(owner.started.into());
            line.process = Some(owner.into());
            line.thread = Some(Id { id: owner.tid });
        }
        line.add(kind, limits);
        if let (EventKind::Established, Some(owner)) = (kind, owner) {
            line.connection.latency_us = u64::try_from(at.since(owner.started).as_micros()).ok();
        }
        line
    }

    fn bare(event: EventName, cpu: u32) -> Self {
        Self {
            event: Spelled(event),
            cpu,
            connection: Connection::default(),
            process: None,
            thread: None,
            by: None,
            errno: None,
            rst: None,
            drop: None,
            packet: None,
            conntrack: None,
        }
    }

    fn add(&mut self, kind: &'a EventKind, limits: Limits) {
        match kind {
            EventKind::Connect | EventKind::Established => {}
            EventKind::Failed { errno } | EventKind::Closed { errno } => {
                self.errno = (*errno != 0).then_some(*errno);
            }
            EventKind::Retransmit(retransmit) => {
                self.connection.state = retransmit.state.map(Spelled);
                self.connection.retransmits = Some(retransmit.retransmits);
                self.connection.unacked_bytes = Some(retransmit.unacked);
                self.connection.rto_ns = retransmit.rto.and_then(|rto| u64::try_from(rto.as_nanos()).ok());
            }
            EventKind::RstSent(rst) => {
                self.connection.state = rst.state.map(Spelled);
                self.rst = Some(Rst {
                    maker: Spelled(rst.maker),
                    reason: rst.reason.map(Spelled),
                    active: rst.active,
                });
                if let Some(packet) = &rst.packet {
                    self.add_packet(packet);
                }
            }
            EventKind::RstReceived { state } => self.connection.state = state.map(Spelled),
            EventKind::Destroyed(Destroyed { state, by }) => {
                self.connection.state = state.map(Spelled);
                self.by = by.map(Into::into);
            }
            EventKind::Drop(dropped) => {
                self.connection.state = dropped.state.map(Spelled);
                self.drop = Some(Drop {
                    reason: Spelled(dropped.reason),
                    location: dropped.location.as_deref().map(|location| limits.text(location)),
                });
                self.add_packet(&dropped.packet);
            }
            EventKind::Conntrack(changed) => {
                self.conntrack = Some((&changed.entry).into());
                self.process = changed.by.map(Into::into);
            }
        }
    }

    fn add_packet(&mut self, packet: &event::Packet) {
        self.packet = Some(Packet {
            source: packet.tuple.source.into(),
            destination: packet.tuple.destination.into(),
            mark: packet.mark,
            ifindex: packet.ifindex,
            tcp_flags: Flags(packet.tcp_flags),
            sequence: packet.sequence,
            acknowledgement: packet.acknowledgement,
        });
        self.conntrack = packet.conntrack.as_ref().map(Into::into);
    }

    /// The event of this line, which happened at `at`.
    pub fn model(self, at: Timestamp) -> Result<event::Event, Invalid> {
        let kind = self.kind()?;
        // The process of a conntrack event deleted the entry: it owns no connection.
        let process = self.process.filter(|_| !matches!(kind, EventKind::Conntrack(_)));
        let Connection {
            socket,
            source,
            destination,
            netns,
            ..
        } = self.connection;
        let socket = match socket {
            Some(Decimal(cookie)) => Some(SocketCookie::new(cookie).ok_or(Invalid::NoCookie)?),
            None => None,
        };
        Ok(event::Event {
            at,
            cpu: self.cpu,
            netns: netns.into(),
            socket,
            tuple: Tuple::of(source, destination)?,
            owner: owner(process, self.thread, self.connection.started)?,
            kind,
        })
    }

    fn kind(&self) -> Result<EventKind, Invalid> {
        let state = self.connection.state.map(|state| state.0);
        let errno = self.errno.unwrap_or(0);
        Ok(match self.event.0 {
            EventName::Connect => EventKind::Connect,
            EventName::Established => EventKind::Established,
            EventName::Failed => EventKind::Failed { errno },
            EventName::Closed => EventKind::Closed { errno },
            EventName::Retransmit => EventKind::Retransmit(self.retransmit(state)?),
            EventName::RstSent => EventKind::RstSent(self.rst_sent(state)?),
            EventName::RstReceived => EventKind::RstReceived { state },
            EventName::Destroyed => EventKind::Destroyed(Destroyed {
                state,
                by: self.by.map(Into::into),
            }),
            EventName::Drop => EventKind::Drop(self.dropped(state)?),
            EventName::ConntrackNew => EventKind::Conntrack(self.changed(Change::New)?),
            EventName::ConntrackUpdate => EventKind::Conntrack(self.changed(Change::Update)?),
            EventName::ConntrackDestroy => EventKind::Conntrack(self.changed(Change::Destroy)?),
        })
    }

    fn retransmit(&self, state: Option<TcpState>) -> Result<Retransmit, Invalid> {
        let connection = &self.connection;
        Ok(Retransmit {
            state,
            retransmits: connection
                .retransmits
                .ok_or(Invalid::Missing("connection.retransmits"))?,
            unacked: connection
                .unacked_bytes
                .ok_or(Invalid::Missing("connection.unacked_bytes"))?,
            rto: connection.rto_ns.map(Duration::from_nanos),
        })
    }

    fn rst_sent(&self, state: Option<TcpState>) -> Result<RstSent, Invalid> {
        let Rst { maker, reason, active } = self.rst.ok_or(Invalid::Missing("rst"))?;
        Ok(RstSent {
            maker: maker.0,
            reason: reason.map(|reason| reason.0),
            active,
            state,
            packet: self.packet.map(|packet| packet.model(self.conntrack)),
        })
    }

    fn changed(&self, change: Change) -> Result<ConntrackChange, Invalid> {
        let entry = self.conntrack.ok_or(Invalid::Missing("conntrack"))?;
        Ok(ConntrackChange {
            change,
            entry: entry.into(),
            by: self.process.map(Into::into),
        })
    }

    fn dropped(&self, state: Option<TcpState>) -> Result<Dropped, Invalid> {
        let Drop { reason, location } = self.drop.as_ref().ok_or(Invalid::Missing("drop"))?;
        let packet = self.packet.ok_or(Invalid::Missing("packet"))?;
        Ok(Dropped {
            reason: reason.0,
            location: location.as_deref().map(Into::into),
            state,
            packet: packet.model(self.conntrack),
        })
    }
}

impl EventName {
    pub fn of(kind: &EventKind) -> Self {
        match kind {
            EventKind::Connect => Self::Connect,
            EventKind::Established => Self::Established,
            EventKind::Failed { .. } => Self::Failed,
            EventKind::Closed { .. } => Self::Closed,
            EventKind::Retransmit(_) => Self::Retransmit,
            EventKind::RstSent(_) => Self::RstSent,
            EventKind::RstReceived { .. } => Self::RstReceived,
            EventKind::Destroyed(_) => Self::Destroyed,
            EventKind::Drop(_) => Self::Drop,
            EventKind::Conntrack(changed) => match changed.change {
                Change::New => Self::ConntrackNew,
                Change::Update => Self::ConntrackUpdate,
                Change::Destroy => Self::ConntrackDestroy,
            },
        }
    }
}

impl Packet {
    fn model(self, conntrack: Option<Conntrack>) -> event::Packet {
        event::Packet {
            tuple: tuple::Tuple::new(self.source.into(), self.destination.into()),
            mark: self.mark,
            ifindex: self.ifindex,
            tcp_flags: self.tcp_flags.0,
            sequence: self.sequence,
            acknowledgement: self.acknowledgement,
            conntrack: conntrack.map(Into::into),
        }
    }
}

fn owner(process: Option<Process>, thread: Option<Id>, started: Option<Decimal>) -> Result<Option<Owner>, Invalid> {
    let Some(process) = process else {
        return Ok(None);
    };
    Ok(Some(Owner {
        started: Timestamp::from_nanos(started.ok_or(Invalid::Missing("connection.started"))?.0),
        pid: process.pid,
        tid: thread.ok_or(Invalid::Missing("thread"))?.id,
        uid: process.user.ok_or(Invalid::Missing("process.user"))?.id,
        cgroup: process.cgroup_id.map_or(0, |id| id.0),
        comm: process.comm(),
    }))
}
