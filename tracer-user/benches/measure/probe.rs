//! Nanoseconds per run of each probe, as the kernel counts them, beside an empty program's.

use crate::inside::Inside;
use crate::load::{Job, Load};
use crate::process;
use crate::system::Empty;
use crate::table::{Table, whole};
use anyhow::Context as _;
use std::thread;
use std::time::Duration;
use tracer_user::kernel::stat;

pub(crate) fn measure() -> anyhow::Result<String> {
    let _statistics = stat::enable_cost().context("the kernel's statistics of programs")?;
    let mut load = Load::start()?;
    let empty = Empty::attach(c"inet_sock_set_state").context("an empty program")?;
    let inside = Inside::start(false, |_| ())?;
    load.run(Job::Connect(20_000))?;
    for job in [Job::Refuse(5_000), Job::Abort(5_000), Job::Hang(5_000)] {
        load.run(job)?;
    }
    // Two timeouts of every SYN.
    thread::sleep(Duration::from_millis(3_300));
    load.run(Job::Release)?;
    let used = inside.used()?;
    let clock = mean(process::program(empty.descriptor())?);
    inside.finish();
    let mut table = Table::new(&["probe", "runs", "ns per run", "without the clock"]);
    table.row([
        "an empty program: what the clock costs".into(),
        String::new(),
        whole(clock),
        "0".into(),
    ]);
    for (name, runs) in used.programs {
        let mean = mean(runs);
        let count = whole(as_f64(runs.count));
        table.row([format!("`{name}`"), count, whole(mean), whole(mean - clock)]);
    }
    Ok(format!("{TITLE}\n\n{}", table.render()))
}

/// Nanoseconds per run of an empty program on this machine, now: the kernel's two clock reads.
pub(crate) fn clock(load: &mut Load) -> anyhow::Result<f64> {
    let empty = Empty::attach(c"inet_sock_set_state").context("an empty program")?;
    load.run(Job::Connect(10_000))?;
    Ok(mean(process::program(empty.descriptor())?))
}

fn mean(runs: process::Runs) -> f64 {
    runs.time.as_secs_f64() * 1e9 / as_f64(runs.count.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few millions")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

const TITLE: &str = "### Probes

BPF_ENABLE_STATS over 20,000 ordinary connections, 5,000 refused, 5,000 aborted with a RST and 5,000 whose SYN a rule
drops; default settings. The means are over all hits, most of which are none of a probe's business.";
