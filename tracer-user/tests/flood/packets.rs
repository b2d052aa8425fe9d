//! Whole packets from nowhere: raw IPv4 sockets, one template whose words change.

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

/// Sends packets as they are.
pub(crate) fn sender() -> OwnedFd {
    raw(ipproto::RAW)
}

/// Gets a copy of every TCP segment that comes to this namespace.
pub(crate) fn listener() -> OwnedFd {
    raw(ipproto::TCP)
}

fn raw(protocol: net::Protocol) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    net::socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(protocol)).unwrap()
}

/// A packet with IPv4 and TCP headers and nothing else.
#[derive(Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    to: SocketAddr,
}

impl Template {
    pub(crate) fn syn(from: SocketAddrV4, to: SocketAddrV4) -> Self {
        Self::build(to, Self::ip(from, to).tcp(from.port(), to.port(), 1, 64_240).syn())
    }

    pub(crate) fn rst(from: SocketAddrV4, to: SocketAddrV4, sequence: u32) -> Self {
        Self::build(to, Self::ip(from, to).tcp(from.port(), to.port(), sequence, 0).rst())
    }

    pub(crate) fn set_source(&mut self, address: Ipv4Addr) {
        let [a, b, c, d] = address.octets();
        self.replace(12, [a, b]);
        self.replace(14, [c, d]);
    }

    pub(crate) fn set_destination_port(&mut self, port: u16) {
        self.replace(22, port.to_be_bytes());
    }

    /// Whether the kernel took it.
    pub(crate) fn send(&self, socket: &OwnedFd) -> bool {
        net::sendto(socket, &self.bytes, SendFlags::empty(), &self.to).is_ok()
    }

    fn ip(from: SocketAddrV4, to: SocketAddrV4) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
        PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64)
    }

    fn build(to: SocketAddrV4, packet: etherparse::PacketBuilderStep<etherparse::TcpHeader>) -> Self {
        let mut bytes = Vec::new();
        packet.write(&mut bytes, &[]).unwrap();
        Self { bytes, to: to.into() }
    }

    /// Changes a word that TCP's checksum covers, and that with it (RFC 1624); IP's is the kernel's own.
    fn replace(&mut self, at: usize, word: [u8; 2]) {
        const CHECKSUM: usize = 20 + 16;
        let read = |at: usize| u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]);
        let (old, checksum, new) = (read(at), read(CHECKSUM), u16::from_be_bytes(word));
        let sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
        self.bytes[at..at + 2].copy_from_slice(&word);
        self.bytes[CHECKSUM..CHECKSUM + 2].copy_from_slice(&(!folded).to_be_bytes());
    }
}

/// The sequence number of the SYN ACK from `from` to `to` among what the listener has.
pub(crate) fn initial_sequence(listener: &OwnedFd, from: SocketAddr, to: SocketAddr) -> Option<u32> {
    let mut buffer = [0; 2_048];
    let mut found = None;
    while let Ok((length, _)) = net::recv(listener, &mut buffer, RecvFlags::empty()) {
        let packet = SlicedPacket::from_ip(&buffer[..length]).unwrap();
        let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) = (packet.net, packet.transport) else {
            continue;
        };
        let source = SocketAddr::from((ip.header().source_addr(), tcp.source_port()));
        let destination = SocketAddr::from((ip.header().destination_addr(), tcp.destination_port()));
        if tcp.syn() && tcp.ack() && (source, destination) == (from, to) {
            found = Some(tcp.sequence_number());
        }
    }
    found
}
