//! What the writing thread costs a line, from the push to the write.

use crate::folder::Folder;
use crate::probe::as_f64;
use crate::table::{Table, median, whole};
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;
use tracer_user::model::event::{Event, EventKind};
use tracer_user::model::identity::Netns;
use tracer_user::model::time::Timestamp;
use tracer_user::model::tuple::{Endpoint, Tuple};
use tracer_user::sink::writer::{self, RotateOptions};
use tracer_user::sink::{Clock, Format, Record, Writer};

pub(crate) fn measure() -> anyhow::Result<String> {
    let folder = Folder::new("output")?;
    let mut table = Table::new(&["output", "CPU a line, ns", "lines/s of one core"]);
    let mut row = |name: &str, start: &dyn Fn() -> io::Result<Writer>| -> anyhow::Result<()> {
        let nanos = nanos_a_line(start)?;
        table.row([name.into(), whole(nanos), whole(1e9 / nanos)]);
        Ok(())
    };
    let plain = |file: File| Writer::start(Box::new(file), Format::Json, Clock::default());
    row("/dev/null", &|| plain(File::create("/dev/null")?))?;
    row("a plain file", &|| plain(writer::create(&folder.path("plain"))?))?;
    row("a rotated file", &|| rotated(&folder.path("rotated.jsonl")))?;
    Ok(format!("{TITLE}\n\n{}", table.render()))
}

fn rotated(path: &Path) -> io::Result<Writer> {
    let options = RotateOptions {
        path: path.to_owned(),
        max_bytes: Some(16 << 20),
        max_age: None,
        keep: 2,
        compress: false,
        floor_bytes: 0,
    };
    Writer::start_file(options, Clock::default(), || {})
}

/// Median CPU time, of the pushing and the writing thread together.
fn nanos_a_line(start: &dyn Fn() -> io::Result<Writer>) -> anyhow::Result<f64> {
    let events: Vec<_> = (0..LINES).map(event).collect();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let writer = start()?;
        let before = now()?;
        for event in &events {
            writer.push(Record::Event(event));
        }
        let report = writer.finish();
        let spent = now()?.saturating_sub(before);
        anyhow::ensure!(report.written == LINES, "not all was written: {report:?}");
        rounds.push(spent.as_secs_f64() * 1e9 / as_f64(LINES));
    }
    Ok(median(rounds))
}

fn event(number: u64) -> Event {
    let endpoint = |address: &str| Endpoint::from(address.parse::<std::net::SocketAddr>().unwrap_or(UNSPECIFIED));
    Event {
        at: Timestamp::from_nanos(number * 1000),
        cpu: 0,
        netns: Netns {
            cookie: 4097,
            inode: 4_026_532_281,
        },
        socket: None,
        tuple: Some(Tuple::new(endpoint("10.77.0.2:35468"), endpoint("10.77.0.3:9000"))),
        owner: None,
        kind: EventKind::Connect,
    }
}

fn now() -> anyhow::Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?)
}

const UNSPECIFIED: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
const ROUNDS: usize = 101;
/// Fewer than the queue holds: none is lost.
const LINES: u64 = 16_000;
const TITLE: &str = "### The output

Events pushed and written as JSON lines by the writing thread; CPU time of both threads, medians.";
