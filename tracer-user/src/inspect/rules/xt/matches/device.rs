//! Matches on devices, link-layer addresses and processors.

use crate::inspect::rules::text::iptables::interface;
use crate::inspect::rules::xt::draft::Draft;
use crate::inspect::rules::xt::info::Info;

pub(super) fn physdev(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (inverted, asked) = (info.u8(64)?, info.u8(65)?);
    let named = |at| interface(&info.array(at)?, &info.array(at + 16)?);
    if asked & 8 != 0 {
        draft.flag(inverted & 8 != 0, "physdev-is-in");
    }
    if asked & 1 != 0 {
        draft.option(inverted & 1 != 0, "physdev-in", named(0)?);
    }
    if asked & 16 != 0 {
        draft.flag(inverted & 16 != 0, "physdev-is-out");
    }
    if asked & 2 != 0 {
        draft.option(inverted & 2 != 0, "physdev-out", named(32)?);
    }
    if asked & 4 != 0 {
        draft.flag(inverted & 4 != 0, "physdev-is-bridged");
    }
    draft.unknown_match();
    Some(())
}

pub(super) fn mac(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let address = info.array::<6>(0)?.map(|byte| format!("{byte:02x}"));
    draft.option(info.u32(8)? != 0, "mac-source", address.join(":"));
    draft.unknown_match();
    Some(())
}

pub(super) fn devgroup(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let flags = info.u32(0)?;
    for (bit, at, name) in [(1, 4, "src-group"), (4, 12, "dst-group")] {
        if flags & bit == 0 {
            continue;
        }
        let (group, mask, negated) = (info.u32(at)?, info.u32(at + 4)?, flags & (bit << 1) != 0);
        if mask == u32::MAX {
            draft.option(negated, name, format_args!("{group:#x}"));
        } else {
            draft.option(negated, name, format_args!("{group:#x}/{mask:#x}"));
        }
    }
    draft.unknown_match();
    Some(())
}

pub(super) fn cpu(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.option(info.u32(4)? != 0, "cpu", info.u32(0)?);
    draft.chance();
    Some(())
}
