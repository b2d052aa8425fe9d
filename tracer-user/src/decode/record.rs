//! The records of tracer-common out of bytes, field by field: any length, any alignment, any content.

use bytes::{Buf, TryGetError};
use tracer_common::event::{
    Connection, Conntrack, ConntrackEvent, DestroyedEvent, Header, Packet, PacketEvent, Socket, SocketEvent,
};
use tracer_common::tuple::Tuple;

/// A record or a part of one.
pub(super) trait Record: Sized {
    fn read(from: &mut &[u8]) -> Result<Self, TryGetError>;

    /// The record that the bytes hold, if they hold exactly one.
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let record = Self::read(&mut bytes).ok()?;
        bytes.is_empty().then_some(record)
    }
}

impl Record for PacketEvent {
    fn read(from: &mut &[u8]) -> Result<Self, TryGetError> {
        Ok(Self {
            event: Record::read(from)?,
            packet: Record::read(from)?,
            conntrack: Record::read(from)?,
        })
    }
}

impl Record for ConntrackEvent {
    fn read(from: &mut &[u8]) -> Result<Self, TryGetError> {
        Ok(Self {
            header: Record::read(from)?,
            by: Record::read(from)?,
            conntrack: Record::read(from)?,
        })
    }
}

impl Record for DestroyedEvent {
    fn read(from: &mut &[u8]) -> Result<Self, TryGetError> {
        Ok(Self {
            event: Record::read(from)?,
            by: Record::read(from)?,
        })
    }
}

impl Record for SocketEvent {
    fn read(from: &mut &[u8]) -> Result<Self, TryGetError> {
        Ok(Self {
            header: Record::read(from)?,
            owner: Record::read(from)?,
            socket: Record::read(from)?,
        })
    }
}

impl Record for Header {
    fn read(from: &mut &[u8]) -> Result<Self, TryGetError> {
        Ok(Self {
            kind: from.try_get_u8()?,
            flags: from.try_get_u8()?,
            state: from.try_get_u8()?,
            old_state: from.try_get_u8()?,
            cpu: from.try_get_u32_ne()?,
            time: from.try_get_u64_ne()?,
            socket: from.try_get_u64_ne()?,
            netns_cookie: from.try_get_u64_ne()?,
            netns_inode: from.try_get_u32_ne()?,
            pad: from.try_get_u32_ne()?,
        })
    }
}

impl Record for Connection {
    fn read(from: &mut &[u8]) -> Result<Self, TryGetError> {
        Ok(Self {
            started: from.try_get_u64_ne()?,
            cgroup: from.try_get_u64_ne()?,
            tgid: from.try_get_u32_ne()?,
            pid: from.try_get_u32_ne()?,
            uid: from.try_get_u32_ne()?,
            flags: from.try_get_u32_ne()?,
            comm: array(from)?,
        })
    }
}

impl Record for Socket {
    fn read(from: &mut &[u8]) -> Result<Self, TryGetError> {
        Ok(Self {
            tuple: Record::read(from)?,
            error: from.try_get_u32_ne()?,
            retransmits: from.try_get_u32_ne()?,
            rto_jiffies: from.try_get_u32_ne()?,
            unacked: from.try_get_u32_ne()?,
            mark: from.try_get_u32_ne()?,
            pad: from.try_get_u32_ne()?,
        })
    }
}

impl Record for Packet {
    fn read(from: &mut &[u8]) -> Result<Self, TryGetError> {
        Ok(Self {
            tuple: Record::read(from)?,
            location: from.try_get_u64_ne()?,
            reason: from.try_get_u32_ne()?,
            mark: from.try_get_u32_ne()?,
            ifindex: from.try_get_u32_ne()?,
            sequence: from.try_get_u32_ne()?,
            acknowledgement: from.try_get_u32_ne()?,
            tcp_flags: from.try_get_u8()?,
            pad: array(from)?,
        })
    }
}

impl Record for Conntrack {
    fn read(from: &mut &[u8]) -> Result<Self, TryGetError> {
        Ok(Self {
            original: Record::read(from)?,
            reply: Record::read(from)?,
            status: from.try_get_u32_ne()?,
            mark: from.try_get_u32_ne()?,
            zone: from.try_get_u16_ne()?,
            state: from.try_get_u8()?,
            info: from.try_get_u8()?,
            pad: from.try_get_u32_ne()?,
        })
    }
}

impl Record for Tuple {
    fn read(from: &mut &[u8]) -> Result<Self, TryGetError> {
        Ok(Self {
            source: array(from)?,
            destination: array(from)?,
            source_port: array(from)?,
            destination_port: array(from)?,
            family: from.try_get_u8()?,
            pad: array(from)?,
        })
    }
}

fn array<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], TryGetError> {
    let mut bytes = [0; N];
    from.try_copy_to_slice(&mut bytes)?;
    Ok(bytes)
}
