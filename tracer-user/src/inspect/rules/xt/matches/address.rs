//! Matches on addresses: their kind, ranges of them, sets, routes back.

use crate::inspect::rules::text::iptables::Numeric;
use crate::inspect::rules::xt::draft::{Draft, all, listed};
use crate::inspect::rules::xt::info::{Info, number};
use crate::model::rules::{Field, Match};

pub(super) fn addrtype(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let flags = match info.revision {
        0 => u32::from(info.u32(4)? != 0) | u32::from(info.u32(8)? != 0) << 1,
        1 => info.u32(4)?,
        _ => return None,
    };
    let device = match flags & (LIMIT_IN | LIMIT_OUT) {
        LIMIT_IN => Device::In,
        LIMIT_OUT => Device::Out,
        _ => Device::Any,
    };
    for (at, bit, name, source) in [(0, 1, "src-type", true), (2, 2, "dst-type", false)] {
        let (types, negated) = (info.u16(at)?, flags & bit != 0);
        if types == 0 {
            continue;
        }
        let names = (0..).zip(TYPES).filter(|(bit, _)| types & (1 << bit) != 0);
        draft.option(negated, name, listed(names.map(|(_, name)| name)));
        let field = looked_up(source, device);
        draft.ask(if info.is_ipv6() {
            of_type_ipv6(field, source, types, negated)
        } else {
            of_type(field, types).negate(negated)
        });
    }
    if flags & LIMIT_IN != 0 {
        draft.flag(false, "limit-iface-in");
    }
    if flags & LIMIT_OUT != 0 {
        draft.flag(false, "limit-iface-out");
    }
    Some(())
}

#[derive(Clone, Copy)]
enum Device {
    Any,
    In,
    Out,
}

fn looked_up(source: bool, device: Device) -> Field {
    match (source, device) {
        (true, Device::Any) => Field::FibSource,
        (true, Device::In) => Field::FibSourceInput,
        (true, Device::Out) => Field::FibSourceOutput,
        (false, Device::Any) => Field::FibDestination,
        (false, Device::In) => Field::FibDestinationInput,
        (false, Device::Out) => Field::FibDestinationOutput,
    }
}

fn of_type(field: Field, types: u16) -> Match {
    let set = (0..16_u8).filter(|bit| types & (1 << bit) != 0);
    Match::of(field, set.map(|kind| u128::from(kind)..=u128::from(kind)).collect())
}

/// IPv6 asks for some types of the address itself, and all at once.
fn of_type_ipv6(field: Field, source: bool, types: u16, negated: bool) -> Match {
    let address = if source {
        Field::Ip6Source
    } else {
        Field::Ip6Destination
    };
    let mut asked = Vec::new();
    let is_multicast = Match::masked(address, MULTICAST_NET, MULTICAST_NET);
    if types & UNICAST != 0 {
        asked.push(is_multicast.clone().negate(true));
        asked.push(Match::equals(address, 0).negate(true));
    }
    if types & MULTICAST != 0 {
        asked.push(is_multicast);
    }
    if types & UNSPECIFIED != 0 {
        asked.push(Match::equals(address, 0));
    }
    let routed = types & (LOCAL | ANYCAST | UNREACHABLE | PROHIBIT);
    if routed != 0 {
        asked.push(of_type(field, routed));
    }
    match <[Match; 1]>::try_from(asked) {
        Ok([only]) => only.negate(negated),
        Err(asked) if negated => Match::NotAll(asked),
        Err(asked) => all(asked),
    }
}

pub(super) fn iprange(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    if info.revision != 1 {
        return None;
    }
    let flags = info.u8(64)?;
    let (source, destination) = if info.is_ipv6() {
        (Field::Ip6Source, Field::Ip6Destination)
    } else {
        (Field::Ip4Source, Field::Ip4Destination)
    };
    for (at, bit, name, field) in [(0, 1, "src-range", source), (32, 2, "dst-range", destination)] {
        if flags & bit != 0 {
            let (first, last, negated) = (info.address(at)?, info.address(at + 16)?, flags & (bit << 4) != 0);
            draft.option(negated, name, format_args!("{}-{}", Numeric(first), Numeric(last)));
            draft.ask(Match::within(field, number(first)..=number(last)).negate(negated));
        }
    }
    Some(())
}

pub(super) fn set(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    if !(1..=4).contains(&info.revision) {
        return None;
    }
    let (index, dimension, flags) = (info.u16(0)?, info.u8(2)?, info.u8(3)?);
    draft.option(flags & 1 != 0, "match-set", info.sets.shown(index));
    draft.word(directions(dimension, flags));
    draft.unknown_match();
    Some(())
}

/// `src,dst`: one for each part of a set's elements.
pub(in crate::inspect::rules::xt) fn directions(dimension: u8, flags: u8) -> String {
    let parts = (1..=dimension.min(6)).map(|part| if flags & (1 << part) == 0 { "dst" } else { "src" });
    listed(parts)
}

pub(super) fn rpfilter(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let flags = info.u8(0)?;
    for (bit, name) in [(1, "loose"), (2, "validmark"), (4, "accept-local"), (8, "invert")] {
        if flags & bit != 0 {
            draft.flag(false, name);
        }
    }
    draft.unknown_match();
    Some(())
}

pub(super) fn realm(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (id, mask, negated) = (info.u32(0)?, info.u32(4)?, info.u8(8)? != 0);
    if mask == u32::MAX {
        draft.option(negated, "realm", format_args!("{id:#x}"));
    } else {
        draft.option(negated, "realm", format_args!("{id:#x}/{mask:#x}"));
    }
    draft.unknown_match();
    Some(())
}

#[expect(clippy::unnecessary_wraps, reason = "all decoders are of one type")]
pub(super) fn eui64(_: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.unknown_match();
    Some(())
}

const LIMIT_IN: u32 = 4;
const LIMIT_OUT: u32 = 8;
const UNSPECIFIED: u16 = 1;
const UNICAST: u16 = 1 << 1;
const LOCAL: u16 = 1 << 2;
const ANYCAST: u16 = 1 << 4;
const MULTICAST: u16 = 1 << 5;
const UNREACHABLE: u16 = 1 << 7;
const PROHIBIT: u16 = 1 << 8;
/// `ff00::/8`.
const MULTICAST_NET: u128 = 0xff << 120;
const TYPES: [&str; 12] = [
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
];
