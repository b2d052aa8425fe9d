//! Matches on the packet's own header and size.

use crate::inspect::rules::xt::draft::{Draft, compared};
use crate::inspect::rules::xt::info::Info;
use crate::model::rules::{Field, Match};

pub(super) fn pkttype(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (kind, negated) = (info.u32(0)?, info.u32(4)? != 0);
    match kind {
        0 => draft.option(negated, "pkt-type", "unicast"),
        1 => draft.option(negated, "pkt-type", "broadcast"),
        2 => draft.option(negated, "pkt-type", "multicast"),
        _ => draft.option(negated, "pkt-type", kind),
    }
    draft.ask(Match::equals(Field::PacketType, kind.into()).negate(negated));
    Some(())
}

pub(super) fn length(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (first, last, negated) = (info.u16(0)?, info.u16(2)?, info.u8(4)? != 0);
    draft.range(negated, "length", first, last);
    draft.ask(Match::within(Field::Length, first.into()..=last.into()).negate(negated));
    Some(())
}

pub(super) fn ttl(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    time_to_live(info, draft, ["ttl-eq", "ttl-lt", "ttl-gt"])
}

pub(super) fn hl(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    time_to_live(info, draft, ["hl-eq", "hl-lt", "hl-gt"])
}

fn time_to_live(info: &Info<'_>, draft: &mut Draft, [equal, less, greater]: [&str; 3]) -> Option<()> {
    let (mode, value) = (info.u8(0)?, info.u8(1)?);
    let (negated, name) = match mode {
        0 => (false, equal),
        1 => (true, equal),
        2 => (false, less),
        3 => (false, greater),
        _ => return None,
    };
    draft.option(negated, name, value);
    let wide = u128::from(value);
    // Below 0 and above 255 there is nothing: both are the opposite of everything.
    draft.ask(match mode {
        0 | 1 => Match::equals(Field::TimeToLive, wide).negate(negated),
        2 => Match::within(Field::TimeToLive, wide..=u128::MAX).negate(true),
        _ => Match::within(Field::TimeToLive, 0..=wide).negate(true),
    });
    Some(())
}

pub(super) fn dscp(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (value, negated) = (info.u8(0)?, info.u8(1)? != 0);
    draft.option(negated, "dscp", format_args!("{value:#04x}"));
    draft.ask(Match::equals(Field::Dscp, value.into()).negate(negated));
    Some(())
}

/// The model has the upper six bits only.
pub(super) fn tos(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (mask, value, negated) = match info.revision {
        0 => (u8::MAX, info.u8(0)?, info.u8(1)? != 0),
        1 => (info.u8(0)?, info.u8(1)?, info.u8(2)? != 0),
        _ => return None,
    };
    if info.revision == 0 {
        draft.option(negated, "tos", format_args!("{value:#04x}"));
    } else {
        draft.option(negated, "tos", format_args!("{value:#04x}/{mask:#04x}"));
    }
    if (mask | value) & ECN == 0 {
        draft.ask(compared(Field::Dscp, (mask >> 2).into(), (value >> 2).into()).negate(negated));
    } else {
        draft.unknown_match();
    }
    Some(())
}

pub(super) fn tcpmss(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.range(info.u8(4)? != 0, "mss", info.u16(0)?, info.u16(2)?);
    draft.unknown_match();
    Some(())
}

pub(super) fn ecn(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let [operation, inverted, codepoint] = info.array(0)?;
    for (bit, name) in [(0x10, "ecn-tcp-ece"), (0x20, "ecn-tcp-cwr")] {
        if operation & bit != 0 {
            draft.flag(inverted & bit != 0, name);
        }
    }
    if operation & 1 != 0 {
        draft.option(inverted & 1 != 0, "ecn-ip-ect", codepoint);
    }
    draft.unknown_match();
    Some(())
}

/// The lower two bits of TOS.
const ECN: u8 = 3;
