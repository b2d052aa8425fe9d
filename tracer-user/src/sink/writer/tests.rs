use super::queue::{EVENTS, STATS};
use super::*;
use crate::model::event::{Event, EventKind};
use crate::model::finding::{Cause, Finding};
use crate::model::time::Timestamp;
use crate::sink::sample;
use serde::Deserialize;
use std::sync::mpsc;

/// An output under control: each write waits for an order.
struct Reins {
    orders: mpsc::Receiver<Order>,
    written: Arc<Mutex<Vec<u8>>>,
}

enum Order {
    Write(usize),
    Fail(io::ErrorKind),
}

impl io::Write for Reins {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Without somebody to give orders, everything is written.
        match self.orders.recv().unwrap_or(Order::Write(usize::MAX)) {
            Order::Write(most) => {
                let now = &bytes[..bytes.len().min(most)];
                self.written.lock().unwrap().extend_from_slice(now);
                Ok(now.len())
            }
            Order::Fail(kind) => Err(kind.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Rig {
    writer: Writer,
    orders: mpsc::Sender<Order>,
    written: Arc<Mutex<Vec<u8>>>,
    changes: mpsc::Receiver<()>,
}

fn rig() -> Rig {
    let (orders, receiver) = mpsc::channel();
    let (change, changes) = mpsc::channel();
    let written = Arc::new(Mutex::new(Vec::new()));
    let output = Reins {
        orders: receiver,
        written: Arc::clone(&written),
    };
    let changed = move || change.send(()).unwrap_or_default();
    let writer = Writer::start_with(Box::new(output), Format::Json, sample::clock(), changed).unwrap();
    Rig {
        writer,
        orders,
        written,
        changes,
    }
}

#[derive(Debug, Deserialize)]
struct Line {
    seq: u64,
    #[serde(rename = "type")]
    kind: String,
    queue: Option<String>,
    lost: Option<serde_json::Value>,
    revision: Option<u32>,
    time: String,
}

fn lines(written: &Mutex<Vec<u8>>) -> Vec<Line> {
    let bytes = written.lock().unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().zip(0..).all(|(line, seq)| line.seq == seq), "seq has gaps");
    lines
}

fn event() -> Event {
    Event {
        at: sample::ms(1),
        cpu: 0,
        netns: sample::POD,
        socket: None,
        tuple: None,
        owner: None,
        kind: EventKind::Connect,
    }
}

fn finding(id: u64, revision: u32) -> Finding {
    Finding {
        id,
        revision,
        ..sample::finding_of(Cause::Unanswered)
    }
}

/// Pushes a line and waits until the thread hangs in writing it, so that the queue is empty and stays as it is filled.
fn block(rig: &Rig) {
    rig.writer.push(Record::Hello(&sample::hello()));
    while rig.writer.shared.lock().waiting() > 0 && !rig.writer.shared.lock().is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn writes_what_is_pushed_in_order_and_numbers_it() {
    let rig = rig();
    drop(rig.orders);
    rig.writer.push(Record::Hello(&sample::hello()));
    for _ in 0..1000 {
        rig.writer.push(Record::Event(&event()));
    }
    rig.writer.push(Record::Summary(&sample::summary()));
    let report = rig.writer.finish();
    let lines = lines(&rig.written);
    assert_eq!(
        (lines.len(), lines[0].kind.as_str(), lines[1001].kind.as_str()),
        (1002, "hello", "summary")
    );
    let expected = WriterReport {
        written: 1002,
        ..WriterReport::default()
    };
    assert_eq!(report, expected);
}

#[test]
fn a_new_clock_is_for_what_is_pushed_after_it() {
    let rig = rig();
    drop(rig.orders);
    let at = Timestamp::from_nanos(5);
    rig.writer.push(Record::Deadline(at));
    rig.writer.set_clock(Clock { offset: 0 });
    rig.writer.set_clock(Clock { offset: 1_000_000_000 });
    rig.writer.push(Record::Deadline(at));
    rig.writer.finish();
    let times: Vec<_> = lines(&rig.written).into_iter().map(|line| line.time).collect();
    assert_eq!(
        times,
        ["2026-03-04T05:04:27.000000005Z", "1970-01-01T00:00:01.000000005Z"]
    );
}

#[test]
fn a_stuck_output_loses_events_first_then_stats_never_findings() {
    let rig = rig();
    block(&rig);
    for _ in 0..EVENTS + 10 {
        rig.writer.push(Record::Event(&event()));
    }
    for _ in 0..STATS + 5 {
        rig.writer.push(Record::Stats(&sample::stats()));
    }
    for id in 0..200 {
        rig.writer.push(Record::Finding(&finding(id, 0)));
        rig.writer.push(Record::Finding(&finding(id, 1)));
        rig.writer.push(Record::Loss(&sample::loss()));
    }
    rig.writer.push(Record::Summary(&sample::summary()));
    drop(rig.orders);
    let report = rig.writer.finish_within(Duration::from_mins(1));
    assert_eq!(report.lost_events, 10);
    let lines = lines(&rig.written);
    let count = |kind: &str| lines.iter().filter(|line| line.kind == kind).count();
    assert_eq!((count("event"), count("finding"), count("summary")), (EVENTS, 200, 1));
    assert_eq!(count("stats") as u64 + report.lost_stats, STATS as u64 + 5);
    assert!(report.lost_stats >= 5);
    // A later revision takes the place of one that nobody saw.
    assert!(
        lines
            .iter()
            .filter(|line| line.kind == "finding")
            .all(|line| line.revision == Some(1))
    );
    let lost = |queue: &str| {
        let losses = lines.iter().filter(|line| line.queue.as_deref() == Some(queue));
        losses.filter_map(|line| line.lost.as_ref()?.as_u64()).sum::<u64>()
    };
    assert_eq!((lost("events"), lost("stats")), (report.lost_events, report.lost_stats));
    assert_eq!(lines.last().unwrap().kind, "summary");
    assert_eq!(
        report.written,
        1 + EVENTS as u64 + (STATS as u64 + 5 - report.lost_stats) + 200 + 1 + 1
    );
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let rig = rig();
    rig.orders.send(Order::Fail(io::ErrorKind::BrokenPipe)).unwrap();
    assert_eq!(rig.writer.state(), WriterState::Open);
    rig.writer.push(Record::Hello(&sample::hello()));
    rig.changes.recv().unwrap();
    assert_eq!(rig.writer.state(), WriterState::Closed);
    rig.writer.push(Record::Summary(&sample::summary()));
    let report = rig.writer.finish();
    assert!(report.closed && !report.timed_out && report.error.is_none());
    assert_eq!((report.written, report.unwritten), (0, 1));
}

#[test]
fn a_full_disk_is_reported_and_its_lines_are_written_whole_later() {
    let rig = rig();
    rig.orders.send(Order::Write(10)).unwrap();
    rig.orders.send(Order::Fail(io::ErrorKind::StorageFull)).unwrap();
    rig.writer.push(Record::Hello(&sample::hello()));
    rig.changes.recv().unwrap();
    assert!(matches!(rig.writer.state(), WriterState::Failing(_)));
    rig.writer.push(Record::Deadline(sample::ms(1)));
    drop(rig.orders);
    rig.changes.recv().unwrap();
    assert_eq!(rig.writer.state(), WriterState::Open);
    let report = rig.writer.finish();
    assert_eq!((report.written, report.unwritten, report.errors), (2, 0, 1));
    assert!(report.error.is_some());
    assert_eq!(lines(&rig.written).len(), 2);
}

#[test]
fn a_disk_that_stays_full_does_not_hold_up_the_end() {
    let rig = rig();
    rig.orders.send(Order::Fail(io::ErrorKind::StorageFull)).unwrap();
    rig.orders.send(Order::Fail(io::ErrorKind::StorageFull)).unwrap();
    rig.writer.push(Record::Hello(&sample::hello()));
    rig.changes.recv().unwrap();
    rig.writer.push(Record::Summary(&sample::summary()));
    let report = rig.writer.finish_within(Duration::from_mins(1));
    assert_eq!((report.written, report.unwritten, report.timed_out), (0, 2, false));
    assert_eq!(report.error.as_deref(), Some("no storage space"));
}

#[test]
fn a_stuck_output_does_not_hold_up_the_end() {
    let rig = rig();
    block(&rig);
    rig.writer.push(Record::Summary(&sample::summary()));
    let report = rig.writer.finish_within(Duration::from_millis(20));
    assert_eq!((report.unwritten, report.timed_out), (2, true));
}

#[test]
fn short_interrupted_and_refused_writes_are_carried_on() {
    let rig = rig();
    for _ in 0..20 {
        rig.orders.send(Order::Write(3)).unwrap();
        rig.orders.send(Order::Fail(io::ErrorKind::Interrupted)).unwrap();
    }
    rig.orders.send(Order::Fail(io::ErrorKind::WouldBlock)).unwrap();
    drop(rig.orders);
    rig.writer.push(Record::Hello(&sample::hello()));
    let report = rig.writer.finish();
    assert_eq!((report.written, report.errors, lines(&rig.written).len()), (1, 0, 1));
}

#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("conntracer-output-{}", std::process::id()));
    let file = create(&path).unwrap();
    let mode = file.metadata().unwrap().permissions().mode();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(mode & 0o777, 0o600);
}
