//! Accessors on `struct sk_buff`: the TCP segment in it, its device and its conntrack entry.
//!
//! The headers are found from the network header alone: the transport header is not always set where packets die.

use tracer_common::{
    event::{Header, Packet},
    stat::Hook,
};

use crate::{
    address,
    read::{Memory, Struct, offset},
    sock::{self, Sock},
};

const ETH_P_IP: u16 = 0x0800_u16.to_be();
const ETH_P_IPV6: u16 = 0x86dd_u16.to_be();
const IPPROTO_TCP: u8 = 6;
const IPV6_HEADER: u64 = 40;
/// `transport_header` while it is not set.
const UNSET: u16 = u16::MAX;
/// The bit of `_skb_refdst` that says that no reference is held (`SKB_DST_NOREF`).
const NOT_COUNTED: u64 = 1;
const RTN_LOCAL: u16 = 2;
const RTF_LOCAL: u32 = 0x8000_0000;
const RST: u8 = 4;

#[derive(Clone, Copy)]
pub(crate) struct Skb<S>(pub(crate) S);

/// Where a TCP segment lies.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    network: Memory,
    tcp: Memory,
    v6: bool,
}

impl<S: Struct> Skb<S> {
    #[inline(always)]
    pub(crate) fn mark(self) -> u32 {
        self.0.load(offset!(skb_mark)).unwrap_or(0)
    }

    /// The conntrack entry's address and, in the low three bits, the packet's relation to it.
    #[inline(always)]
    pub(crate) fn nfct(self) -> u64 {
        self.0.load(offset!(skb_nfct)).unwrap_or(0)
    }

    /// The socket the packet belongs to: of any kind, also a small one.
    #[inline(always)]
    pub(crate) fn sock(self) -> Option<Sock<S>> {
        self.0.follow(offset!(skb_sk)).map(Sock)
    }

    #[inline(always)]
    pub(crate) fn device(self) -> Option<S> {
        self.0.follow(offset!(skb_dev))
    }

    /// The TCP segment, `None` for anything else.
    #[inline(always)]
    pub(crate) fn segment(self, hook: Hook) -> Option<Segment> {
        let head: u64 = self.0.load(offset!(skb_head))?;
        let start: u16 = self.0.load(offset!(skb_network_header))?;
        let network = Memory { address: head, hook }.add(u64::from(start));
        match self.0.load::<u16>(offset!(skb_protocol))? {
            ETH_P_IP => {
                let length = network.load::<u8>(0)? & 0xf;
                let protocol = network.load::<u8>(9)?;
                (protocol == IPPROTO_TCP).then(|| Segment {
                    network,
                    tcp: network.add(u64::from(length) * 4),
                    v6: false,
                })
            }
            ETH_P_IPV6 => {
                let protocol = network.load::<u8>(6)?;
                let tcp = network.add(self.transport_after(start).unwrap_or(IPV6_HEADER));
                (protocol == IPPROTO_TCP).then_some(Segment { network, tcp, v6: true })
            }
            _ => None,
        }
    }

    /// The inode of its device's namespace; 0 where it has no device.
    #[inline(always)]
    pub(crate) fn netns(self) -> u32 {
        let net = self.device().and_then(|device| device.follow(offset!(dev_net)));
        net.and_then(|net| net.load(offset!(net_inode))).unwrap_or(0)
    }

    /// Whether the packet was routed to this host itself, which alone makes TCP answer one that finds no socket.
    #[inline(always)]
    pub(crate) fn is_for_this_host(self, segment: Segment) -> bool {
        let entry = self.0.load::<u64>(offset!(skb_refdst)).unwrap_or(0) & !NOT_COUNTED;
        let Some(entry) = Memory::new(entry, segment.network.hook) else {
            return false;
        };
        if segment.v6 {
            entry.load::<u32>(offset!(rt6_flags)).unwrap_or(0) & RTF_LOCAL != 0
        } else {
            entry.load::<u16>(offset!(rtable_type)) == Some(RTN_LOCAL)
        }
    }

    /// Bytes from the network to the transport header, where that is set and beyond the fixed IPv6 header.
    #[inline(always)]
    fn transport_after(self, network: u16) -> Option<u64> {
        let transport: u16 = self.0.load(offset!(skb_transport_header))?;
        let bytes = u64::from(transport.checked_sub(network)?);
        (transport != UNSET && bytes > IPV6_HEADER).then_some(bytes)
    }
}

impl Segment {
    /// The hook that reads it.
    #[inline(always)]
    pub(crate) fn hook(self) -> Hook {
        self.network.hook
    }

    /// As it stands in the packet; 0 where it cannot be read. To tell floods apart.
    #[inline(always)]
    pub(crate) fn destination_port(self) -> u32 {
        u32::from(u16::from_be(self.tcp.load(2).unwrap_or(0)))
    }

    /// Whether it is a RST itself, which is never answered by one.
    #[inline(always)]
    pub(crate) fn is_reset(self) -> bool {
        self.tcp.load::<u8>(13).unwrap_or(0) & RST != 0
    }

    /// Writes the tuple and the TCP fields; `None` where a read failed.
    #[inline(always)]
    pub(crate) fn fill(self, packet: &mut Packet) -> Option<()> {
        if self.v6 {
            let [a, b, c, d] = self.network.load::<[u64; 4]>(8)?;
            address::set_v6(&mut packet.tuple, [a, b], [c, d]);
        } else {
            let source = self.network.load(12)?;
            address::set_v4(&mut packet.tuple, source, self.network.load(16)?);
        }
        packet.tuple.source_port = self.tcp.load::<u16>(0)?.to_ne_bytes();
        packet.tuple.destination_port = self.tcp.load::<u16>(2)?.to_ne_bytes();
        packet.sequence = u32::from_be(self.tcp.load(4)?);
        packet.acknowledgement = u32::from_be(self.tcp.load(8)?);
        packet.tcp_flags = self.tcp.load(13)?;
        Some(())
    }
}

/// Writes the namespace of a device and returns its index.
#[inline(always)]
pub(crate) fn device(device: impl Struct, header: &mut Header) -> u32 {
    if let Some(net) = device.follow(offset!(dev_net)) {
        sock::namespace(net, header);
    }
    device.load(offset!(dev_ifindex)).unwrap_or(0)
}
