//! A process that writes until it is killed.

use crate::lines;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use tracer_user::sink::writer::{self, RotateOptions};
use tracer_user::sink::{Clock, Format, Record, Writer};

pub(crate) const SUBCOMMAND: &str = "write-until-killed";

/// What is written, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Lines of less than a page, to a file that is rotated.
    Short,
    /// Lines of nearly two pages, to a file that is rotated.
    Long,
    /// Lines of less than a page, to a file that is a stream.
    Plain,
}

pub(crate) fn start(way: Way, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([SUBCOMMAND, &format!("{way:?}")])
        .arg(path)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

pub(crate) fn main(arguments: &[String]) -> ExitCode {
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let [way, path] = arguments else {
        return ExitCode::FAILURE;
    };
    let path = PathBuf::from(path);
    match &**way {
        "Short" => write(&rotated(path), 500, &Record::Event(&lines::event(1))),
        "Long" => write(&rotated(path), 500, &Record::Hello(&lines::hello(7000))),
        _ => {
            let file = Box::new(writer::create(&path).unwrap());
            let writer = Writer::start(file, Format::Json, Clock::default()).unwrap();
            write(&writer, 500, &Record::Event(&lines::event(1)));
        }
    }
    ExitCode::SUCCESS
}

fn rotated(path: PathBuf) -> Writer {
    let options = RotateOptions {
        path,
        max_bytes: None,
        max_age: None,
        keep: 1,
        compress: false,
        floor_bytes: 0,
    };
    Writer::start_file(options, Clock::default(), || {}).unwrap()
}

fn write(writer: &Writer, hello: usize, record: &Record<'_>) {
    writer.push(Record::Hello(&lines::hello(hello)));
    while std::os::unix::process::parent_id() != 1 {
        (0..512).for_each(|_| writer.push(*record));
        while writer.report().unwritten > 2048 {
            thread::yield_now();
        }
    }
}
