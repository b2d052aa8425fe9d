//! Memory of the tracing program, kernel and user space, with 100,000 connections.

use crate::load::{self, Job, Load};
use crate::probe::as_f64;
use crate::process;
use crate::table::{Table, target};
use crate::tracer::Tracer;
use serde_json::Value;
use std::thread;
use std::time::Duration;

pub(crate) fn measure() -> anyhow::Result<String> {
    let mut table = Table::new(&[
        "100,000 connections",
        "maps and programs, MiB",
        "process, MiB",
        "total, MiB",
        "target",
    ]);
    let mut loads = Loads::start()?;
    let mut tracer = Tracer::start("none")?;
    thread::sleep(Duration::from_secs(1));
    table.row(row("none yet", &tracer)?);
    loads.run(Job::Hold)?;
    thread::sleep(Duration::from_secs(1));
    table.row(row("ordinary, in the kernel's table", &tracer)?);
    loads.run(|_| Job::Release)?;
    loads.run(Job::Hang)?;
    // A full ring may have cost a few their place until their next retransmit.
    tracer.wait_for("100,000 connections under suspicion", PATIENCE, |line| {
        tracked(line) >= u64::from(CONNECTIONS / 100 * 99)
    })?;
    table.row(row("unanswered, followed by the Tracker", &tracer)?);
    Ok(format!("{TITLE}\n\n{}", table.render()))
}

/// As many loads as the limit of open files makes necessary.
struct Loads(Vec<(Load, u32)>);

impl Loads {
    fn start() -> anyhow::Result<Self> {
        let mut loads = Vec::new();
        let mut left = CONNECTIONS;
        while left > 0 {
            let share = left.min(load::capacity());
            left -= share;
            loads.push((Load::start()?, share));
        }
        Ok(Self(loads))
    }

    fn run(&mut self, job: impl Fn(u32) -> Job) -> anyhow::Result<()> {
        for (load, share) in &mut self.0 {
            load.run(job(*share))?;
        }
        Ok(())
    }
}

fn row(name: &str, tracer: &Tracer) -> anyhow::Result<Vec<String>> {
    let kernel = as_f64(process::kernel_bytes(tracer.pid())?) / MIB;
    let resident = as_f64(process::resident_bytes(tracer.pid())?) / MIB;
    let total = kernel + resident;
    Ok(vec![
        name.to_owned(),
        format!("{kernel:.1}"),
        format!("{resident:.1}"),
        format!("{total:.1}"),
        target("<= 64", total <= 64.0),
    ])
}

/// Connections under suspicion, as a line of statistics tells.
fn tracked(line: &str) -> u64 {
    if !line.contains(r#""type":"stats""#) {
        return 0;
    }
    let stats: Value = serde_json::from_str(line).unwrap_or_default();
    stats["tracked"].as_u64().unwrap_or(0)
}

const CONNECTIONS: u32 = 100_000;
const MIB: f64 = 1_048_576.0;
/// Statistics are written every ten seconds.
const PATIENCE: Duration = Duration::from_secs(45);
const TITLE: &str = "### Memory

Of `conntracer trace --json --events none -o FILE`: what the kernel says its maps and programs take (`memlock`), and the
resident memory of the process without its views of those maps.";
