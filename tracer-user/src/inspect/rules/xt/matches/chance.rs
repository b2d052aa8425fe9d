//! Matches that chance, rates or memory decide.

use crate::inspect::rules::text::iptables::Numeric;
use crate::inspect::rules::xt::draft::{Draft, quoted};
use crate::inspect::rules::xt::info::{Info, prefix};

pub(super) fn limit(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (period, burst) = (info.u32(0)?, info.u32(4)?);
    draft.option(false, "limit", rate(period.into(), SCALE));
    if burst != 5 {
        draft.option(false, "limit-burst", burst);
    }
    draft.chance();
    Some(())
}

/// So many an hour, where the kernel has the time between two of them; the unit is the largest that is exact enough.
pub(super) fn rate(period: u64, scale: u64) -> String {
    let Some((_, mut best)) = UNITS.first().map(|(seconds, name)| (seconds, (seconds * scale, name))) else {
        return String::new();
    };
    for (seconds, name) in UNITS.iter().skip(1) {
        let unit = seconds * scale;
        if period > unit || (period != 0 && unit / period < unit % period) {
            break;
        }
        best = (unit, name);
    }
    format!("{}/{}", best.0.checked_div(period).unwrap_or(u64::MAX), best.1)
}

pub(super) fn recent(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    if info.revision > 1 {
        return None;
    }
    let (check, negated) = (info.u8(8)?, info.u8(9)? != 0);
    let name = match check & 0xf {
        1 => "rcheck",
        2 => "set",
        4 => "update",
        8 => "remove",
        _ => return None,
    };
    draft.flag(negated, name);
    for (at, name) in [(0, "seconds"), (4, "hitcount")] {
        let value = info.u32(at)?;
        if value != 0 {
            draft.option(false, name, value);
        }
    }
    for (bit, name) in [(16, "rttl"), (32, "reap")] {
        if check & bit != 0 {
            draft.flag(false, name);
        }
    }
    draft.option(false, "name", info.text(10, 200)?);
    if info.revision == 1 {
        draft.option(false, "mask", Numeric(info.address(212)?));
    }
    draft.flag(false, if info.u8(210)? == 1 { "rdest" } else { "rsource" });
    draft.chance();
    Some(())
}

pub(super) fn statistic(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (mode, negated) = (info.u16(0)?, info.u16(2)? & 1 != 0);
    match mode {
        0 => {
            draft.option(false, "mode", "random");
            let probability = f64::from(info.u32(4)?) / f64::from(1_u32 << 31);
            draft.option(negated, "probability", format_args!("{probability:.11}"));
        }
        1 => {
            draft.option(false, "mode", "nth");
            draft.option(negated, "every", u64::from(info.u32(4)?) + 1);
            draft.option(false, "packet", info.u32(8)?);
        }
        _ => return None,
    }
    draft.chance();
    Some(())
}

pub(super) fn quota(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.option(info.u32(0)? & 1 != 0, "quota", info.u64(8)?);
    draft.chance();
    Some(())
}

pub(super) fn connlimit(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (limit, flags) = (info.u32(16)?, info.u32(20)?);
    let name = if flags & 1 == 0 {
        "connlimit-above"
    } else {
        "connlimit-upto"
    };
    draft.option(false, name, limit);
    match prefix(info.address(0)?) {
        Some(length) => draft.option(false, "connlimit-mask", length),
        None => draft.option(false, "connlimit-mask", info.address(0)?),
    }
    if info.revision >= 1 {
        let side = if flags & 2 == 0 {
            "connlimit-saddr"
        } else {
            "connlimit-daddr"
        };
        draft.flag(false, side);
    }
    draft.chance();
    Some(())
}

pub(super) fn connbytes(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (from, to) = (info.u64(0)?, info.u64(8)?);
    let (negated, from, to) = if from > to { (true, to, from) } else { (false, from, to) };
    if to == u64::MAX {
        draft.option(negated, "connbytes", format_args!("{from}"));
    } else {
        draft.option(negated, "connbytes", format_args!("{from}:{to}"));
    }
    let what = ["packets", "bytes", "avgpkt"].get(usize::from(info.u8(16)?))?;
    let direction = ["original", "reply", "both"].get(usize::from(info.u8(17)?))?;
    draft.option(false, "connbytes-mode", what);
    draft.option(false, "connbytes-dir", direction);
    draft.chance();
    Some(())
}

pub(super) fn cluster(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (total, nodes, seed) = (info.u32(0)?, info.u32(4)?, info.u32(8)?);
    let negated = info.u32(12)? & 1 != 0;
    draft.option(negated, "cluster-local-nodemask", format_args!("{nodes:#010x}"));
    draft.option(false, "cluster-total-nodes", total);
    draft.option(false, "cluster-hash-seed", format_args!("{seed:#010x}"));
    draft.chance();
    Some(())
}

pub(super) fn rateest(_: &Info<'_>, _: &mut Draft) -> Option<()> {
    None
}

pub(super) fn nfacct(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.option(false, "nfacct-name", quoted(&info.text(0, 32)?));
    // It counts, and always fits.
    Some(())
}

const SCALE: u64 = 10_000;
const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "min"), (1, "sec")];
