//! Remarks, and matches that look for patterns or run small programs.

use crate::inspect::rules::xt::draft::{Draft, quoted};
use crate::inspect::rules::xt::info::Info;
use std::fmt::Write as _;

/// Fits every packet.
pub(super) fn comment(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.option(false, "comment", quoted(&info.text(0, 256)?));
    Some(())
}

pub(super) fn u32_tests(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (tests, negated) = (info.u8(TESTS_MAX * TEST)?, info.u8(TESTS_MAX * TEST + 1)? != 0);
    let mut shown = String::new();
    for test in 0..usize::from(tests) {
        if test >= TESTS_MAX {
            return None;
        }
        if test > 0 {
            shown.push_str("&&");
        }
        u32_test(info, test * TEST, &mut shown)?;
    }
    draft.option(negated, "u32", format_args!("\"{shown}\""));
    draft.unknown_match();
    Some(())
}

fn u32_test(info: &Info<'_>, at: usize, shown: &mut String) -> Option<()> {
    let (places, values) = (info.u8(at + 176)?, info.u8(at + 177)?);
    if usize::from(places.max(values)) > TESTS_MAX {
        return None;
    }
    for place in 0..usize::from(places) {
        let at = at + place * 8;
        if place > 0 {
            shown.push_str(match info.u8(at + 4)? {
                0 => "&",
                1 => "<<",
                2 => ">>",
                3 => "@",
                _ => return None,
            });
        }
        let _ = write!(shown, "{:#x}", info.u32(at)?);
    }
    shown.push('=');
    for value in 0..usize::from(values) {
        let at = at + 88 + value * 8;
        let (first, last) = (info.u32(at)?, info.u32(at + 4)?);
        if value > 0 {
            shown.push(',');
        }
        let _ = write!(shown, "{first:#x}");
        if first != last {
            let _ = write!(shown, ":{last:#x}");
        }
    }
    Some(())
}

pub(super) fn bpf(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (count_at, program_at) = match info.revision {
        0 => (0, 4),
        1 => (2, 8),
        _ => return None,
    };
    if info.revision == 1 && info.u16(0)? != 0 {
        draft.option(false, "object-pinned", info.text(8, 512)?);
    } else {
        let count = usize::from(info.u16(count_at)?);
        let mut shown = format!("\"{count}");
        for instruction in 0..count.min(64) {
            let at = program_at + instruction * 8;
            let (code, [yes, no], constant) = (info.u16(at)?, info.array(at + 2)?, info.u32(at + 4)?);
            let _ = write!(shown, ",{code} {yes} {no} {constant}");
        }
        shown.push('"');
        draft.option(false, "bytecode", shown);
    }
    draft.unknown_match();
    Some(())
}

pub(super) fn string(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let length = usize::from(info.u8(148)?);
    let flags = info.u8(149)?;
    let pattern = info.bytes(20, length.min(128))?;
    let plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    if pattern.iter().all(plain) {
        draft.option(flags & 1 != 0, "string", plainly(pattern));
    } else {
        draft.option(flags & 1 != 0, "hex-string", hexed(pattern));
    }
    draft.option(false, "algo", info.text(4, 16)?);
    let (from, to) = (info.u16(0)?, info.u16(2)?);
    if from != 0 {
        draft.option(false, "from", from);
    }
    if to != 0 && to != u16::MAX {
        draft.option(false, "to", to);
    }
    if info.revision == 1 && flags & 2 != 0 {
        draft.flag(false, "icase");
    }
    draft.unknown_match();
    Some(())
}

/// Always in double quotes.
fn plainly(pattern: &[u8]) -> String {
    let mut shown = String::from("\"");
    for char in String::from_utf8_lossy(pattern).chars() {
        if matches!(char, '"' | '\\') {
            shown.push('\\');
        }
        shown.push(char);
    }
    shown.push('"');
    shown
}

/// `"|0a|"`; the kernel's bytes are shown as numbers where one of them is no letter.
fn hexed(pattern: &[u8]) -> String {
    let mut shown = String::from("\"|");
    for byte in pattern {
        let _ = write!(shown, "{byte:02x}");
    }
    shown.push_str("|\"");
    shown
}

const TESTS_MAX: usize = 11;
/// `sizeof(struct xt_u32_test)`.
const TEST: usize = 180;
