//! A file system of 1 MiB that is full.

use crate::lines;
use crate::place::Place;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tracer_user::sink::writer::RotateOptions;
use tracer_user::sink::{Clock, Record, Writer, WriterState};

const SIZE: u64 = 1 << 20;

struct Run {
    writer: Writer,
    changes: Receiver<()>,
}

fn run(path: PathBuf, floor_bytes: u64) -> Run {
    let options = RotateOptions {
        path,
        max_bytes: None,
        max_age: None,
        keep: 1,
        compress: false,
        floor_bytes,
    };
    let (change, changes) = channel();
    let changed = move || change.send(()).unwrap_or_default();
    let writer = Writer::start_file(options, Clock::default(), changed).unwrap();
    writer.push(Record::Hello(&lines::hello(500)));
    Run { writer, changes }
}

impl Run {
    /// Waits for the next change of the state.
    fn state(&self) -> WriterState {
        self.changes.recv_timeout(PATIENCE).expect("the state does not change");
        self.writer.state()
    }

    /// Writes until the disk is full; returns why it fails.
    fn fill(&self) -> String {
        let event = lines::event(1);
        while self.changes.try_recv().is_err() {
            self.writer.push(Record::Event(&event));
            while self.writer.report().unwritten > 1000 && self.writer.state() == WriterState::Open {
                std::thread::yield_now();
            }
        }
        match self.writer.state() {
            WriterState::Failing(why) => why,
            state @ (WriterState::Open | WriterState::Closed) => panic!("{state:?}"),
        }
    }
}

pub(crate) fn shows_whole_lines() {
    let place = Place::in_memory(SIZE);
    let ballast = place.ballast(300_001);
    let run = run(place.file(), 0);
    let why = run.fill();
    assert!(why.contains("No space left"), "{why}");
    let written = fs::read(place.file()).unwrap();
    let (whole, rest) = lines::split(&written);
    assert!(
        rest.is_empty() && whole.len() > 500_000,
        "{} {}",
        whole.len(),
        rest.len()
    );
    lines::parse(whole);
    fs::remove_file(ballast).unwrap();
    assert_eq!(run.state(), WriterState::Open);
    let report = run.writer.finish();
    let all = fs::read(place.file()).unwrap();
    assert!(all.starts_with(whole));
    let lines = lines::parse(&all);
    assert_eq!((lines.len() as u64, report.unwritten), (report.written, 0));
}

pub(crate) fn lets_go_of_a_deleted_file() {
    let place = Place::in_memory(SIZE);
    let run = run(place.file(), 0);
    run.fill();
    let mut deleted = Vec::new();
    File::open(place.file()).unwrap().read_to_end(&mut deleted).unwrap();
    fs::remove_file(place.file()).unwrap();
    assert_eq!(run.state(), WriterState::Open);
    let report = run.writer.finish();
    let new = fs::read(place.file()).unwrap();
    let first = &lines::parse(&new)[0];
    assert_eq!((&first["type"], &first["part"]), (&"hello".into(), &1.into()));
    // Together they have all, and one more: the second `hello`.
    let all = lines::parse(&[deleted, new].concat());
    assert_eq!((all.len() as u64, report.unwritten), (report.written + 1, 0));
}

pub(crate) fn leaves_events_out() {
    let place = Place::in_memory(SIZE);
    let ballast = place.ballast(700_000);
    let run = run(place.file(), 512 << 10);
    for _ in 0..100 {
        run.writer.push(Record::Event(&lines::event(1)));
    }
    while run.writer.report().unwritten > 0 {
        std::thread::yield_now();
    }
    fs::remove_file(ballast).unwrap();
    run.writer.push(Record::Event(&lines::event(3)));
    let report = run.writer.finish();
    assert_eq!((report.written, report.left_out, report.unwritten), (2, 100, 0));
    let lines = lines::parse(&fs::read(place.file()).unwrap());
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["hello", "loss", "event"]);
    assert_eq!(
        (&lines[1]["queue"], &lines[1]["lost"]),
        (&"disk-floor".into(), &100.into())
    );
}

pub(crate) fn waits_below_a_tenth() {
    let place = Place::in_memory(SIZE);
    let ballast = place.ballast(1_020_000);
    let run = run(place.file(), 512 << 10);
    match run.state() {
        WriterState::Failing(why) => assert!(why.contains("less than a tenth of the floor"), "{why}"),
        state @ (WriterState::Open | WriterState::Closed) => panic!("{state:?}"),
    }
    assert_eq!(fs::metadata(place.file()).unwrap().len(), 0);
    fs::remove_file(ballast).unwrap();
    assert_eq!(run.state(), WriterState::Open);
    let report = run.writer.finish();
    assert_eq!((report.written, report.unwritten), (1, 0));
}

const PATIENCE: Duration = Duration::from_mins(1);
