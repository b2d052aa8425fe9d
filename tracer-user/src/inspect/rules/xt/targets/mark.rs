//! Targets that write the packet's and the connection's mark.

use crate::inspect::rules::xt::draft::Draft;
use crate::inspect::rules::xt::info::{Info, prefix};
use crate::model::rules::{Assign, Operand, Source, Target};

pub(super) fn mark(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (value, mask) = match info.revision {
        2 => {
            let (value, mask) = (info.u32(0)?, info.u32(4)?);
            draft.option(false, "set-xmark", format_args!("{value:#x}/{mask:#x}"));
            (value, mask)
        }
        1 => old_mark(info, draft)?,
        _ => return None,
    };
    draft.assign(Assign {
        target: Target::Mark,
        keep: !mask,
        source: Source::None,
        value,
    });
    Some(())
}

/// `unsigned long mark; u8 mode`.
fn old_mark(info: &Info<'_>, draft: &mut Draft) -> Option<(u32, u32)> {
    let value = u32::try_from(info.u64(0)?).ok()?;
    let (name, mask, xor) = match info.u8(8)? {
        0 => ("set-mark", u32::MAX, value),
        1 => ("and-mark", !value, 0),
        2 => ("or-mark", value, value),
        _ => return None,
    };
    draft.option(false, name, format_args!("{value:#x}"));
    Some((xor, mask))
}

pub(super) fn connmark(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (value, connection, packet) = (info.u32(0)?, info.u32(4)?, info.u32(8)?);
    let (right, bits, mode) = match info.revision {
        1 => (false, 0, info.u8(12)?),
        2 => (info.u8(12)? != 0, info.u8(13)?, info.u8(14)?),
        _ => return None,
    };
    let shift = i8::try_from(bits).ok().filter(|bits| *bits < 32)?;
    let shift = if right { -shift } else { shift };
    match mode {
        0 => draft.option(false, "set-xmark", format_args!("{value:#x}/{connection:#x}")),
        1 => masks(draft, "save-mark", packet, connection),
        2 => masks(draft, "restore-mark", packet, connection),
        _ => return None,
    }
    if bits != 0 {
        draft.option(false, if right { "right-shift-mark" } else { "left-shift-mark" }, bits);
    }
    draft.assign(match mode {
        0 => set(value, connection, shift),
        1 => Assign {
            target: Target::Connmark,
            keep: !connection,
            source: Source::Mark { mask: packet, shift },
            value: 0,
        },
        _ => Assign {
            target: Target::Mark,
            keep: !packet,
            source: Source::Connmark {
                mask: connection,
                shift,
            },
            value: 0,
        },
    });
    Some(())
}

fn masks(draft: &mut Draft, name: &str, packet: u32, connection: u32) {
    draft.flag(false, name);
    draft.option(false, "nfmask", format_args!("{packet:#x}"));
    draft.option(false, "ctmask", format_args!("{connection:#x}"));
}

/// What is set is shifted as a whole, what was kept included.
fn set(value: u32, mask: u32, shift: i8) -> Assign {
    let (keep, source, value) = match shift {
        0 => (!mask, Source::None, value),
        _ => (0, Source::Connmark { mask: !mask, shift }, shifted(value, shift)),
    };
    Assign {
        target: Target::Connmark,
        keep,
        source,
        value,
    }
}

fn shifted(value: u32, shift: i8) -> u32 {
    let bits = u32::from(shift.unsigned_abs());
    let moved = if shift < 0 {
        value.checked_shr(bits)
    } else {
        value.checked_shl(bits)
    };
    moved.unwrap_or_default()
}

/// Which of the packet's fields are hashed is shown, not modelled: the hash is unknown in any case.
pub(super) fn hmark(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (flags, modulus, offset) = (info.u32(40)?, info.u32(52)?, info.u32(56)?);
    for (bit, at, name) in [(0, 0, "hmark-src-prefix"), (1, 16, "hmark-dst-prefix")] {
        if flags & (1 << bit) != 0 {
            draft.option(false, name, prefix(info.address(at)?)?);
        }
    }
    for (bit, at, name) in [(6, 32, "hmark-sport-mask"), (7, 34, "hmark-dport-mask")] {
        if flags & (1 << bit) != 0 {
            draft.option(false, name, format_args!("{:#06x}", info.be16(at)?));
        }
    }
    if flags & (1 << 8) != 0 {
        draft.option(false, "hmark-proto-mask", format_args!("{:#x}", info.u16(44)?));
    }
    if flags & (1 << 9) != 0 {
        draft.option(false, "hmark-rnd", format_args!("{:#010x}", info.u32(48)?));
    }
    draft.option(false, "hmark-mod", modulus);
    if flags & (1 << 11) != 0 {
        draft.option(false, "hmark-offset", offset);
    }
    draft.assign(Assign {
        target: Target::Mark,
        keep: 0,
        source: Source::Operand(Operand::Hash { modulus, offset }),
        value: 0,
    });
    Some(())
}
