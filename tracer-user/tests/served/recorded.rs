//! What the recordings of the scenarios tell: their events as they are, their findings as the Tracker finds them again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracer_user::board::SharedBoard;
use tracer_user::model::finding::{Finding, State};
use tracer_user::model::time::Timestamp;
use tracer_user::replay::Replay;
use tracer_user::sink::Record;
use tracer_user::sink::jsonl::{Input, read};

pub(crate) fn tell(board: &SharedBoard, now: Timestamp) {
    for (scenario, path) in (1..).zip(recordings()) {
        replay(&path, scenario, board, now);
    }
}

fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = fs::read_dir(folder).expect("the recordings").flatten();
    let mut paths: Vec<_> = files.map(|file| file.path()).collect();
    paths.sort();
    paths
}

/// Every third scenario ends; the findings of the others stay open. Each has numbers of its own.
fn replay(path: &Path, scenario: u64, board: &SharedBoard, now: Timestamp) {
    let ends = scenario.is_multiple_of(3);
    let mut replay = Replay::default();
    for line in fs::read(path).expect("a recording").split(|byte| *byte == b'\n') {
        if let Ok(line) = read(line)
            && let Input::Event(event) = line.input
        {
            board.take(Record::Event(&event));
        }
        let _: Result<(), _> = replay.line(line, &mut |finding: &Finding| {
            if ends || finding.state != State::Closed {
                board.take(Record::Finding(&Finding {
                    id: scenario * 100 + finding.id,
                    at: now,
                    first: now - Duration::from_secs(60 + scenario * 7),
                    last: now - Duration::from_secs(scenario),
                    ..finding.clone()
                }));
            }
        });
    }
}
