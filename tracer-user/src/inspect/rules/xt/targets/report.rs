//! Targets that tell somebody of a packet, or remember it.

use crate::inspect::rules::text::iptables::Numeric;
use crate::inspect::rules::xt::draft::{Draft, quoted};
use crate::inspect::rules::xt::info::Info;
use crate::inspect::rules::xt::matches::directions;

pub(super) fn log(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (level, flags, prefix) = (info.u8(0)?, info.u8(1)?, info.text(2, 30)?);
    if !prefix.is_empty() {
        draft.option(false, "log-prefix", quoted(&prefix));
    }
    if level != 4 {
        draft.option(false, "log-level", level);
    }
    for (bit, name) in [
        (1, "log-tcp-sequence"),
        (2, "log-tcp-options"),
        (4, "log-ip-options"),
        (8, "log-uid"),
        (32, "log-macdecode"),
    ] {
        if flags & bit != 0 {
            draft.flag(false, name);
        }
    }
    draft.harmless();
    Some(())
}

pub(super) fn nflog(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (length, group, threshold, flags) = (info.u32(0)?, info.u16(4)?, info.u16(6)?, info.u16(8)?);
    let prefix = info.text(12, 64)?;
    if !prefix.is_empty() {
        draft.option(false, "nflog-prefix", quoted(&prefix));
    }
    if group != 0 {
        draft.option(false, "nflog-group", group);
    }
    if flags & 1 != 0 {
        draft.option(false, "nflog-size", length);
    } else if length != 0 {
        draft.option(false, "nflog-range", length);
    }
    if threshold != 0 {
        draft.option(false, "nflog-threshold", threshold);
    }
    draft.harmless();
    Some(())
}

pub(super) fn audit(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let kind = ["accept", "drop", "reject"].get(usize::from(info.u8(0)?))?;
    draft.option(false, "type", kind);
    draft.harmless();
    Some(())
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all decoders")]
pub(super) fn trace(_: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.harmless();
    Some(())
}

pub(super) fn led(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (id, always, delay) = (info.text(0, 27)?, info.u8(27)? != 0, info.u32(28)?);
    let shown = id.strip_prefix("netfilter-").unwrap_or(&id);
    draft.option(false, "led-trigger-id", quoted(shown));
    match delay {
        0 => {}
        u32::MAX => draft.option(false, "led-delay", "inf"),
        _ => draft.option(false, "led-delay", delay),
    }
    if always {
        draft.flag(false, "led-always-blink");
    }
    draft.harmless();
    Some(())
}

pub(super) fn idletimer(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.option(false, "timeout", info.u32(0)?);
    draft.option(false, "label", info.text(4, 28)?);
    if info.revision == 1 && info.u8(33)? == 1 {
        draft.flag(false, "alarm");
    }
    draft.harmless();
    Some(())
}

pub(super) fn rateest(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (name, interval, weight) = (info.text(0, 16)?, info.array::<1>(16)?, info.u8(17)?);
    let interval = i8::from_ne_bytes(interval);
    // A quarter second, times two for each step.
    let steps = u32::try_from(i16::from(interval) + 2)
        .ok()
        .filter(|steps| *steps < 32)?;
    let microseconds = 250_000_u64 << steps;
    draft.option(false, "rateest-name", name);
    draft.option(false, "rateest-interval", duration(microseconds));
    let constant = microseconds.checked_shl(u32::from(weight))?;
    draft.option(false, "rateest-ewmalog", duration(constant));
    draft.harmless();
    Some(())
}

fn duration(microseconds: u64) -> String {
    let (whole, unit, name) = if microseconds >= 1_000_000 {
        (1_000_000, 100_000, "s")
    } else {
        (1_000, 100, "ms")
    };
    format!("{}.{}{name}", microseconds / whole, microseconds % whole / unit)
}

pub(super) fn tee(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (gateway, device) = (info.address(0)?, info.text(16, 16)?);
    draft.option(false, "gateway", Numeric(gateway));
    if !device.is_empty() {
        draft.option(false, "oif", device);
    }
    draft.harmless();
    Some(())
}

/// `--map-set` gives the packet a mark, a class and a queue.
pub(super) fn set(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    if !(1..=3).contains(&info.revision) {
        return None;
    }
    let mut maps = false;
    for (at, name) in [(0, "add-set"), (4, "del-set"), (8, "map-set")] {
        if at == 8 && info.revision < 3 {
            break;
        }
        let index = info.u16(at)?;
        if index != u16::MAX {
            draft.option(false, name, info.sets.shown(index));
            draft.word(directions(info.u8(at + 2)?, info.u8(at + 3)?));
            maps |= at == 8;
        }
    }
    if maps {
        draft.unknown_target();
    } else {
        draft.harmless();
    }
    Some(())
}
