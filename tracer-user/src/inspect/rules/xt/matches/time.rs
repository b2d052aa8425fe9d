//! The match on the time of day, the weekday and the date.

use crate::inspect::rules::xt::draft::{Draft, listed};
use crate::inspect::rules::xt::info::Info;

pub(super) fn time(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (from, to) = (info.u32(8)?, info.u32(12)?);
    let (monthdays, weekdays, flags) = (info.u32(16)?, info.u8(20)?, info.u8(21)?);
    if from != 0 || to != 24 * 60 * 60 - 1 {
        draft.option(false, "timestart", clock(from));
        draft.option(false, "timestop", clock(to));
    }
    if monthdays != ALL_MONTHDAYS {
        draft.option(
            false,
            "monthdays",
            listed((1..32).filter(|day| monthdays & (1_u32 << day) != 0)),
        );
    }
    if weekdays != ALL_WEEKDAYS {
        let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let set = (1..).zip(names).filter(|(day, _)| weekdays & (1_u8 << day) != 0);
        draft.option(false, "weekdays", listed(set.map(|(_, name)| name)));
    }
    let (start, stop) = (info.u32(0)?, info.u32(4)?);
    if start != 0 {
        draft.option(false, "datestart", date(start));
    }
    if stop != u32::MAX {
        draft.option(false, "datestop", date(stop));
    }
    for (bit, name) in [(1, "kerneltz"), (2, "contiguous")] {
        if flags & bit != 0 {
            draft.flag(false, name);
        }
    }
    draft.chance();
    Some(())
}

fn clock(second: u32) -> String {
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// The civil date of a second since 1970, in UTC.
fn date(second: u32) -> String {
    let mut day = second / 86_400;
    let mut year = 1970;
    while day >= days_of(year) {
        day -= days_of(year);
        year += 1;
    }
    let february = if days_of(year) == 366 { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}T{}", day + 1, clock(second % 86_400))
}

fn days_of(year: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}

const ALL_MONTHDAYS: u32 = 0xffff_fffe;
const ALL_WEEKDAYS: u8 = 0xfe;
