//! An event of a failing connection, beside others that the Tracker follows.

use super::flat;
use crate::folder::Folder;
use crate::instructions::{self, Run};
use crate::load::Job;
use crate::probe::as_f64;
use crate::record::Recording;
use crate::table::{Table, median, whole};
use crate::{crowd, saved};
use std::time::Duration;

pub(super) fn measure() -> anyhow::Result<String> {
    let mut table = Table::new(&[
        "beside unanswered ones that the Tracker follows",
        "an event, ns",
        "target",
        "instructions",
        "target",
    ]);
    let jobs = [Job::Refuse(1_000), Job::Abort(1_000), Job::Hang(100)];
    let recording = Recording::of(false, &jobs, Duration::from_millis(200))?;
    let folder = Folder::new("growth")?;
    let file = folder.path("stream");
    saved::save(&recording, &file)?;
    let (mut first_time, mut first_count) = (None, None);
    for others in SIZES {
        eprintln!("bench: growth: events beside {others} connections");
        let mut times = Vec::new();
        let mut tracked = 0;
        for _ in 0..ROUNDS {
            let crowd = crowd::run(&recording, TELLINGS, others)?;
            times.push(crowd.cpu.as_secs_f64() * 1e9 / as_f64(crowd.events));
            tracked = crowd.tracked;
        }
        let time = median(times);
        let run = Run::new("track", TELLINGS).beside(others);
        let count = instructions::count(&folder, &file, &run)?.an_event;
        table.row([
            format!("{}, {} at once", whole(f64::from(others)), whole(as_f64(tracked))),
            whole(time),
            flat(time, *first_time.get_or_insert(time)),
            whole(count),
            flat(count, *first_count.get_or_insert(count)),
        ]);
    }
    Ok(table.render())
}

const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
const TELLINGS: u32 = 10;
const ROUNDS: usize = 3;
