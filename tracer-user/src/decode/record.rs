//! The records of tracer-common out of bytes, field by field: any length, any alignment, any content.

use tracer_common::event::{
    Connection, Conntrack, ConntrackEvent, DestroyedEvent, Header, Packet, PacketEvent, Socket, SocketEvent,
};
use tracer_common::tuple::Tuple;

/// A record or a part of one.
pub(super) trait Record: Sized {
    fn read(from: &mut &[u8]) -> Option<Self>;

    /// The record that the bytes hold, if they hold exactly one. `SIZE` is its own: the compiler then knows that every
    /// field is there.
    #[inline(always)]
    fn decode<const SIZE: usize>(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SIZE] = bytes.try_into().ok()?;
        let mut from = bytes.as_slice();
        let record = Self::read(&mut from)?;
        from.is_empty().then_some(record)
    }
}

impl Record for PacketEvent {
    #[inline(always)]
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            event: Record::read(from)?,
            packet: Record::read(from)?,
            conntrack: Record::read(from)?,
        })
    }
}

impl Record for ConntrackEvent {
    #[inline(always)]
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            header: Record::read(from)?,
            by: Record::read(from)?,
            conntrack: Record::read(from)?,
        })
    }
}

impl Record for DestroyedEvent {
    #[inline(always)]
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            event: Record::read(from)?,
            by: Record::read(from)?,
        })
    }
}

impl Record for SocketEvent {
    #[inline(always)]
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            header: Record::read(from)?,
            owner: Record::read(from)?,
            socket: Record::read(from)?,
        })
    }
}

impl Record for Header {
    #[inline(always)]
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            kind: byte(from)?,
            flags: byte(from)?,
            state: byte(from)?,
            old_state: byte(from)?,
            cpu: u32::from_ne_bytes(array(from)?),
            time: u64::from_ne_bytes(array(from)?),
            socket: u64::from_ne_bytes(array(from)?),
            netns_cookie: u64::from_ne_bytes(array(from)?),
            netns_inode: u32::from_ne_bytes(array(from)?),
            pad: u32::from_ne_bytes(array(from)?),
        })
    }
}

impl Record for Connection {
    #[inline(always)]
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            started: u64::from_ne_bytes(array(from)?),
            cgroup: u64::from_ne_bytes(array(from)?),
            tgid: u32::from_ne_bytes(array(from)?),
            pid: u32::from_ne_bytes(array(from)?),
            uid: u32::from_ne_bytes(array(from)?),
            flags: u32::from_ne_bytes(array(from)?),
            comm: array(from)?,
        })
    }
}

impl Record for Socket {
    #[inline(always)]
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            tuple: Record::read(from)?,
            error: u32::from_ne_bytes(array(from)?),
            retransmits: u32::from_ne_bytes(array(from)?),
            rto_jiffies: u32::from_ne_bytes(array(from)?),
            unacked: u32::from_ne_bytes(array(from)?),
            mark: u32::from_ne_bytes(array(from)?),
            pad: u32::from_ne_bytes(array(from)?),
        })
    }
}

impl Record for Packet {
    #[inline(always)]
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            tuple: Record::read(from)?,
            location: u64::from_ne_bytes(array(from)?),
            reason: u32::from_ne_bytes(array(from)?),
            mark: u32::from_ne_bytes(array(from)?),
            ifindex: u32::from_ne_bytes(array(from)?),
            sequence: u32::from_ne_bytes(array(from)?),
            acknowledgement: u32::from_ne_bytes(array(from)?),
            tcp_flags: byte(from)?,
            pad: array(from)?,
        })
    }
}

impl Record for Conntrack {
    #[inline(always)]
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            original: Record::read(from)?,
            reply: Record::read(from)?,
            status: u32::from_ne_bytes(array(from)?),
            mark: u32::from_ne_bytes(array(from)?),
            zone: u16::from_ne_bytes(array(from)?),
            state: byte(from)?,
            info: byte(from)?,
            pad: u32::from_ne_bytes(array(from)?),
        })
    }
}

impl Record for Tuple {
    #[inline(always)]
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            source: array(from)?,
            destination: array(from)?,
            source_port: array(from)?,
            destination_port: array(from)?,
            family: byte(from)?,
            pad: array(from)?,
        })
    }
}

#[inline(always)]
fn array<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*bytes)
}

#[inline(always)]
fn byte(from: &mut &[u8]) -> Option<u8> {
    array(from).map(|[byte]| byte)
}
