//! Records of the ring to [`Event`]s. Total: any bytes give an event or an error, never a panic or a guess.
//!
//! It knows no kernel: the meaning of this kernel's numbers comes in [`Tables`], names of code addresses from the caller.

#![expect(
    clippy::inline_always,
    reason = "in one piece it is loads and stores, in many it copies records that nobody keeps"
)]

mod record;

use crate::model::conntrack::Conntrack;
use crate::model::event::{
    Change, ConntrackChange, Destroyed, Dropped, Event, EventKind, Packet, Retransmit, RstMaker, RstSent,
};
use crate::model::identity::{Comm, Netns, Owner, Process, SocketCookie};
use crate::model::reason::{DropReason, RstReason};
use crate::model::tcp::{ConntrackState, TcpState};
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};
use record::Record;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tracer_common::event::{self as raw, ConntrackEvent, DestroyedEvent, Header, PacketEvent, SocketEvent};
use tracer_common::{kind, tuple as family};

/// What this kernel's numbers mean.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    pub drop_reasons: HashMap<u32, DropReason>,
    pub rst_reasons: HashMap<u32, RstReason>,
    /// The length of a jiffy, where it is known.
    pub jiffy: Option<Duration>,
}

/// Why bytes are no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("a record of kind {kind} has {length} bytes")]
    Length { kind: u8, length: usize },
    #[error("record kind {0} is unknown")]
    Kind(u8),
    #[error("drop reason {0} is not one of the listed ones")]
    DropReason(u32),
    #[error("the packet of a drop could not be read")]
    NoPacket,
    #[error("the tuples of a conntrack entry could not be read")]
    NoEntry,
}

impl Tables {
    /// Decodes one record. `symbol` names the function that a code address lies in.
    pub fn decode(&self, bytes: &[u8], symbol: impl FnOnce(u64) -> Option<Arc<str>>) -> Result<Event, DecodeError> {
        let kind = bytes.first().copied().unwrap_or_default();
        let length = DecodeError::Length {
            kind,
            length: bytes.len(),
        };
        match kind {
            kind::RST_SENT | kind::DROP => {
                let record = PacketEvent::decode::<{ size_of::<PacketEvent>() }>(bytes).ok_or(length)?;
                let kind = match kind {
                    kind::DROP => EventKind::Drop(self.dropped(&record, symbol)?),
                    _ => EventKind::RstSent(self.rst_sent(&record)),
                };
                Ok(event(&record.event, kind))
            }
            kind::CONNTRACK_NEW..=kind::CONNTRACK_DESTROY => {
                let record = ConntrackEvent::decode::<{ size_of::<ConntrackEvent>() }>(bytes).ok_or(length)?;
                let kind = EventKind::Conntrack(changed(&record)?);
                Ok(of_nobody(&record.header, kind))
            }
            kind::DESTROYED => {
                let record = DestroyedEvent::decode::<{ size_of::<DestroyedEvent>() }>(bytes).ok_or(length)?;
                Ok(event(&record.event, EventKind::Destroyed(destroyed(&record))))
            }
            kind::CONNECT..=kind::RETRANSMIT | kind::RST_RECEIVED => {
                let record = SocketEvent::decode::<{ size_of::<SocketEvent>() }>(bytes).ok_or(length)?;
                Ok(event(&record, self.socket_kind(&record)))
            }
            _ => Err(DecodeError::Kind(kind)),
        }
    }

    #[inline(always)]
    fn socket_kind(&self, record: &SocketEvent) -> EventKind {
        let state = TcpState::from_number(record.header.state);
        let errno = record.socket.error;
        match record.header.kind {
            kind::CONNECT => EventKind::Connect,
            kind::ESTABLISHED => EventKind::Established,
            kind::FAILED => EventKind::Failed { errno },
            kind::CLOSED => EventKind::Closed { errno },
            kind::RETRANSMIT => EventKind::Retransmit(Retransmit {
                state,
                retransmits: record.socket.retransmits,
                unacked: record.socket.unacked,
                rto: self
                    .jiffy
                    .and_then(|jiffy| jiffy.checked_mul(record.socket.rto_jiffies)),
            }),
            _ => EventKind::RstReceived { state },
        }
    }

    fn rst_sent(&self, record: &PacketEvent) -> RstSent {
        let header = &record.event.header;
        let reason = has(header, kind::FLAG_REASON).then(|| self.rst_reasons.get(&record.packet.reason).copied());
        RstSent {
            maker: maker(record),
            reason: reason.flatten(),
            active: has(header, kind::FLAG_ACTIVE),
            state: TcpState::from_number(header.state),
            packet: packet(record),
        }
    }

    fn dropped(
        &self,
        record: &PacketEvent,
        symbol: impl FnOnce(u64) -> Option<Arc<str>>,
    ) -> Result<Dropped, DecodeError> {
        let number = record.packet.reason;
        Ok(Dropped {
            reason: *self.drop_reasons.get(&number).ok_or(DecodeError::DropReason(number))?,
            location: symbol(record.packet.location),
            state: TcpState::from_number(record.event.header.state),
            packet: packet(record).ok_or(DecodeError::NoPacket)?,
        })
    }
}

#[inline(always)]
fn event(record: &SocketEvent, kind: EventKind) -> Event {
    let header = &record.header;
    Event {
        socket: SocketCookie::new(header.socket),
        tuple: tuple(&record.socket.tuple),
        owner: has(header, kind::FLAG_OWNED).then(|| owner(&record.owner)),
        ..of_nobody(header, kind)
    }
}

/// An event without a socket.
#[inline(always)]
fn of_nobody(header: &Header, kind: EventKind) -> Event {
    Event {
        at: Timestamp::from_nanos(header.time),
        cpu: header.cpu,
        netns: Netns {
            cookie: header.netns_cookie,
            inode: header.netns_inode,
        },
        socket: None,
        tuple: None,
        owner: None,
        kind,
    }
}

fn maker(record: &PacketEvent) -> RstMaker {
    let header = &record.event.header;
    if has(header, kind::FLAG_RULE) {
        RstMaker::Netfilter
    } else if tuple(&record.event.socket.tuple).is_some() || header.socket != 0 {
        RstMaker::Socket
    } else {
        RstMaker::NoSocket
    }
}

fn changed(record: &ConntrackEvent) -> Result<ConntrackChange, DecodeError> {
    let change = match record.header.kind {
        kind::CONNTRACK_NEW => Change::New,
        kind::CONNTRACK_UPDATE => Change::Update,
        _ => Change::Destroy,
    };
    Ok(ConntrackChange {
        change,
        entry: entry(&record.conntrack).ok_or(DecodeError::NoEntry)?,
        by: has(&record.header, kind::FLAG_OWNED).then_some(process(&record.by)),
    })
}

fn destroyed(record: &DestroyedEvent) -> Destroyed {
    let known = record.by.tgid != 0;
    Destroyed {
        state: TcpState::from_number(record.event.header.old_state),
        by: known.then_some(process(&record.by)),
    }
}

fn process(raw: &raw::Connection) -> Process {
    Process {
        pid: raw.tgid,
        comm: Comm(raw.comm),
    }
}

#[inline(always)]
fn owner(raw: &raw::Connection) -> Owner {
    Owner {
        started: Timestamp::from_nanos(raw.started),
        pid: raw.tgid,
        tid: raw.pid,
        uid: raw.uid,
        cgroup: raw.cgroup,
        comm: Comm(raw.comm),
    }
}

fn packet(record: &PacketEvent) -> Option<Packet> {
    if !has(&record.event.header, kind::FLAG_PACKET) {
        return None;
    }
    let raw = &record.packet;
    Some(Packet {
        tuple: tuple(&raw.tuple)?,
        mark: raw.mark,
        ifindex: (raw.ifindex != 0).then_some(raw.ifindex),
        tcp_flags: raw.tcp_flags,
        sequence: raw.sequence,
        acknowledgement: raw.acknowledgement,
        conntrack: conntrack(record),
    })
}

fn conntrack(record: &PacketEvent) -> Option<Conntrack> {
    if !has(&record.event.header, kind::FLAG_CONNTRACK) {
        return None;
    }
    entry(&record.conntrack)
}

fn entry(raw: &raw::Conntrack) -> Option<Conntrack> {
    Some(Conntrack {
        original: tuple(&raw.original)?,
        reply: tuple(&raw.reply)?,
        status: raw.status,
        state: ConntrackState::from_number(raw.state),
        mark: raw.mark,
        zone: raw.zone,
        id: None,
    })
}

#[inline(always)]
fn tuple(raw: &family::Tuple) -> Option<Tuple> {
    let address = |bytes: [u8; 16]| match raw.family {
        family::IPV4 => {
            let [a, b, c, d, ..] = bytes;
            Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        }
        family::IPV6 => Some(IpAddr::V6(Ipv6Addr::from(bytes))),
        _ => None,
    };
    Some(Tuple::new(
        Endpoint::new(address(raw.source)?, u16::from_be_bytes(raw.source_port)),
        Endpoint::new(address(raw.destination)?, u16::from_be_bytes(raw.destination_port)),
    ))
}

#[inline(always)]
fn has(header: &Header, flag: u8) -> bool {
    header.flags & flag != 0
}

#[cfg(test)]
mod tests;
