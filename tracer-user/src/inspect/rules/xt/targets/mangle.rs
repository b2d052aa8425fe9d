//! Targets that change what the model does not look at, or hardly: options, priorities, TTL, TOS, labels.

use crate::inspect::rules::xt::draft::{Draft, listed};
use crate::inspect::rules::xt::info::Info;

pub(super) fn classify(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let class = info.u32(0)?;
    draft.option(
        false,
        "set-class",
        format_args!("{:04x}:{:04x}", class >> 16, class & 0xffff),
    );
    draft.harmless();
    Some(())
}

pub(super) fn checksum(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    if info.u8(0)? & 1 != 0 {
        draft.flag(false, "checksum-fill");
    }
    draft.harmless();
    Some(())
}

pub(super) fn tcpmss(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    match info.u16(0)? {
        u16::MAX => draft.flag(false, "clamp-mss-to-pmtu"),
        size => draft.option(false, "set-mss", size),
    }
    draft.harmless();
    Some(())
}

pub(super) fn tcpoptstrip(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let mut names = Vec::new();
    for option in 0..=u8::MAX {
        if info.u32(usize::from(option / 32) * 4)? & (1 << (option % 32)) != 0 {
            names.push(option);
        }
    }
    draft.option(false, "strip-options", listed(names));
    draft.harmless();
    Some(())
}

pub(super) fn ttl(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    stepped(info, draft, ["ttl-set", "ttl-inc", "ttl-dec"])
}

pub(super) fn hl(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    stepped(info, draft, ["hl-set", "hl-inc", "hl-dec"])
}

fn stepped(info: &Info<'_>, draft: &mut Draft, names: [&str; 3]) -> Option<()> {
    let name = names.get(usize::from(info.u8(0)?))?;
    draft.option(false, name, info.u8(1)?);
    draft.harmless();
    Some(())
}

pub(super) fn dscp(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.option(false, "set-dscp", format_args!("{:#04x}", info.u8(0)?));
    draft.harmless();
    Some(())
}

pub(super) fn tos(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    if info.revision == 0 {
        draft.option(false, "set-tos", format_args!("{:#04x}", info.u8(0)?));
    } else {
        let (value, mask) = (info.u8(0)?, info.u8(1)?);
        draft.option(false, "set-tos", format_args!("{value:#04x}/{mask:#04x}"));
    }
    draft.harmless();
    Some(())
}

pub(super) fn ecn(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let [operation, codepoint, bits] = info.array(0)?;
    if operation & 0x30 == 0x30 && bits & FLAGS == 0 {
        draft.flag(false, "ecn-tcp-remove");
    } else {
        for (bit, at, name) in [(0x10, 1, "ecn-tcp-ece"), (0x20, 2, "ecn-tcp-cwr")] {
            if operation & bit != 0 {
                draft.option(false, name, u8::from(bits & at != 0));
            }
        }
    }
    if operation & 1 != 0 {
        draft.option(false, "ecn-ip-ect", codepoint);
    }
    draft.harmless();
    Some(())
}

pub(super) fn secmark(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let at = if info.revision == 0 { 8 } else { 1 };
    if info.u8(0)? != 1 {
        return None;
    }
    draft.option(false, "selctx", info.text(at, 256)?);
    draft.harmless();
    Some(())
}

pub(super) fn connsecmark(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.flag(
        false,
        match info.u8(0)? {
            1 => "save",
            2 => "restore",
            _ => return None,
        },
    );
    draft.harmless();
    Some(())
}

/// ECE and CWR.
const FLAGS: u8 = 3;
