//! The match that limits the rate of each flow.

use super::chance::rate;
use crate::inspect::rules::xt::draft::{Draft, listed};
use crate::inspect::rules::xt::info::Info;

struct Config {
    name: String,
    mode: u32,
    average: u64,
    burst: u64,
    /// `htable-size`, `-max`, `-gcinterval`, `-expire`.
    table: [u32; 4],
    interval: Option<u32>,
    masks: [u8; 2],
    scale: u64,
}

fn config(info: &Info<'_>) -> Option<Config> {
    let words = |at: usize| Some([info.u32(at)?, info.u32(at + 4)?, info.u32(at + 8)?, info.u32(at + 12)?]);
    Some(match info.revision {
        1 => Config {
            name: info.text(0, 16)?,
            mode: info.u32(16)?,
            average: info.u32(20)?.into(),
            burst: info.u32(24)?.into(),
            table: words(28)?,
            interval: None,
            masks: info.array(44)?,
            scale: 10_000,
        },
        2 | 3 => {
            let third = info.revision == 3;
            Config {
                name: info.text(0, 255)?,
                average: info.u64(256)?,
                burst: info.u64(264)?,
                mode: info.u32(272)?,
                table: words(276)?,
                interval: if third { Some(info.u32(292)?) } else { None },
                masks: info.array(if third { 296 } else { 292 })?,
                scale: 1_000_000,
            }
        }
        _ => return None,
    })
}

pub(super) fn hashlimit(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let config = config(info)?;
    let name = if config.mode & INVERTED == 0 {
        "hashlimit-upto"
    } else {
        "hashlimit-above"
    };
    let lasts = if config.mode & BYTES == 0 {
        draft.option(false, name, rate(config.average, config.scale));
        draft.option(false, "hashlimit-burst", config.burst);
        quantum(config.average, config.scale)
    } else {
        bytes(draft, name, &config)
    };
    let keys = [(2, "dstport"), (4, "srcip"), (8, "srcport"), (1, "dstip")];
    let order = [4_u32, 8, 1, 2];
    let chosen = order.iter().filter(|&bit| config.mode & bit != 0);
    let names = chosen.filter_map(|bit| keys.iter().find(|(key, _)| key == bit).map(|(_, name)| name));
    let names = listed(names);
    if !names.is_empty() {
        draft.option(false, "hashlimit-mode", names);
    }
    draft.option(false, "hashlimit-name", &config.name);
    let [size, most, collect, expire] = config.table;
    for (value, usual, name) in [
        (size, 0, "hashlimit-htable-size"),
        (most, 0, "hashlimit-htable-max"),
        (collect, 1000, "hashlimit-htable-gcinterval"),
        (expire, lasts, "hashlimit-htable-expire"),
    ] {
        if value != usual {
            draft.option(false, name, value);
        }
    }
    let whole = if info.is_ipv6() { 128 } else { 32 };
    for (mask, name) in config.masks.into_iter().zip(["hashlimit-srcmask", "hashlimit-dstmask"]) {
        if mask != whole {
            draft.option(false, name, mask);
        }
    }
    if config.mode & RATE_MATCH != 0 {
        draft.flag(false, "hashlimit-rate-match");
        if let Some(interval) = config.interval.filter(|&interval| interval != 1) {
            draft.option(false, "hashlimit-rate-interval", interval);
        }
    }
    draft.chance();
    Some(())
}

/// How long an entry lasts if nothing else is asked: a whole unit of the rate, in milliseconds.
fn quantum(period: u64, scale: u64) -> u32 {
    let shown = rate(period, scale);
    match shown.rsplit_once('/').map_or("", |(_, unit)| unit) {
        "day" => 86_400_000,
        "hour" => 3_600_000,
        "min" => 60_000,
        _ => 1_000,
    }
}

/// Rates in bytes: the kernel counts units of 16 bytes. Tells how long an entry lasts.
fn bytes(draft: &mut Draft, name: &str, config: &Config) -> u32 {
    let units = u64::from(u32::MAX)
        .checked_div(config.average)
        .unwrap_or(u32::MAX.into());
    let rate = units.saturating_sub(1).saturating_mul(16);
    draft.option(false, name, format_args!("{}b/s", scaled(rate)));
    if config.burst <= 1 {
        return 15_000;
    }
    let burst = config.burst.saturating_mul(rate);
    draft.option(false, "hashlimit-burst", format_args!("{}b", scaled(burst)));
    60_000
}

fn scaled(bytes: u64) -> String {
    for (shift, unit) in [(20, "m"), (10, "k")] {
        if bytes >= 1 << shift && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

const INVERTED: u32 = 1 << 4;
const BYTES: u32 = 1 << 5;
const RATE_MATCH: u32 = 1 << 6;
