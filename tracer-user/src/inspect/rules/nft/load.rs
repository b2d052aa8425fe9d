//! Expressions that load something of a packet, its connection or its surroundings into registers.
//!
//! What the model has no field for is loaded as unknown, with nft's words for it.

use super::bits::{Bits, Piece};
use super::block::Block;
use super::datatype::Order;
use super::register::{Held, Registers, What};
use crate::model::rules::{Family, Field, Operand};
use std::fmt::Write;

/// What is known of the packet that a rule looks at, by its table and by what it has matched so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// The network protocol, where the table or a match says so.
    pub(super) network: Option<Network>,
    /// `IPPROTO_*`, where a match says so.
    pub(super) transport: Option<u8>,
    /// The link layer's header is always there.
    framed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    V4,
    V6,
}

impl Context {
    pub(super) fn new(family: Family) -> Self {
        Self {
            network: match family {
                Family::Ip => Some(Network::V4),
                Family::Ip6 => Some(Network::V6),
                Family::Inet | Family::Bridge | Family::Netdev | Family::Arp => None,
            },
            transport: None,
            framed: matches!(family, Family::Bridge | Family::Netdev),
        }
    }
}

/// What `payload` loads: `length` bytes from `offset` on in one of the headers.
pub(super) fn payload(data: Block<'_>, context: Context) -> Option<Held> {
    let (base, offset, length) = (data.u32(BASE)?, data.u32(OFFSET)?, data.length(LENGTH)?);
    let text = payload_text(base, offset, length);
    if base == LINK && (offset, length) == (12, 2) {
        return Some(if context.framed {
            held(What::Protocol, Order::Wire, 2)
        } else {
            Held::unknown("ether type", 2)
        });
    }
    if length == 0 || length > WIDEST {
        return Some(Held::unknown(text, length.min(REGISTERS)));
    }
    let pieces = pieces(base, offset, length, context)?;
    if pieces.is_empty() {
        return Some(Held::unknown(text, length));
    }
    let bits = Bits::of_pieces(pieces, bits_of(length));
    Some(held(What::Bits(bits), Order::Wire, length))
}

/// The known fields within these bytes of a header.
pub(super) fn pieces(base: u32, offset: u32, length: usize, context: Context) -> Option<Vec<Piece>> {
    let (start, count) = (offset.checked_mul(8)?, bits_of(length));
    let end = start.checked_add(count)?;
    let fields = fields(base, context).iter();
    let overlapping = fields.filter(|&&(at, width, _)| at < end && at + width > start);
    Some(
        overlapping
            .map(|&(at, width, field)| {
                let (low, high) = (at.max(start), (at + width).min(end));
                Piece {
                    field,
                    width,
                    from: at + width - high,
                    at: end - high,
                    count: high - low,
                }
            })
            .collect(),
    )
}

pub(super) fn payload_text(base: u32, offset: u32, length: usize) -> String {
    let base = match base {
        LINK => "ll",
        NETWORK => "nh",
        TRANSPORT => "th",
        _ => "ih",
    };
    format!("@{base},{},{}", u64::from(offset) * 8, length.saturating_mul(8))
}

fn fields(base: u32, context: Context) -> &'static [(u32, u32, Field)] {
    match (base, context.network, context.transport) {
        (NETWORK, Some(Network::V4), _) => &IPV4,
        (NETWORK, Some(Network::V6), _) => &IPV6,
        (TRANSPORT, _, Some(ICMP)) => &[(0, 8, Field::IcmpType), (8, 8, Field::IcmpCode)],
        (TRANSPORT, _, Some(ICMPV6)) => &[(0, 8, Field::Icmp6Type), (8, 8, Field::Icmp6Code)],
        (TRANSPORT, _, None | Some(TCP)) => &[
            (0, 16, Field::SourcePort),
            (16, 16, Field::DestinationPort),
            (104, 8, Field::TcpFlags),
        ],
        (TRANSPORT, _, Some(UDP | DCCP | SCTP | UDPLITE)) => {
            &[(0, 16, Field::SourcePort), (16, 16, Field::DestinationPort)]
        }
        _ => &[],
    }
}

/// What `meta` loads.
pub(super) fn meta(key: u32) -> Held {
    let host = |field| number(field, 4, Order::Host);
    match key {
        0 => host(Field::Length),
        1 => held(What::Protocol, Order::Wire, 2),
        3 => host(Field::Mark),
        4 => host(Field::InputInterface),
        5 => host(Field::OutputInterface),
        6 => held(What::Name(Field::InputName), Order::Wire, NAME),
        7 => held(What::Name(Field::OutputName), Order::Wire, NAME),
        10 => host(Field::SocketUid),
        11 => host(Field::SocketGid),
        15 => number(Field::Nfproto, 1, Order::Wire),
        16 => number(Field::L4Proto, 1, Order::Wire),
        19 => number(Field::PacketType, 1, Order::Wire),
        // prandom
        24 => Held {
            order: Order::Wire,
            ..random(u32::MAX, 0)
        },
        _ => Held::unknown(format!("meta {}", meta_name(key)), REGISTERS),
    }
}

pub(super) fn meta_name(key: u32) -> String {
    let known = usize::try_from(key).ok().and_then(|key| META.get(key));
    known.map_or_else(|| key.to_string(), |&name| name.to_owned())
}

/// What `ct` loads. The direction is 0 original, 1 reply.
pub(super) fn ct(key: u32, direction: Option<u8>, context: Context) -> Held {
    let original = direction == Some(0);
    let of = |first, second| if original { first } else { second };
    let address = |first, second, length| number(of(first, second), length, Order::Wire);
    let (source, destination) = (
        (Field::CtOriginalSource, Field::CtReplySource),
        (Field::CtOriginalDestination, Field::CtReplyDestination),
    );
    match (key, direction) {
        (0, None) => number(Field::CtState, 4, Order::Host),
        (1, None) => number(Field::CtDirection, 1, Order::Wire),
        (2, None) => number(Field::CtStatus, 4, Order::Host),
        (3, None) => number(Field::CtMark, 4, Order::Host),
        (10, _) => number(Field::CtL4Proto, 1, Order::Wire),
        (17, None) => number(Field::CtZone, 2, Order::Host),
        (8 | 9, Some(0 | 1)) if context.network.is_some() => {
            let length = if context.network == Some(Network::V4) { 4 } else { 16 };
            let (first, second) = if key == 8 { source } else { destination };
            address(first, second, length)
        }
        (11, Some(0 | 1)) => address(Field::CtOriginalSourcePort, Field::CtReplySourcePort, 2),
        (12, Some(0 | 1)) => address(Field::CtOriginalDestinationPort, Field::CtReplyDestinationPort, 2),
        (19, Some(0 | 1)) => address(source.0, source.1, 4),
        (20, Some(0 | 1)) => address(destination.0, destination.1, 4),
        (21, Some(0 | 1)) => address(source.0, source.1, 16),
        (22, Some(0 | 1)) => address(destination.0, destination.1, 16),
        _ => Held::unknown(format!("ct {}", ct_name(key)), REGISTERS),
    }
}

pub(super) fn ct_name(key: u32) -> String {
    let known = usize::try_from(key).ok().and_then(|key| CT.get(key));
    known.map_or_else(|| key.to_string(), |&name| name.to_owned())
}

/// What `fib` loads.
pub(super) fn fib(data: Block<'_>) -> Option<Held> {
    let (result, flags) = (data.u32(FIB_RESULT)?, data.u32(FIB_FLAGS)?);
    let types = |field| number(field, 4, Order::Host);
    let exists = flags & PRESENT != 0;
    Some(match (result, flags & !PRESENT) {
        (ADDRESS_TYPE, SADDR) if !exists => types(Field::FibSource),
        (ADDRESS_TYPE, DADDR) if !exists => types(Field::FibDestination),
        (ADDRESS_TYPE, flags) if !exists && flags == SADDR | IIF => types(Field::FibSourceInput),
        (ADDRESS_TYPE, flags) if !exists && flags == DADDR | IIF => types(Field::FibDestinationInput),
        (ADDRESS_TYPE, flags) if !exists && flags == SADDR | OIF => types(Field::FibSourceOutput),
        (ADDRESS_TYPE, flags) if !exists && flags == DADDR | OIF => types(Field::FibDestinationOutput),
        (OIF_INDEX | OIF_NAME, flags) if exists && flags == SADDR | IIF => {
            held(What::Exists(Field::FibReversePath), Order::Host, 4)
        }
        (OIF_INDEX, flags) if flags == SADDR | IIF => number(Field::FibReversePath, 4, Order::Host),
        _ => Held::unknown(fib_text(result, flags), NAME),
    })
}

fn fib_text(result: u32, flags: u32) -> String {
    let names = [
        (SADDR, "saddr"),
        (DADDR, "daddr"),
        (MARK, "mark"),
        (IIF, "iif"),
        (OIF, "oif"),
    ];
    let parts: Vec<_> = names
        .iter()
        .filter(|(flag, _)| flags & flag != 0)
        .map(|&(_, name)| name)
        .collect();
    let result = match result {
        OIF_INDEX => "oif",
        OIF_NAME => "oifname",
        ADDRESS_TYPE => "type",
        _ => "?",
    };
    format!("fib {} {result}", parts.join(" . "))
}

/// What `rt` loads.
pub(super) fn rt(key: u32) -> Held {
    let known = usize::try_from(key).ok().and_then(|key| RT.get(key));
    Held::unknown(*known.unwrap_or(&"rt ?"), REGISTERS)
}

/// What `socket` loads.
pub(super) fn socket(key: u32) -> Held {
    match key {
        0 => number(Field::SocketTransparent, 1, Order::Wire),
        1 => number(Field::SocketMark, 4, Order::Host),
        2 => number(Field::SocketWildcard, 1, Order::Wire),
        _ => Held::unknown("socket cgroupv2", 8),
    }
}

/// What `numgen` makes.
pub(super) fn numgen(data: Block<'_>) -> Option<Held> {
    Some(random(data.u32(NUMGEN_MODULUS)?, data.u32(NUMGEN_OFFSET).unwrap_or(0)))
}

/// In nft's words.
pub(super) fn numgen_text(data: Block<'_>) -> Option<String> {
    let how = if data.u32(NUMGEN_TYPE)? == 0 { "inc" } else { "random" };
    let text = format!("numgen {how} mod {}", data.u32(NUMGEN_MODULUS)?);
    Some(shifted(text, data.u32(NUMGEN_OFFSET)))
}

/// In nft's words.
pub(super) fn hash_text(data: Block<'_>, registers: &Registers, context: Context) -> Option<String> {
    let modulus = data.u32(HASH_MODULUS)?;
    if data.u32(HASH_TYPE).unwrap_or(0) != 0 {
        return Some(shifted(format!("symhash mod {modulus}"), data.u32(HASH_OFFSET)));
    }
    let (source, length) = (data.u32(HASH_SOURCE)?, data.length(HASH_LENGTH)?);
    let mut parts = Vec::new();
    let mut at = 0;
    while at < length {
        let held = registers.read_rest(source, at)?;
        at += held.length.next_multiple_of(4).max(4);
        parts.push(match context.transport {
            Some(TCP) => held.text().replacen("th ", "tcp ", 1),
            Some(UDP) => held.text().replacen("th ", "udp ", 1),
            _ => held.text().to_string(),
        });
    }
    let mut text = format!("jhash {} mod {modulus}", parts.join(" . "));
    if let Some(seed) = data.u32(HASH_SEED).filter(|&seed| seed != 0) {
        let _ = write!(text, " seed {seed:#x}");
    }
    Some(shifted(text, data.u32(HASH_OFFSET)))
}

fn shifted(text: String, offset: Option<u32>) -> String {
    match offset {
        None | Some(0) => text,
        Some(offset) => format!("{text} offset {offset}"),
    }
}

/// What `hash` makes.
pub(super) fn hash(data: Block<'_>) -> Option<Held> {
    let operand = Operand::Hash {
        modulus: data.u32(HASH_MODULUS)?,
        offset: data.u32(HASH_OFFSET).unwrap_or(0),
    };
    Some(held(What::Operand(operand), Order::Host, 4))
}

/// What `immediate` puts into a register.
pub(super) fn constant(bytes: &[u8]) -> Held {
    held(What::Constant(bytes.into()), Order::Wire, bytes.len())
}

/// What `bitwise` makes of a value.
pub(super) fn bitwise(data: Block<'_>, registers: &Registers) -> Option<Held> {
    let (source, length) = (data.u32(BITWISE_SOURCE)?, data.length(BITWISE_LENGTH)?);
    let value = registers.read(source, length);
    let order = value.order;
    let changed = match data.u32(BITWISE_OPERATION).unwrap_or(0) {
        0 => {
            let mask = order.number(data.value(BITWISE_MASK)?)?;
            let xor = order.number(data.value(BITWISE_XOR)?)?;
            masked(&value.what, mask, xor)
        }
        operation @ (1 | 2) => {
            // Words are shifted in the machine's order, each with what comes over from the next.
            let places = i32::from_ne_bytes(data.value(BITWISE_DATA)?.try_into().ok()?);
            let sound = order == Order::Host || length == 1;
            let places = if operation == 1 { places.checked_neg()? } else { places };
            if let What::Bits(bits) = &value.what
                && sound
                && length <= 4
                && bits.right == 0
            {
                Some(What::Bits(Bits {
                    right: places,
                    ..bits.clone()
                }))
            } else {
                None
            }
        }
        _ => None,
    };
    Some(match changed {
        Some(what) => Held { what, ..value },
        None => Held::unknown(value.text(), length.min(REGISTERS)),
    })
}

fn masked(what: &What, mask: u128, xor: u128) -> Option<What> {
    let What::Bits(bits) = what else { return None };
    bits.clone().masked(mask, xor).map(What::Bits)
}

/// What `byteorder` makes of a value: the same number with its bytes in the other order.
pub(super) fn byteorder(data: Block<'_>, registers: &Registers) -> Option<Held> {
    let (source, length) = (data.u32(BYTEORDER_SOURCE)?, data.length(BYTEORDER_LENGTH)?);
    let size = data.length(BYTEORDER_SIZE)?;
    let value = registers.read(source, length);
    let is_number = matches!(value.what, What::Bits(_) | What::Operand(_));
    if !is_number || (size != length && length != 1) {
        return Some(Held::unknown(value.text(), length.min(REGISTERS)));
    }
    Some(Held {
        order: value.order.swapped(),
        ..value
    })
}

fn random(modulus: u32, offset: u32) -> Held {
    held(What::Operand(Operand::Random { modulus, offset }), Order::Host, 4)
}

fn number(field: Field, length: usize, order: Order) -> Held {
    held(What::Bits(Bits::of(field, bits_of(length))), order, length)
}

fn held(what: What, order: Order, length: usize) -> Held {
    Held { what, order, length }
}

fn bits_of(length: usize) -> u32 {
    u32::try_from(length.saturating_mul(8)).unwrap_or(u32::MAX)
}

/// Bytes of the widest number.
const WIDEST: usize = 16;
/// Bytes of all registers.
pub(super) const REGISTERS: usize = 64;
/// `IFNAMSIZ`.
const NAME: usize = 16;

pub(super) const LINK: u32 = 0;
pub(super) const NETWORK: u32 = 1;
pub(super) const TRANSPORT: u32 = 2;

pub(super) const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
pub(super) const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDPLITE: u8 = 136;

/// First bit and width.
const IPV4: [(u32, u32, Field); 7] = [
    (8, 6, Field::Dscp),
    (16, 16, Field::Ip4Length),
    (48, 16, Field::Ip4Fragment),
    (64, 8, Field::TimeToLive),
    (72, 8, Field::Ip4Protocol),
    (96, 32, Field::Ip4Source),
    (128, 32, Field::Ip4Destination),
];
const IPV6: [(u32, u32, Field); 5] = [
    (4, 6, Field::Dscp),
    (48, 8, Field::Ip6NextHeader),
    (56, 8, Field::TimeToLive),
    (64, 128, Field::Ip6Source),
    (192, 128, Field::Ip6Destination),
];

/// By `enum nft_rt_keys`.
const RT: [&str; 5] = ["rt classid", "rt ip nexthop", "rt ip6 nexthop", RT_MTU, "rt ipsec"];
/// The size of segments that fits the route.
pub(super) const RT_MTU: &str = "rt mtu";
/// By `enum nft_meta_keys`.
const META: [&str; 34] = [
    "length",
    "protocol",
    "priority",
    "mark",
    "iif",
    "oif",
    "iifname",
    "oifname",
    "iiftype",
    "oiftype",
    "skuid",
    "skgid",
    "nftrace",
    "rtclassid",
    "secmark",
    "nfproto",
    "l4proto",
    "ibrname",
    "obrname",
    "pkttype",
    "cpu",
    "iifgroup",
    "oifgroup",
    "cgroup",
    "random",
    "ipsec",
    "iifkind",
    "oifkind",
    "ibrpvid",
    "ibrvproto",
    "time",
    "day",
    "hour",
    "sdif",
];
/// By `enum nft_ct_keys`.
const CT: [&str; 24] = [
    "state",
    "direction",
    "status",
    "mark",
    "secmark",
    "expiration",
    "helper",
    "l3proto",
    "saddr",
    "daddr",
    "protocol",
    "proto-src",
    "proto-dst",
    "label",
    "packets",
    "bytes",
    "avgpkt",
    "zone",
    "event",
    "ip saddr",
    "ip daddr",
    "ip6 saddr",
    "ip6 daddr",
    "id",
];

const BASE: u16 = 2;
const OFFSET: u16 = 3;
const LENGTH: u16 = 4;
const FIB_RESULT: u16 = 2;
const FIB_FLAGS: u16 = 3;
const OIF_INDEX: u32 = 1;
const OIF_NAME: u32 = 2;
const ADDRESS_TYPE: u32 = 3;
const SADDR: u32 = 1;
const DADDR: u32 = 2;
const MARK: u32 = 4;
const IIF: u32 = 8;
const OIF: u32 = 16;
const PRESENT: u32 = 32;
const NUMGEN_MODULUS: u16 = 2;
const NUMGEN_TYPE: u16 = 3;
const NUMGEN_OFFSET: u16 = 4;
const HASH_SOURCE: u16 = 1;
const HASH_LENGTH: u16 = 3;
const HASH_MODULUS: u16 = 4;
const HASH_SEED: u16 = 5;
const HASH_OFFSET: u16 = 6;
const HASH_TYPE: u16 = 7;
const BITWISE_SOURCE: u16 = 1;
const BITWISE_LENGTH: u16 = 3;
const BITWISE_MASK: u16 = 4;
const BITWISE_XOR: u16 = 5;
const BITWISE_OPERATION: u16 = 6;
const BITWISE_DATA: u16 = 7;
const BYTEORDER_SOURCE: u16 = 1;
const BYTEORDER_LENGTH: u16 = 4;
const BYTEORDER_SIZE: u16 = 5;
