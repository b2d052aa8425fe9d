//! Matches on what IPsec and IPVS make of a packet.

use crate::inspect::rules::text::iptables;
use crate::inspect::rules::xt::draft::Draft;
use crate::inspect::rules::xt::info::Info;

pub(super) fn policy(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (flags, count) = (info.u16(ELEMENT * 4)?, info.u16(ELEMENT * 4 + 2)?);
    draft.option(false, "dir", if flags & 1 == 0 { "out" } else { "in" });
    draft.option(false, "pol", if flags & 4 == 0 { "ipsec" } else { "none" });
    if flags & 8 != 0 {
        draft.flag(false, "strict");
    }
    for element in 0..usize::from(count.min(4)) {
        if element > 0 {
            draft.flag(false, "next");
        }
        policy_element(info, draft, element * ELEMENT)?;
    }
    draft.unknown_match();
    Some(())
}

fn policy_element(info: &Info<'_>, draft: &mut Draft, at: usize) -> Option<()> {
    let (asked, inverted) = (info.u8(at + 74)?, info.u8(at + 75)?);
    let negated = |bit: u8| inverted & bit != 0;
    if asked & 32 != 0 {
        draft.option(negated(32), "reqid", info.u32(at + 68)?);
    }
    if asked & 16 != 0 {
        draft.option(negated(16), "spi", format_args!("{:#x}", info.u32(at + 64)?));
    }
    if asked & 4 != 0 {
        draft.option(negated(4), "proto", protocol(info.u8(at + 72)?));
    }
    if asked & 8 != 0 {
        let mode = if info.u8(at + 73)? == 0 { "transport" } else { "tunnel" };
        draft.option(negated(8), "mode", mode);
    }
    if asked & 2 != 0 {
        draft.option(negated(2), "tunnel-dst", network(info, at + 32)?);
    }
    if asked & 1 != 0 {
        draft.option(negated(1), "tunnel-src", network(info, at)?);
    }
    Some(())
}

fn protocol(number: u8) -> String {
    match number {
        50 => "esp".to_owned(),
        51 => "ah".to_owned(),
        108 => "ipcomp".to_owned(),
        _ => number.to_string(),
    }
}

/// An address and its mask.
fn network(info: &Info<'_>, at: usize) -> Option<String> {
    Some(iptables::network(info.address(at)?, info.address(at + 16)?))
}

pub(super) fn ipvs(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (inverted, asked) = (info.u8(38)?, info.u8(39)?);
    let negated = |bit: u8| inverted & bit != 0;
    if asked == 1 {
        draft.flag(negated(1), "ipvs");
    }
    if asked & 2 != 0 {
        draft.option(negated(2), "vproto", info.u8(34)?);
    }
    if asked & 4 != 0 {
        draft.option(negated(4), "vaddr", network(info, 0)?);
    }
    if asked & 8 != 0 {
        draft.option(negated(8), "vport", info.be16(32)?);
    }
    if asked & 16 != 0 {
        draft.option(false, "vdir", if negated(16) { "REPLY" } else { "ORIGINAL" });
    }
    if asked & 32 != 0 {
        let method = ["MASQ", "LOCAL", "IPIP", "GATE"]
            .get(usize::from(info.u8(35)? & 7))
            .copied();
        draft.option(
            negated(32),
            "vmethod",
            if method == Some("IPIP") { "IPIP" } else { method? },
        );
    }
    if asked & 64 != 0 {
        draft.option(negated(64), "vportctl", info.be16(36)?);
    }
    draft.unknown_match();
    Some(())
}

/// `sizeof(struct xt_policy_elem)`.
const ELEMENT: usize = 76;
