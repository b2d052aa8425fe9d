//! Expressions that do something to the packet or its connection.
//!
//! An address or a port that no constant and no map gives is an unknown target, never a guess.

use super::block::Block;
use super::datatype::Order;
use super::load::{Context, NETWORK, ct_name, meta_name, payload_text, pieces};
use super::register::{Held, Registers, What};
use super::set::Layout;
use crate::inspect::rules::{Detail, Part};
use crate::model::rules::{
    Action, Assign, Field, Item, Nat, NatKind, NatTarget, Operand, Reject, SetId, Source, Target, Tproxy, Verdict,
};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// What registers a translation takes its target from.
#[derive(Clone, Copy, Debug, Default)]
struct From {
    address: Option<u32>,
    last_address: Option<u32>,
    port: Option<u32>,
    last_port: Option<u32>,
}

/// `nat`, `redir` and `masq`; `None`: not one that is known.
pub(super) fn nat(name: &[u8], data: Block<'_>, registers: &Registers, layouts: &[Layout]) -> Option<Action> {
    let (kind, from, flags, width) = match name {
        b"nat" => {
            let kind = match data.u32(1)? {
                0 => NatKind::Source,
                1 => NatKind::Destination,
                _ => return None,
            };
            let from = From {
                address: data.u32(3),
                last_address: data.u32(4),
                port: data.u32(5),
                last_port: data.u32(6),
            };
            (kind, from, data.u32(7), address_width(data.u32(2)?))
        }
        b"redir" => (NatKind::Redirect, ports(data, 1, 2), data.u32(3), None),
        b"masq" => (NatKind::Masquerade, ports(data, 2, 3), data.u32(1), None),
        _ => return None,
    };
    let flags = flags.unwrap_or(0);
    let target = target(from, flags & NETMAP != 0, width, registers, layouts);
    Some(Action::Nat(Nat {
        kind,
        target: if flags & PORT_OFFSET == 0 {
            target
        } else {
            NatTarget::Unknown("offset of ports".into())
        },
        random: flags & (RANDOM | FULLY_RANDOM) != 0,
        persistent: flags & PERSISTENT != 0,
    }))
}

fn ports(data: Block<'_>, first: u16, last: u16) -> From {
    From {
        port: data.u32(first),
        last_port: data.u32(last),
        ..From::default()
    }
}

fn target(from: From, netmap: bool, width: Option<usize>, registers: &Registers, layouts: &[Layout]) -> NatTarget {
    let unknown = |held: &Held| NatTarget::Unknown(held.text());
    let width = match (from.address, width) {
        (Some(_), None) => return NatTarget::Unknown("an address of unknown family".into()),
        (_, width) => width.unwrap_or(0),
    };
    let address = from.address.map(|register| registers.read(register, width));
    let port = from.port.map(|register| registers.read(register, 2));
    if let Some(map) = address.as_ref().or(port.as_ref()).and_then(map_of) {
        let single = same(from.address, from.last_address) && same(from.port, from.last_port) && !netmap;
        return mapped(map, address.as_ref(), port.as_ref(), layouts)
            .filter(|_| single)
            .unwrap_or_else(|| NatTarget::Unknown("map".into()));
    }
    let addresses = match &address {
        None => None,
        Some(first) => {
            let last = from
                .last_address
                .map_or_else(|| first.clone(), |register| registers.read(register, width));
            match (constant_address(first), constant_address(&last)) {
                (Some(first), Some(last)) => Some(first..=last),
                _ => return unknown(first),
            }
        }
    };
    let ports = match &port {
        None => None,
        Some(first) => {
            let last = from
                .last_port
                .map_or_else(|| first.clone(), |register| registers.read(register, 2));
            match (constant_port(first), constant_port(&last)) {
                (Some(first), Some(last)) => Some(first..=last),
                _ => return unknown(first),
            }
        }
    };
    NatTarget::Fixed {
        addresses,
        ports,
        netmap,
        base_port: None,
    }
}

/// A second register that is not another value than the first.
fn same(first: Option<u32>, last: Option<u32>) -> bool {
    last.is_none() || first == last
}

fn map_of(held: &Held) -> Option<(&[Operand], SetId)> {
    if let What::Map { key, map, .. } = &held.what {
        Some((key, *map))
    } else {
        None
    }
}

/// A target out of a map; `None`: not put together as nft does.
fn mapped(
    map: (&[Operand], SetId),
    address: Option<&Held>,
    port: Option<&Held>,
    layouts: &[Layout],
) -> Option<NatTarget> {
    let parts = &layouts.get(usize::try_from(map.1.0).ok()?)?.data;
    let place = |held: &Held| {
        let What::Map { key, map: other, from } = &held.what else {
            return None;
        };
        (key.as_slice() == map.0 && *other == map.1).then_some(*from)
    };
    let (fixed_port, mapped_port) = match port {
        Some(held) if held.constant().is_some() => (Some(constant_port(held)?), None),
        Some(held) => (None, Some(place(held)?)),
        None => (None, None),
    };
    let address_at = match address {
        Some(held) => Some(place(held)?),
        None => None,
    };
    let fits = match (address_at, mapped_port, parts.as_slice()) {
        (Some(0), None, [first]) => address.is_some_and(|held| held.length == first.length),
        (Some(0), Some(at), [first, second]) => at == first.padded() && second.length == 2,
        (None, Some(0), [only]) => only.length == 2,
        _ => false,
    };
    fits.then(|| NatTarget::Map {
        key: map.0.to_vec(),
        map: map.1,
        address: address.is_some(),
        port: mapped_port.is_some(),
        fixed_port,
    })
}

pub(super) fn tproxy(data: Block<'_>, registers: &Registers) -> Action {
    let known = || {
        let address = match data.u32(2) {
            None => None,
            Some(register) => {
                let width = address_width(data.u32(1)?)?;
                Some(constant_address(&registers.read(register, width))?)
            }
        };
        let port = match data.u32(3) {
            None => None,
            Some(register) => Some(constant_port(&registers.read(register, 2))?),
        };
        Some(Action::Tproxy(Tproxy {
            address,
            port,
            mark: None,
            drops: false,
        }))
    };
    known().unwrap_or_else(|| Action::Unknown("tproxy".into()))
}

pub(super) fn queue(data: Block<'_>) -> Action {
    let queues: RangeInclusive<u16> = match data.u16(1) {
        Some(first) => first..=first.saturating_add(data.u16(2).unwrap_or(1).saturating_sub(1)),
        // Which one is computed from the packet.
        None => 0..=u16::MAX,
    };
    Action::Verdict(Verdict::Queue {
        queues,
        bypass: data.u16(3).unwrap_or(0) & QUEUE_BYPASS != 0,
    })
}

pub(super) fn reject_code(data: Block<'_>) -> Option<Detail> {
    Some(Detail::Reject {
        kind: data.u32(1)?,
        code: data.u8(2)?,
    })
}

pub(super) fn fanout(data: Block<'_>) -> Option<Detail> {
    (data.u16(3)? & QUEUE_FANOUT != 0).then_some(Detail::Fanout)
}

pub(super) fn fully_random(name: &[u8], data: Block<'_>) -> Option<Detail> {
    let attribute = match name {
        b"nat" => 7,
        b"redir" => 3,
        _ => 1,
    };
    (data.u32(attribute)? & FULLY_RANDOM != 0).then_some(Detail::FullyRandom)
}

pub(super) fn reject(data: Block<'_>) -> Action {
    Action::Verdict(Verdict::Reject(match data.u32(1) {
        Some(TCP_RESET) => Reject::TcpReset,
        Some(_) | None => Reject::Icmp,
    }))
}

/// `meta … set`.
pub(super) fn set_meta(key: u32, source: u32, registers: &Registers) -> Part {
    let text = format!("meta {} set", meta_name(key));
    let value = |length| {
        let held = registers.read(source, length);
        held.constant().and_then(|bytes| Order::Host.number(bytes))
    };
    match key {
        MARK => does(assign(Target::Mark, &registers.read(source, 4))),
        PRIORITY => harmless(text, value(4).and_then(class)),
        TRACE => harmless(text, value(1).map(|on| on.to_string())),
        SECURITY => harmless(text, None),
        _ => does(Action::Unknown(text.into())),
    }
}

/// A handle of tc in nft's words.
fn class(handle: u128) -> Option<String> {
    match (handle >> 16, handle & 0xffff) {
        (0, 0) => Some("none".to_owned()),
        (0, _) | (_, 0) => None,
        (major, minor) => Some(format!("{major:x}:{minor:x}")),
    }
}

fn does(action: Action) -> Part {
    Part::Native(Item::Action(action))
}

/// Without a value the text is not whole.
pub(super) fn harmless(text: String, value: Option<String>) -> Part {
    match value {
        Some(value) => does(Action::Harmless(format!("{text} {value}").into())),
        None => Part::Detailed(Item::Action(Action::Harmless(text.into())), Detail::Partial),
    }
}

/// `ct … set`.
pub(super) fn set_ct(key: u32, direction: Option<u8>, source: u32, registers: &Registers) -> Part {
    let text = format!("ct {} set", ct_name(key));
    does(match key {
        CT_MARK => assign(Target::Connmark, &registers.read(source, 4)),
        CT_ZONE => {
            let held = registers.read(source, 2);
            let zone = held.constant().and_then(|bytes| Order::Host.number(bytes));
            match zone.and_then(|zone| u16::try_from(zone).ok()) {
                Some(zone) => Action::Zone { zone, direction },
                None => Action::Unknown(format!("ct zone set {}", held.text()).into()),
            }
        }
        CT_SECURITY | CT_LABELS | CT_EVENTS => return harmless(text, None),
        _ => Action::Unknown(text.into()),
    })
}

fn assign(target: Target, held: &Held) -> Action {
    let (keep, source, value) =
        computed(target, held).unwrap_or_else(|| (0, Source::Operand(unknown_unless_host(held)), 0));
    Action::Assign(Assign {
        target,
        keep,
        source,
        value,
    })
}

fn unknown_unless_host(held: &Held) -> Operand {
    if held.order == Order::Host {
        held.operand()
    } else {
        Operand::Unknown(held.text())
    }
}

/// A constant, or one of the two marks after some arithmetic.
fn computed(target: Target, held: &Held) -> Option<(u32, Source, u32)> {
    let narrow = |wide: u128| u32::try_from(wide).ok();
    if let Some(bytes) = held.constant() {
        return Some((0, Source::None, narrow(Order::Host.number(bytes)?)?));
    }
    let What::Bits(bits) = &held.what else { return None };
    if held.order != Order::Host {
        return None;
    }
    if bits.mask == 0 && bits.right == 0 {
        return Some((0, Source::None, narrow(bits.xor)?));
    }
    let (piece, mask, xor) = bits.single()?;
    let (mask, xor) = (narrow(mask)?, narrow(xor)?);
    let shift = i8::try_from(bits.right.checked_neg()?).ok()?;
    let value = match u32::from(shift.unsigned_abs()) {
        0 => xor,
        places if shift > 0 => xor.checked_shl(places)?,
        places => xor.checked_shr(places)?,
    };
    match (piece.field, target) {
        (Field::Mark, Target::Mark) | (Field::CtMark, Target::Connmark) if shift == 0 => {
            Some((mask, Source::None, value))
        }
        (Field::Mark, _) => Some((0, Source::Mark { mask, shift }, value)),
        (Field::CtMark, _) => Some((0, Source::Connmark { mask, shift }, value)),
        _ => None,
    }
}

/// Bytes of a header are overwritten: harmless where only the TTL and the class of service can change.
pub(super) fn set_payload(data: Block<'_>, source: u32, registers: &Registers, context: Context) -> Option<Part> {
    let (base, offset, length) = (data.u32(2)?, data.u32(3)?, data.length(4)?);
    let text = format!("{} set", payload_text(base, offset, length));
    let before = pieces(base, offset, length, context)?;
    let held = registers.read(source, length);
    // The same bytes, with what the mask left of them.
    let kept = if let What::Bits(bits) = &held.what
        && bits.right == 0
        && same_pieces(&bits.pieces, &before)
    {
        bits.mask & !bits.xor
    } else {
        0
    };
    let changing = before
        .iter()
        .filter(|piece| matches!(piece.field, Field::Dscp | Field::TimeToLive))
        .fold(0_u128, |bits, piece| {
            bits | super::bits::ones(piece.count).checked_shl(piece.at).unwrap_or(0)
        });
    let all = super::bits::ones(u32::try_from(length.checked_mul(8)?).ok()?);
    Some(if base == NETWORK && offset <= 8 && all & !kept & !changing == 0 {
        harmless(text, None)
    } else {
        does(Action::Unknown(text.into()))
    })
}

fn same_pieces(a: &[super::bits::Piece], b: &[super::bits::Piece]) -> bool {
    let key = |piece: &super::bits::Piece| (piece.field, piece.from, piece.at, piece.count);
    !a.is_empty() && a.iter().map(key).eq(b.iter().map(key))
}

fn address_width(family: u32) -> Option<usize> {
    match family {
        2 => Some(4),
        10 => Some(16),
        _ => None,
    }
}

fn constant_address(held: &Held) -> Option<IpAddr> {
    let bytes = held.constant()?;
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(bytes.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn constant_port(held: &Held) -> Option<u16> {
    held.constant()?.try_into().ok().map(u16::from_be_bytes)
}

// NF_NAT_RANGE_*
const RANDOM: u32 = 0x4;
const PERSISTENT: u32 = 0x8;
const FULLY_RANDOM: u32 = 0x10;
const PORT_OFFSET: u32 = 0x20;
const NETMAP: u32 = 0x40;
const QUEUE_BYPASS: u16 = 1;
const QUEUE_FANOUT: u16 = 2;
const TCP_RESET: u32 = 1;
// enum nft_meta_keys
const PRIORITY: u32 = 2;
const MARK: u32 = 3;
const TRACE: u32 = 12;
const SECURITY: u32 = 14;
// enum nft_ct_keys
const CT_MARK: u32 = 3;
const CT_SECURITY: u32 = 4;
const CT_LABELS: u32 = 13;
const CT_ZONE: u32 = 17;
const CT_EVENTS: u32 = 18;
