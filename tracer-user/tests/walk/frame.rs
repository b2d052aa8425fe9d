//! Packets as bytes, out and in.

use etherparse::PacketBuilder;
use std::net::{IpAddr, SocketAddr};

/// A packet that the test sends. Its number is in the payload, and its TTL tells it from what the kernel makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shot {
    pub(crate) number: u64,
    pub(crate) protocol: u8,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// As in [`tracer_user::model::rules::Field::TcpFlags`].
    pub(crate) flags: u8,
    pub(crate) sequence: u32,
    pub(crate) acknowledgment: u32,
}

/// What a packet that was seen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A test packet of this number.
    Shot(u64),
    Reset,
    IcmpError,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
}

impl Shot {
    pub(crate) fn is_v6(&self) -> bool {
        self.source.is_ipv6()
    }

    /// Bytes from the network header on.
    pub(crate) fn length(&self) -> u32 {
        let network = if self.is_v6() { 40 } else { 20 };
        network + if self.protocol == TCP { 20 } else { 8 } + 8
    }

    pub(crate) fn packet(&self, ttl: u8) -> Vec<u8> {
        let ip = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                PacketBuilder::ipv4(source.octets(), destination.octets(), ttl)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                PacketBuilder::ipv6(source.octets(), destination.octets(), ttl)
            }
            _ => panic!("one family: {self:?}"),
        };
        let payload = self.number.to_be_bytes();
        let mut bytes = Vec::new();
        let (source, destination) = (self.source.port(), self.destination.port());
        if self.protocol == UDP {
            ip.udp(source, destination).write(&mut bytes, &payload).unwrap();
            return bytes;
        }
        let mut header = etherparse::TcpHeader::new(source, destination, self.sequence, 65_000);
        header.acknowledgment_number = self.acknowledgment;
        header.fin = self.flags & FIN != 0;
        header.syn = self.flags & SYN != 0;
        header.rst = self.flags & RST != 0;
        header.ack = self.flags & ACK != 0;
        ip.tcp_header(header).write(&mut bytes, &payload).unwrap();
        bytes
    }
}

/// The frame of a packet between two hardware addresses.
pub(crate) fn framed(packet: &[u8], to: [u8; 6], from: [u8; 6]) -> Vec<u8> {
    let kind: [u8; 2] = if packet[0] >> 4 == 6 {
        [0x86, 0xdd]
    } else {
        [0x08, 0x00]
    };
    [&to[..], &from, &kind, packet].concat()
}

/// A packet from its network header on; `None` for what is no business of the test.
pub(crate) fn parse(packet: &[u8]) -> Option<Seen> {
    let (protocol, source, destination, rest) = match packet.first()? >> 4 {
        4 => {
            let address = |at: usize| -> Option<IpAddr> {
                let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
                Some(bytes.into())
            };
            let header = usize::from(packet[0] & 15) * 4;
            (*packet.get(9)?, address(12)?, address(16)?, packet.get(header..)?)
        }
        6 => {
            let address = |at: usize| -> Option<IpAddr> {
                let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                Some(bytes.into())
            };
            (*packet.get(6)?, address(8)?, address(24)?, packet.get(40..)?)
        }
        _ => return None,
    };
    transport(protocol, source, destination, rest)
}

pub(crate) fn transport(protocol: u8, source: IpAddr, destination: IpAddr, bytes: &[u8]) -> Option<Seen> {
    let port = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let number = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let (kind, ports) = match protocol {
        UDP => (Kind::Shot(number(8)?), (port(0)?, port(2)?)),
        TCP => {
            let header = usize::from(bytes.get(12)? >> 4) * 4;
            let kind = match number(header) {
                Some(number) => Kind::Shot(number),
                None if bytes.get(13)? & RST != 0 => Kind::Reset,
                None => return None,
            };
            (kind, (port(0)?, port(2)?))
        }
        // Destination unreachable.
        ICMP if bytes.first() == Some(&3) => (Kind::IcmpError, (0, 0)),
        ICMP6 if bytes.first() == Some(&1) => (Kind::IcmpError, (0, 0)),
        _ => return None,
    };
    Some(Seen {
        kind,
        source: SocketAddr::new(source, ports.0),
        destination: SocketAddr::new(destination, ports.1),
    })
}

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMP6: u8 = 58;
pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;
/// Of test packets: lower than what the kernel gives its own.
pub(crate) const TTL: u8 = 40;
