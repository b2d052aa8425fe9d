//! Targets that change addresses and ports, and the transparent proxy's.

use crate::inspect::rules::text::iptables::{Network, Numeric};
use crate::inspect::rules::xt::draft::Draft;
use crate::inspect::rules::xt::info::{Info, number};
use crate::model::rules::{Action, Nat, NatKind, NatTarget, Tproxy};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// What the kernel's three structures of a translation have in common.
struct Range {
    flags: u32,
    addresses: RangeInclusive<IpAddr>,
    ports: RangeInclusive<u16>,
    base_port: u16,
}

/// `struct nf_nat_ipv4_multi_range_compat`.
fn range_ipv4(info: &Info<'_>) -> Option<Range> {
    Some(Range {
        flags: info.u32(4)?,
        addresses: IpAddr::V4(info.ipv4(8)?)..=IpAddr::V4(info.ipv4(12)?),
        ports: info.be16(16)?..=info.be16(18)?,
        base_port: 0,
    })
}

/// `struct nf_nat_range`; `struct nf_nat_range2` with its base port.
fn range(info: &Info<'_>, based: bool) -> Option<Range> {
    Some(Range {
        flags: info.u32(0)?,
        addresses: info.address(4)?..=info.address(20)?,
        ports: info.be16(36)?..=info.be16(38)?,
        base_port: if based { info.be16(40)? } else { 0 },
    })
}

/// Only these targets have IPv4's old structure in revision 0.
fn by_revision(info: &Info<'_>) -> Option<Range> {
    match info.revision {
        0 if !info.is_ipv6() => range_ipv4(info),
        0 | 1 => range(info, false),
        2 => range(info, true),
        _ => None,
    }
}

pub(super) fn dnat(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let range = by_revision(info)?;
    draft.option(false, "to-destination", target_text(&range));
    switches(&range, draft);
    translate(NatKind::Destination, &range, draft);
    Some(())
}

pub(super) fn snat(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let range = by_revision(info)?;
    draft.option(false, "to-source", target_text(&range));
    switches(&range, draft);
    translate(NatKind::Source, &range, draft);
    Some(())
}

pub(super) fn redirect(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    local(NatKind::Redirect, info, draft)
}

pub(super) fn masquerade(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    local(NatKind::Masquerade, info, draft)
}

/// To this host's own address: only ports are given.
fn local(kind: NatKind, info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let range = by_revision(info)?;
    if range.flags & PORTS != 0 {
        draft.option(false, "to-ports", ports_text(&range));
    }
    switches(&range, draft);
    let range = Range {
        flags: range.flags & !ADDRESSES,
        ..range
    };
    translate(kind, &range, draft);
    Some(())
}

/// `1.2.3.4-1.2.3.9:80-90/8080`, `[::1]:80`.
fn target_text(range: &Range) -> String {
    let mut text = String::new();
    let (first, last) = (range.addresses.start(), range.addresses.end());
    if range.flags & ADDRESSES != 0 {
        text = if first == last {
            Numeric(*first).to_string()
        } else {
            format!("{}-{}", Numeric(*first), Numeric(*last))
        };
        if first.is_ipv6() && range.flags & PORTS != 0 {
            text = format!("[{text}]");
        }
    }
    if range.flags & PORTS != 0 {
        text.push(':');
        text.push_str(&ports_text(range));
    }
    text
}

fn ports_text(range: &Range) -> String {
    let (first, last) = (range.ports.start(), range.ports.end());
    let mut text = first.to_string();
    if first != last {
        text = format!("{first}-{last}");
        if range.flags & OFFSET != 0 {
            text = format!("{text}/{}", range.base_port);
        }
    }
    text
}

fn switches(range: &Range, draft: &mut Draft) {
    for (bit, name) in [
        (RANDOM, "random"),
        (RANDOM_FULLY, "random-fully"),
        (PERSISTENT, "persistent"),
    ] {
        if range.flags & bit != 0 {
            draft.flag(false, name);
        }
    }
}

fn translate(kind: NatKind, range: &Range, draft: &mut Draft) {
    let flag = |bit: u32| range.flags & bit != 0;
    draft.act(Action::Nat(Nat {
        kind,
        target: NatTarget::Fixed {
            addresses: flag(ADDRESSES).then(|| range.addresses.clone()),
            ports: flag(PORTS).then(|| range.ports.clone()),
            netmap: false,
            base_port: flag(OFFSET).then_some(range.base_port),
        },
        random: flag(RANDOM | RANDOM_FULLY),
        persistent: flag(PERSISTENT),
    }));
}

/// The source where packets leave or arrive at a socket, else the destination: the hook decides, which the target does
/// not know.
pub(super) fn netmap(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let range = by_revision(info)?;
    let (first, last) = (*range.addresses.start(), *range.addresses.end());
    let mask = inverse(number(first) ^ number(last), first);
    draft.option(false, "to", Network { address: first, mask });
    draft.act(Action::Nat(Nat {
        kind: NatKind::Destination,
        target: NatTarget::Fixed {
            addresses: Some(first..=last),
            ports: None,
            netmap: true,
            base_port: None,
        },
        random: false,
        persistent: false,
    }));
    Some(())
}

fn inverse(bits: u128, family: IpAddr) -> IpAddr {
    match (family, u32::try_from(bits)) {
        (IpAddr::V4(_), Ok(bits)) => IpAddr::V4(Ipv4Addr::from(!bits)),
        _ => IpAddr::V6(Ipv6Addr::from(!bits)),
    }
}

pub(super) fn tproxy(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (mask, value) = (info.u32(0)?, info.u32(4)?);
    let (address, port) = match info.revision {
        0 if !info.is_ipv6() => (info.address(8)?, info.be16(12)?),
        1 => (info.address(8)?, info.be16(24)?),
        _ => return None,
    };
    draft.option(false, "on-port", port);
    draft.option(false, "on-ip", Numeric(address));
    draft.option(false, "tproxy-mark", format_args!("{value:#x}/{mask:#x}"));
    draft.act(Action::Tproxy(Tproxy {
        address: (!address.is_unspecified()).then_some(address),
        port: (port != 0).then_some(port),
        mark: Some((mask, value)),
        drops: true,
    }));
    Some(())
}

/// Stateless translation of prefixes.
pub(super) fn npt(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (source, destination) = (info.ipv6(0)?, info.ipv6(16)?);
    let [from, to] = info.array(32)?;
    draft.option(false, "src-pfx", format_args!("{}/{from}", Numeric(source.into())));
    draft.option(false, "dst-pfx", format_args!("{}/{to}", Numeric(destination.into())));
    draft.unknown_target();
    Some(())
}

// NF_NAT_RANGE_*
const ADDRESSES: u32 = 1;
const PORTS: u32 = 2;
const RANDOM: u32 = 4;
const PERSISTENT: u32 = 8;
const RANDOM_FULLY: u32 = 16;
const OFFSET: u32 = 32;
