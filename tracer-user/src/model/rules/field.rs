//! What of a packet, its connection and its socket a rule can look at.

use crate::model::named::named;

named! {
    /// A field; the name is nft's spelling. Numbers are in the order of [`super::Value`].
    Field {
        /// `NFPROTO_IPV4` (2) or `NFPROTO_IPV6` (10).
        Nfproto = "meta nfproto",
        /// `IPPROTO_*`.
        L4Proto = "meta l4proto",
        /// IPv4's protocol field: of no IPv6 packet.
        Ip4Protocol = "ip protocol",
        /// IPv6's next header, which may be an extension: of no IPv4 packet.
        Ip6NextHeader = "ip6 nexthdr",
        Ip4Source = "ip saddr",
        Ip4Destination = "ip daddr",
        Ip6Source = "ip6 saddr",
        Ip6Destination = "ip6 daddr",
        /// Of TCP, UDP, SCTP, DCCP alike; what precedes it in the rule says of which.
        SourcePort = "th sport",
        DestinationPort = "th dport",
        /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
        TcpFlags = "tcp flags",
        IcmpType = "icmp type",
        IcmpCode = "icmp code",
        Icmp6Type = "icmpv6 type",
        Icmp6Code = "icmpv6 code",
        /// Number of the device that the packet came in by; none in OUTPUT.
        InputInterface = "iif",
        OutputInterface = "oif",
        /// Name of that device.
        InputName = "iifname",
        OutputName = "oifname",
        /// `skb->mark`.
        Mark = "meta mark",
        /// `PACKET_*`: 0 to this host, 1 broadcast, 2 multicast.
        PacketType = "meta pkttype",
        /// Length of the packet from its network header, in bytes.
        Length = "meta length",
        /// The same as IPv4's header says it: of no IPv6 packet.
        Ip4Length = "ip length",
        /// IPv4's TTL, IPv6's hop limit.
        TimeToLive = "ip ttl",
        /// The upper six bits of TOS or traffic class.
        Dscp = "ip dscp",
        /// Fragment offset and flags of IPv4, 16 bits.
        Ip4Fragment = "ip frag-off",
        /// Owner of the sending socket's file; only packets of local sockets have one.
        SocketUid = "meta skuid",
        SocketGid = "meta skgid",
        /// Whether a socket is found for the packet that is transparent: 0 or 1.
        SocketTransparent = "socket transparent",
        SocketMark = "socket mark",
        SocketWildcard = "socket wildcard",
        /// A bit: INVALID 1, ESTABLISHED 2, RELATED 4, NEW 8, UNTRACKED 64 (nft's bits; xt's differ and are converted).
        CtState = "ct state",
        /// `IPS_*` bits.
        CtStatus = "ct status",
        CtMark = "ct mark",
        CtZone = "ct zone",
        /// 0 original, 1 reply.
        CtDirection = "ct direction",
        CtL4Proto = "ct protocol",
        CtOriginalSource = "ct original saddr",
        CtOriginalDestination = "ct original daddr",
        CtOriginalSourcePort = "ct original proto-src",
        CtOriginalDestinationPort = "ct original proto-dst",
        CtReplySource = "ct reply saddr",
        CtReplyDestination = "ct reply daddr",
        CtReplySourcePort = "ct reply proto-src",
        CtReplyDestinationPort = "ct reply proto-dst",
        /// `RTN_*` of the source: UNICAST 1, LOCAL 2, BROADCAST 3, ANYCAST 4, MULTICAST 5, BLACKHOLE 6, UNREACHABLE 7,
        /// PROHIBIT 8. In a [`super::Match::Number`], `mask` 0 stands for no masking, as everywhere.
        FibSource = "fib saddr type",
        FibDestination = "fib daddr type",
        /// The same, looked up with the packet's own input device (`--limit-iface-in`, `fib daddr . iif type`).
        FibSourceInput = "fib saddr . iif type",
        FibDestinationInput = "fib daddr . iif type",
        FibSourceOutput = "fib saddr . oif type",
        FibDestinationOutput = "fib daddr . oif type",
        /// Number of the device that the route back to the source leaves by (rpfilter): 0 none.
        FibReversePath = "fib saddr . iif oif",
    }
}
