//! TCP segments in Ethernet frames, in and out.
//!
//! Only what the phantom needs: no options, no fragments, no checks of checksums (a veth leaves them unfinished).

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TcpHeader, TransportSlice};
use std::io;
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub sequence: u32,
    pub acknowledgment: u32,
    pub flags: Flags,
    pub window: u16,
    pub payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent bits of the TCP header"
)]
pub(super) struct Flags {
    pub syn: bool,
    pub ack: bool,
    pub fin: bool,
    pub rst: bool,
}

/// The TCP segment in a frame sent to the phantom, and the sender's hardware address.
pub(super) fn parse(frame: &[u8]) -> Option<([u8; 6], Segment)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let ethernet = packet.link?.to_header()?.ethernet2()?;
    let (source, destination): (IpAddr, IpAddr) = match packet.net? {
        NetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Arp(_) => return None,
    };
    let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
        return None;
    };
    let flags = Flags {
        syn: tcp.syn(),
        ack: tcp.ack(),
        fin: tcp.fin(),
        rst: tcp.rst(),
    };
    let segment = Segment {
        source: SocketAddr::new(source, tcp.source_port()),
        destination: SocketAddr::new(destination, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledgment: tcp.acknowledgment_number(),
        flags,
        window: tcp.window_size(),
        payload: tcp.payload().to_vec(),
    };
    (ethernet.destination == HARDWARE_ADDRESS).then_some((ethernet.source, segment))
}

pub(super) fn build(to: [u8; 6], segment: &Segment) -> io::Result<Vec<u8>> {
    let ethernet = PacketBuilder::ethernet2(HARDWARE_ADDRESS, to);
    let ip = match (segment.source.ip(), segment.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ethernet.ipv4(source.octets(), destination.octets(), 64),
        (IpAddr::V6(source), IpAddr::V6(destination)) => ethernet.ipv6(source.octets(), destination.octets(), 64),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let mut tcp = TcpHeader::new(
        segment.source.port(),
        segment.destination.port(),
        segment.sequence,
        segment.window,
    );
    tcp.acknowledgment_number = segment.acknowledgment;
    tcp.syn = segment.flags.syn;
    tcp.ack = segment.flags.ack;
    tcp.fin = segment.flags.fin;
    tcp.rst = segment.flags.rst;
    tcp.psh = !segment.payload.is_empty();
    let mut frame = Vec::new();
    ip.tcp_header(tcp)
        .write(&mut frame, &segment.payload)
        .map_err(io::Error::other)?;
    Ok(frame)
}

/// Not the device's own address, so that the kernel of the phantom's namespace ignores the frames for it.
pub(in crate::lab) const HARDWARE_ADDRESS: [u8; 6] = [0x02, 0x77, 0, 0, 0, 0x03];
/// As large as it can be told without an option.
pub(super) const WINDOW: u16 = 65535;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_parses_back_in_both_families() {
        for (source, destination) in [
            ("10.77.0.2:40001", "10.77.0.3:9000"),
            ("[fd77::2]:40001", "[fd77::3]:9000"),
        ] {
            let segment = Segment {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                sequence: 7,
                acknowledgment: 9,
                flags: Flags {
                    ack: true,
                    ..Flags::default()
                },
                window: 512,
                payload: b"hello\n".to_vec(),
            };
            let frame = build(HARDWARE_ADDRESS, &segment).unwrap();
            assert_eq!(parse(&frame), Some((HARDWARE_ADDRESS, segment)));
        }
    }

    #[test]
    fn frames_for_others_and_garbage_are_nobodys_segment() {
        let segment = Segment {
            source: "10.77.0.2:1".parse().unwrap(),
            destination: "10.77.0.3:2".parse().unwrap(),
            sequence: 0,
            acknowledgment: 0,
            flags: Flags::default(),
            window: WINDOW,
            payload: Vec::new(),
        };
        let frame = build([2, 0, 0, 0, 0, 9], &segment).unwrap();
        assert_eq!(parse(&frame), None);
        for length in 0..frame.len() {
            assert_eq!(parse(&frame[..length]), None);
        }
    }
}
