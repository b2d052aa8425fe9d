use super::*;
use crate::model::event::{Event, EventKind};
use crate::model::time::Timestamp;
use crate::sink::record::{Format, Hello, Record};
use crate::sink::sample;
use crate::sink::writer::Shared;
use crate::sink::writer::batch::Batch;
use crate::sink::writer::folder::Folder;
use crate::sink::writer::queue::Turn;
use crate::sink::writer::thread::Output;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use serde::Deserialize;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::sync::{Arc, Mutex};

/// A run of the writing thread's work, without the thread.
struct Run {
    output: Output,
    shared: Arc<Shared>,
    now: Timestamp,
}

impl Run {
    fn new(target: impl Target + 'static) -> Self {
        let mut run = Self::silent(target);
        run.push(&[Record::Hello(&sample::hello())]);
        run
    }

    fn silent(target: impl Target + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let target = Box::new(target);
        let mut output = Output::new(
            target,
            Format::Json,
            sample::clock(),
            Arc::clone(&shared),
            Box::new(|| {}),
        );
        output.again = Duration::ZERO;
        Self {
            output,
            shared,
            now: sample::ms(0),
        }
    }

    fn push(&mut self, records: &[Record<'_>]) {
        self.turn(records, false);
    }

    fn events(&mut self, count: usize) {
        let event = Event {
            at: self.now,
            cpu: 0,
            netns: sample::POD,
            socket: None,
            tuple: None,
            owner: None,
            kind: EventKind::Connect,
        };
        self.push(&vec![Record::Event(&event); count]);
    }

    fn turn(&mut self, records: &[Record<'_>], reopen: bool) {
        let mut batch = Batch::default();
        self.shared.lock().extend(records.iter().copied());
        self.shared.lock().take(&mut batch);
        assert!(self.output.write_batch(&mut batch, Turn { reopen }).is_ok());
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }
}

#[derive(Debug, Deserialize)]
struct Line {
    seq: u64,
    #[serde(rename = "type")]
    kind: String,
    part: Option<u32>,
    time: String,
}

fn options(folder: &Folder) -> RotateOptions {
    RotateOptions {
        path: folder.path("events.jsonl"),
        max_bytes: None,
        max_age: None,
        keep: 1000,
        compress: false,
        floor_bytes: 0,
    }
}

fn lines(bytes: &[u8]) -> Vec<Line> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "torn: {text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn files(folder: &Folder) -> Vec<Vec<u8>> {
    let names = folder.names();
    names.iter().map(|name| fs::read(folder.path(name)).unwrap()).collect()
}

/// Holds the files of one run to the contract: each begins with `hello` of its part, and `seq` runs on over them.
fn check(files: &[Vec<u8>]) -> Vec<Vec<Line>> {
    let mut parts: Vec<_> = files.iter().map(|bytes| lines(bytes)).collect();
    parts.retain(|lines| !lines.is_empty());
    parts.sort_by_key(|lines| lines[0].seq);
    let mut seq = 0..;
    for (part, lines) in (0..).zip(&parts) {
        assert_eq!((&*lines[0].kind, lines[0].part), ("hello", Some(part)));
        assert!(lines.iter().all(|line| Some(line.seq) == seq.next()), "seq has gaps");
    }
    parts
}

#[test]
fn no_part_is_longer_than_it_may_be_and_nothing_is_lost_between_them() {
    let folder = Folder::new();
    let max = 10_000;
    let mut run = Run::new(
        RotatedFile::open(RotateOptions {
            max_bytes: Some(max),
            ..options(&folder)
        })
        .unwrap(),
    );
    for count in [1, 300, 7, 90] {
        run.events(count);
    }
    let files = files(&folder);
    assert!(files.iter().all(|bytes| bytes.len() as u64 <= max));
    let parts = check(&files);
    assert!(parts.len() > 5, "{}", parts.len());
    assert_eq!(parts.iter().map(|lines| lines.len() - 1).sum::<usize>(), 398);
    assert_eq!(run.shared.lock().report.parts as usize, parts.len() - 1);
    // By name, the order is that of time.
    let names = folder.names();
    let in_order = names
        .iter()
        .take(parts.len() - 1)
        .zip(&parts)
        .all(|(name, part)| name.ends_with(&format!("Z-{}.jsonl", part[0].part.unwrap())));
    assert!(in_order, "{names:?}");
}

#[test]
fn a_line_that_no_part_has_room_for_gets_a_part_of_its_own() {
    let folder = Folder::new();
    let mut run = Run::new(
        RotatedFile::open(RotateOptions {
            max_bytes: Some(10),
            ..options(&folder)
        })
        .unwrap(),
    );
    run.events(3);
    let parts = check(&files(&folder));
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 2, 2]);
}

#[test]
fn a_part_ends_when_it_is_too_old_by_what_records_tell() {
    let folder = Folder::new();
    let mut run = Run::new(
        RotatedFile::open(RotateOptions {
            max_age: Some(Duration::from_mins(1)),
            ..options(&folder)
        })
        .unwrap(),
    );
    for seconds in [0, 59, 1, 59, 1, 600] {
        run.pass(seconds);
        run.events(1);
    }
    let parts = check(&files(&folder));
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 2, 2]);
    assert_eq!(
        folder.names(),
        [
            "events-20260304T050707.000Z-0.jsonl",
            "events-20260304T050807.000Z-1.jsonl",
            "events-20260304T051807.000Z-2.jsonl",
            "events.jsonl"
        ]
    );
    assert_eq!(parts[1][0].time, "2026-03-04T05:07:07.000000000Z");
}

#[test]
fn a_restart_carries_on_behind_what_is_there() {
    let folder = Folder::new();
    let path = folder.path("events.jsonl");
    Run::new(RotatedFile::open(options(&folder)).unwrap()).events(10);
    let before = fs::read(&path).unwrap();
    let mut torn = before.clone();
    torn.extend_from_slice(b"{\"v\":1,\"type\":\"ev");
    fs::write(&path, torn).unwrap();
    Run::new(RotatedFile::open(options(&folder)).unwrap()).events(2);
    let after = fs::read(&path).unwrap();
    let (old, new) = after.split_at(before.len());
    assert_eq!(old, before);
    assert_eq!(check(&[new.to_vec()])[0].len(), 3);
}

#[test]
fn a_restart_behind_a_long_or_an_old_file_begins_another_one_as_its_first_part() {
    for (max_bytes, max_age) in [(Some(2000), None), (None, Some(Duration::from_secs(10)))] {
        let folder = Folder::new();
        let options = RotateOptions {
            max_bytes,
            max_age,
            ..options(&folder)
        };
        Run::new(RotatedFile::open(options.clone()).unwrap()).events(1);
        let before = fs::read(&options.path).unwrap();
        let mut hello = sample::hello();
        hello.options.insert("long".to_owned(), "x".repeat(1000));
        hello.at = sample::ms(20_000);
        Run::silent(RotatedFile::open(options.clone()).unwrap()).push(&[Record::Hello(&hello)]);
        let names = folder.names();
        assert_eq!(names, ["events-20260304T050627.000Z-0.jsonl", "events.jsonl"]);
        assert_eq!(fs::read(folder.path(&names[0])).unwrap(), before);
        assert_eq!(check(&[fs::read(&options.path).unwrap()])[0].len(), 1);
    }
}

#[test]
fn what_was_moved_is_begun_anew_when_told_to_and_not_where_it_still_is() {
    let folder = Folder::new();
    let path = folder.path("events.jsonl");
    let mut run = Run::new(RotatedFile::open(options(&folder)).unwrap());
    run.turn(&[], true);
    assert_eq!(check(&files(&folder))[0].len(), 1);
    fs::rename(&path, folder.path("events.jsonl.1")).unwrap();
    run.events(1);
    assert!(!path.exists(), "it is looked at once a second");
    run.turn(&[], true);
    run.events(1);
    let parts = check(&files(&folder));
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn what_was_deleted_or_replaced_is_noticed_after_a_second() {
    let folder = Folder::new();
    let path = folder.path("events.jsonl");
    let mut run = Run::new(RotatedFile::open(options(&folder)).unwrap());
    fs::remove_file(&path).unwrap();
    run.pass(1);
    run.events(1);
    let first = lines(&fs::read(&path).unwrap());
    assert_eq!((first[0].part, first[0].seq, first.len()), (Some(1), 1, 2));
    fs::rename(&path, folder.path("moved")).unwrap();
    fs::write(&path, "").unwrap();
    run.pass(1);
    run.events(1);
    let second = lines(&fs::read(&path).unwrap());
    assert_eq!((second[0].part, second[0].seq, second.len()), (Some(2), 3, 2));
}

#[test]
fn what_was_emptied_after_a_copy_begins_with_hello_once_that_is_noticed() {
    let folder = Folder::new();
    let path = folder.path("events.jsonl");
    let mut run = Run::new(RotatedFile::open(options(&folder)).unwrap());
    run.events(3);
    fs::copy(&path, folder.path("events.jsonl.1")).unwrap();
    fs::write(&path, "").unwrap();
    run.turn(&[], true);
    run.events(1);
    let parts = check(&files(&folder));
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);
}

#[test]
fn hello_is_repeated_as_it_was_said_last() {
    let folder = Folder::new();
    let mut run = Run::new(
        RotatedFile::open(RotateOptions {
            max_age: Some(Duration::from_secs(1)),
            ..options(&folder)
        })
        .unwrap(),
    );
    let later = Hello {
        host: Some("renamed".to_owned()),
        at: sample::ms(500),
        ..sample::hello()
    };
    run.push(&[Record::Hello(&later)]);
    run.pass(5);
    run.events(1);
    let parts = check(&files(&folder));
    assert_eq!(parts.len(), 2);
    let active = String::from_utf8(fs::read(folder.path("events.jsonl")).unwrap()).unwrap();
    assert!(active.contains("renamed"));
}

#[test]
fn events_left_out_for_want_of_room_are_told_before_the_next_line() {
    let folder = Folder::new();
    let floor = Scripted {
        file: RotatedFile::open(options(&folder)).unwrap(),
        faults: Arc::default(),
        is_short: true,
    };
    let mut run = Run::new(floor);
    run.events(5);
    run.push(&[Record::Stats(&sample::stats())]);
    let bytes = fs::read(folder.path("events.jsonl")).unwrap();
    let kinds: Vec<_> = lines(&bytes).into_iter().map(|line| line.kind).collect();
    assert_eq!(kinds, ["hello", "loss", "stats"]);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(r#""queue":"disk-floor","lost":5"#), "{text}");
    let report = run.shared.lock().report.clone();
    assert_eq!(
        (report.written, report.left_out, run.shared.lock().waiting()),
        (2, 5, 0)
    );
}

#[test]
fn a_line_of_up_to_a_page_never_crosses_the_end_of_one() {
    let folder = Folder::new();
    let mut run = Run::new(RotatedFile::open(options(&folder)).unwrap());
    for count in [1, 2, 40, 300] {
        run.events(count);
        run.push(&[Record::Stats(&sample::stats()), Record::Hello(&sample::hello())]);
    }
    let bytes = fs::read(folder.path("events.jsonl")).unwrap();
    assert!(bytes.len() > 10 * PAGE);
    // A kill leaves whole pages.
    for page in (0..bytes.len()).step_by(PAGE) {
        let left = &bytes[..page];
        assert!(
            left.is_empty() || left.ends_with(b"\n") || left.ends_with(b" "),
            "torn at {page}"
        );
        let whole = left.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        assert!(left[whole..].iter().all(|byte| *byte == b' '), "torn at {page}");
    }
    check(&[bytes]);
}

proptest! {
    #[test]
    fn a_line_crosses_no_more_pages_than_it_is_long(length in any::<u32>(), waiting in 0_usize..200_000, bytes in 1_usize..70_000) {
        let indent = indent(u64::from(length), waiting, bytes);
        assert!(indent < PAGE);
        let start = usize::try_from(length).unwrap() + waiting + indent;
        let pages = (start + bytes - 1) / PAGE - start / PAGE + 1;
        assert_eq!(pages, bytes.div_ceil(PAGE));
    }
}

/// Something that happens to an output.
#[derive(Clone, Debug)]
enum Step {
    Events(usize),
    Hello,
    Pass(u64),
    /// Somebody moves the file away.
    Move,
    /// Somebody deletes the file, and we still see what was in it.
    Delete,
    /// Somebody copies the file and empties it, and tells.
    CopyAndEmpty,
    Reopen,
    Faults(Vec<Fault>),
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A write takes that much.
    Short(usize),
    /// Whatever is done next fails.
    Full,
}

/// A file with faults, each of which hits once.
struct Scripted {
    file: RotatedFile,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    is_short: bool,
}

impl Scripted {
    fn fail(&self) -> io::Result<()> {
        let mut faults = self.faults.lock().unwrap();
        match faults.front() {
            Some(Fault::Full) => {
                faults.pop_front();
                Err(ErrorKind::StorageFull.into())
            }
            Some(Fault::Short(_)) | None => Ok(()),
        }
    }
}

impl Target for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fail()?;
        let most = match self.faults.lock().unwrap().pop_front() {
            Some(Fault::Short(most)) => most,
            Some(Fault::Full) | None => bytes.len(),
        };
        self.file.write(&bytes[..most.min(bytes.len())])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.fail()
    }

    fn look(&mut self, now: jiff::Timestamp, force: bool) -> io::Result<Outlook> {
        self.fail()?;
        let outlook = self.file.look(now, force)?;
        Ok(Outlook {
            is_short: self.is_short,
            ..outlook
        })
    }

    fn place(&self, waiting: usize, bytes: usize) -> Place {
        self.file.place(waiting, bytes)
    }

    fn next_part(&mut self, now: jiff::Timestamp, part: u32) -> io::Result<()> {
        self.fail()?;
        self.file.next_part(now, part)
    }

    fn take_back(&mut self, bytes: usize) -> bool {
        self.file.take_back(bytes)
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![(1_usize..6000).prop_map(Fault::Short), Just(Fault::Full)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..80).prop_map(Step::Events),
        1 => Just(Step::Hello),
        2 => (0_u64..30).prop_map(Step::Pass),
        1 => Just(Step::Move),
        1 => Just(Step::Delete),
        1 => Just(Step::CopyAndEmpty),
        1 => Just(Step::Reopen),
        2 => proptest::collection::vec(fault(), 1..6).prop_map(Step::Faults),
    ]
}

proptest! {
    // Each waits for the disk, again and again.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_happens_the_parts_together_have_every_line_once(steps in proptest::collection::vec(step(), 1..30)) {
        play(&steps);
    }
}

fn play(steps: &[Step]) {
    let folder = Folder::new();
    let options = RotateOptions {
        max_bytes: Some(9000),
        max_age: Some(Duration::from_mins(1)),
        ..options(&folder)
    };
    let path = options.path.clone();
    let faults: Arc<Mutex<VecDeque<Fault>>> = Arc::default();
    let mut run = Run::new(Scripted {
        file: RotatedFile::open(options).unwrap(),
        faults: Arc::clone(&faults),
        is_short: false,
    });
    let mut deleted = Vec::new();
    let mut events = 0;
    for (number, step) in steps.iter().enumerate() {
        let away = folder.path(&format!("away-{number}"));
        match step {
            Step::Events(count) => {
                events += count;
                run.events(*count);
            }
            Step::Hello => run.push(&[Record::Hello(&sample::hello())]),
            Step::Pass(seconds) => run.pass(*seconds),
            Step::Move if path.exists() => fs::rename(&path, away).unwrap(),
            Step::Delete if path.exists() => {
                deleted.push(File::open(&path).unwrap());
                fs::remove_file(&path).unwrap();
            }
            Step::CopyAndEmpty if path.exists() => {
                fs::copy(&path, away).unwrap();
                fs::write(&path, "").unwrap();
                run.turn(&[], true);
            }
            Step::Move | Step::Delete | Step::CopyAndEmpty => {}
            Step::Reopen => run.turn(&[], true),
            Step::Faults(more) => faults.lock().unwrap().extend(more),
        }
    }
    faults.lock().unwrap().clear();
    run.pass(2);
    run.events(1);
    let mut files = files(&folder);
    for mut file in deleted {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        files.push(bytes);
    }
    let parts = check(&files);
    let written = parts.iter().flatten().filter(|line| line.kind == "event").count();
    assert_eq!(written, events + 1);
}
