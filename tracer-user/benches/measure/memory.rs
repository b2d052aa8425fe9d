//! Memory of the tracing program, kernel and user space, with up to a million connections.

use crate::held::{self, Held};
use crate::load::Job;
use crate::probe::as_f64;
use crate::table::{Table, target, whole};
use crate::tracer::Tracer;
use crate::{followed, process};
use serde_json::Value;
use std::thread;
use std::time::Duration;

pub(crate) fn measure() -> anyhow::Result<String> {
    let mut table = Table::new(&[
        "connections",
        "not in the table",
        "maps and programs, MiB",
        "process, MiB",
        "total, MiB",
        "bytes a connection",
        "target",
    ]);
    let mut tracer = Tracer::start("none")?;
    thread::sleep(SETTLE);
    let empty = Taken::of(&tracer)?;
    let within = target("<= 24", empty.total() <= 24.0 * MIB);
    table.row(empty.row("none yet", String::new(), None, within));
    let mut held = Held::default();
    for wanted in SIZES {
        let count = held.count() + held::affordable(wanted - held.count())?;
        eprintln!("bench: memory: {count} of {wanted} connections are held");
        held.grow(count)?;
        let left_out = statistics(&mut tracer)?.left_out;
        let taken = Taken::of(&tracer)?;
        let each = taken.each(empty, count);
        let within = target("<= 256 bytes, 256 MiB", each <= 256.0 && taken.total() <= 256.0 * MIB);
        let name = format!("{}, idle, in the kernel's table", whole(f64::from(count)));
        table.row(taken.row(&name, left_out.to_string(), Some(each), within));
    }
    drop(held);
    drop(tracer);
    for count in &SIZES[..2] {
        table.row(unanswered(*count)?);
    }
    Ok(format!("{TITLE}\n\n{}\n\n{ALONE}\n\n{}", table.render(), alone()?))
}

/// Real sockets that wait for an answer, and the released program.
fn unanswered(count: u32) -> anyhow::Result<Vec<String>> {
    eprintln!("bench: memory: {count} connections hang");
    let mut loads = Held::start(count)?;
    let mut tracer = Tracer::start("none")?;
    thread::sleep(SETTLE);
    let empty = Taken::of(&tracer)?;
    loads.run(Job::Hang)?;
    // A full ring may have cost a few their place until their next retransmit.
    tracer.wait_for("connections under suspicion", PATIENCE, |line| {
        let statistics = Statistics::parse(line)?;
        (statistics.tracked >= u64::from(count / 100 * 99)).then_some(())
    })?;
    let taken = Taken::of(&tracer)?;
    let name = format!("{}, unanswered, followed by the Tracker", whole(f64::from(count)));
    let within = target("<= 64 MiB", taken.total() <= 64.0 * MIB);
    Ok(taken.row(&name, String::new(), Some(taken.each(empty, count)), within))
}

/// The Tracker, in a process of its own.
fn alone() -> anyhow::Result<String> {
    let mut table = Table::new(&[
        "unanswered connections",
        "followed",
        "resident, MiB",
        "bytes a connection",
    ]);
    for count in SIZES {
        let (tracked, bytes) = followed::measure(count)?;
        table.row([
            whole(f64::from(count)),
            whole(as_f64(tracked)),
            format!("{:.1}", as_f64(bytes) / MIB),
            whole(as_f64(bytes) / as_f64(tracked)),
        ]);
    }
    Ok(table.render())
}

/// Statistics of a time when everything was done.
fn statistics(tracer: &mut Tracer) -> anyhow::Result<Statistics> {
    tracer.tell(|_| ())?;
    tracer.wait_for("statistics", PATIENCE, Statistics::parse)
}

/// What a line of statistics tells.
struct Statistics {
    /// Connections under suspicion.
    tracked: u64,
    /// Connections that found the kernel's table full.
    left_out: u64,
}

impl Statistics {
    fn parse(line: &str) -> Option<Self> {
        if !line.contains(r#""type":"stats""#) {
            return None;
        }
        let stats: Value = serde_json::from_str(line).ok()?;
        let hooks = stats["hooks"].as_array()?;
        Some(Self {
            tracked: stats["tracked"].as_u64()?,
            left_out: hooks.iter().filter_map(|hook| hook["table_full"].as_u64()).sum(),
        })
    }
}

/// Bytes.
#[derive(Clone, Copy)]
struct Taken {
    kernel: f64,
    process: f64,
}

impl Taken {
    fn of(tracer: &Tracer) -> anyhow::Result<Self> {
        Ok(Self {
            kernel: as_f64(process::kernel_bytes(tracer.pid())?),
            process: as_f64(process::resident_bytes(tracer.pid())?),
        })
    }

    fn total(self) -> f64 {
        self.kernel + self.process
    }

    fn row(self, name: &str, left_out: String, each: Option<f64>, target: String) -> Vec<String> {
        vec![
            name.to_owned(),
            left_out,
            format!("{:.1}", self.kernel / MIB),
            format!("{:.1}", self.process / MIB),
            format!("{:.1}", self.total() / MIB),
            each.map(whole).unwrap_or_default(),
            target,
        ]
    }

    /// Bytes for each of `count`, beyond what it took without them.
    fn each(self, empty: Self, count: u32) -> f64 {
        (self.total() - empty.total()) / f64::from(count)
    }
}

const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
const MIB: f64 = 1_048_576.0;
/// What it does for its beginning is done by then.
const SETTLE: Duration = Duration::from_secs(4);
/// Statistics are written every ten seconds.
const PATIENCE: Duration = Duration::from_secs(45);
const TITLE: &str = "### Memory

Of `conntracer trace --json --events none -o FILE`: what the kernel says its maps and programs take (`memlock`, the ring
among them), and the resident memory of the process without its views of those maps, once it has let go of the code that
only its start needed. Bytes a connection are what it takes more than with none.";
const ALONE: &str =
    "The Tracker alone, in a process without probes, told of so many first retransmits of as many SYNs.";
