//! Nothing is lost in silence: what connections must have sent is compared with what was written and what was counted.

use crate::background::Background;
use crate::load::Load;
use crate::table::{Table, target, whole};
use crate::tracer::Tracer;
use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use serde_json::Value;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;
use std::{fs, thread};

pub(crate) fn measure() -> anyhow::Result<String> {
    let mut table = Table::new(&[
        "the program stands still for",
        "connections",
        "of them as the kernel counts",
        "records due",
        "taken out of the ring",
        "lines: connect",
        "established",
        "closed",
        "lost in the ring",
        "in the queue",
        "target",
    ]);
    let short = Tally::of(Duration::from_millis(100))?;
    table.row(short.row("100 ms", target("0 lost", short.lost() == 0)));
    let long = Tally::of(Duration::from_secs(2))?;
    table.row(long.row("2 s", target("all told", long.adds_up())));
    Ok(format!(
        "{TITLE}\n\n{}\n\nLines of other events, whose losses are among those: {}.",
        table.render(),
        short.foreign + long.foreign
    ))
}

#[derive(Default)]
struct Tally {
    /// As the loads count.
    made: u64,
    /// As the kernel does.
    opened: u64,
    /// Lines of each kind.
    lines: [u64; KINDS.len()],
    ring: u64,
    queue: u64,
    /// Lines of other events, or of other namespaces.
    foreign: u64,
    /// All that came out of the ring, as the last line tells.
    taken: Option<u64>,
}

impl Tally {
    /// Of connections as fast as the processors make them, while the program is stopped for some time.
    fn of(stop: Duration) -> anyhow::Result<Self> {
        let mut tracer = Tracer::start("all")?;
        let background = Background::start()?;
        thread::sleep(BESIDE);
        tracer.signal(Signal::STOP)?;
        thread::sleep(stop);
        tracer.signal(Signal::CONT)?;
        thread::sleep(BESIDE);
        let loads = background.finish()?;
        let mut tally = Self::default();
        let mut namespaces = Vec::new();
        for (load, count) in &loads {
            tally.made += count;
            tally.opened += opened(load)?;
            namespaces.push(format!(r#""inode":{},"#, inode(load)?));
        }
        // At its end it writes for two seconds at most: it has nothing left to write by then.
        let mut before = None;
        while before != Some(tally.told()) {
            before = Some(tally.told());
            thread::sleep(QUIET);
            tracer.tell(|line| tally.take(line, &namespaces))?;
        }
        tracer.finish(|line| tally.take(line, &namespaces))?;
        ensure!(tally.taken.is_some(), "the output has no summary");
        Ok(tally)
    }

    fn take(&mut self, line: &str, namespaces: &[String]) {
        let is = |kind: &str| line.contains(&format!(r#""type":"{kind}""#));
        if is("event") {
            let of_kind = |(kind, _): &(&str, &mut u64)| line.contains(&format!(r#""event":"{kind}""#));
            let is_own = namespaces.iter().any(|namespace| line.contains(namespace));
            match KINDS.into_iter().zip(&mut self.lines).find(of_kind) {
                Some((_, count)) if is_own => *count += 1,
                _ => self.foreign += 1,
            }
        } else if is("loss") {
            self.take_loss(&serde_json::from_str(line).unwrap_or_default());
        } else if is("summary") {
            let summary: Value = serde_json::from_str(line).unwrap_or_default();
            self.taken = summary["events"].as_u64();
        }
    }

    fn take_loss(&mut self, loss: &Value) {
        let count = loss["lost"].as_u64().unwrap_or(0);
        if loss["hook"].is_string() {
            self.ring += count;
        } else {
            self.queue += count;
        }
    }

    fn due(&self) -> u64 {
        self.made * KINDS.len() as u64
    }

    fn seen(&self) -> u64 {
        self.lines.iter().sum()
    }

    fn lost(&self) -> u64 {
        self.ring + self.queue
    }

    /// Whether the ring's records are all there or counted, and so are the lines.
    fn adds_up(&self) -> bool {
        let due = self.due() + self.foreign;
        self.taken.unwrap_or(0) + self.ring == due && self.told() >= self.due()
    }

    /// Lines of the own connections and what was lost. The queue counts what replay needs beside events with them.
    fn told(&self) -> u64 {
        self.seen() + self.lost()
    }

    fn row(&self, stop: &str, target: String) -> Vec<String> {
        let [connect, established, closed] = self.lines;
        let mut row = vec![stop.to_owned()];
        let numbers = [
            self.made,
            self.opened,
            self.due(),
            self.taken.unwrap_or(0),
            connect,
            established,
            closed,
            self.ring,
            self.queue,
        ];
        row.extend(numbers.map(|number| whole(crate::probe::as_f64(number))));
        row.push(target);
        row
    }
}

/// Connections that processes of the load's namespace opened, as the kernel counts them.
fn opened(load: &Load) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{}/net/snmp", load.pid()))?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next().context("names")?, lines.next().context("values")?);
    let of = names
        .split(' ')
        .zip(values.split(' '))
        .find(|(name, _)| *name == "ActiveOpens");
    Ok(of.context("ActiveOpens")?.1.parse()?)
}

fn inode(load: &Load) -> anyhow::Result<u64> {
    Ok(fs::metadata(format!("/proc/{}/ns/net", load.pid()))?.ino())
}

/// The events of an ordinary connection.
const KINDS: [&str; 3] = ["connect", "established", "closed"];
/// Before and after it stands still.
const BESIDE: Duration = Duration::from_millis(500);
/// Longer than a pause between two batches of lines, and than what the kernel takes to end a connection.
const QUIET: Duration = Duration::from_secs(2);
const TITLE: &str = "### Losses

`conntracer trace --json --events all -o FILE` while as many loads as there are processors connect and close without a
pause; it is stopped (SIGSTOP) in the middle. Three records are due for each connection: each is taken out of
the ring or counted as lost there, and what was taken is a line or counted as lost in the queue (which counts the few
inquiries and deadlines that it left out with the events).";
