use super::*;
use crate::sink::writer::folder::Folder;
use flate2::read::GzDecoder;

fn work(folder: &Folder, keep: usize, compress: bool) -> Work {
    Work {
        series: Series::of(&folder.path("events.jsonl")).unwrap(),
        keep,
        compress,
        stops: Arc::default(),
    }
}

fn name(part: u32) -> String {
    format!("events-20261129T09150{part}.000Z-{part}.jsonl")
}

/// Writes parts of these numbers, each other in content.
fn fill(folder: &Folder, parts: std::ops::Range<u32>) {
    for part in parts {
        fs::write(folder.path(&name(part)), content(part)).unwrap();
    }
}

fn content(part: u32) -> Vec<u8> {
    format!("{{\"v\":1,\"part\":{part}}}\n").repeat(20_000).into_bytes()
}

fn unpacked(file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(file).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

#[test]
fn what_is_compressed_is_the_same_when_it_is_unpacked_and_smaller() {
    let folder = Folder::new();
    fill(&folder, 0..2);
    work(&folder, 10, true).tidy();
    let names = [name(0) + ".gz", name(1) + ".gz"];
    assert_eq!(folder.names(), names);
    for (part, name) in (0..).zip(&names) {
        assert_eq!(unpacked(&folder.path(name)), content(part));
        assert!(fs::metadata(folder.path(name)).unwrap().len() < 10_000);
    }
}

#[test]
fn the_oldest_go_when_there_are_too_many_compressed_or_not() {
    let folder = Folder::new();
    fill(&folder, 0..3);
    work(&folder, 10, true).tidy();
    fill(&folder, 3..6);
    work(&folder, 4, false).tidy();
    assert_eq!(folder.names(), [name(2) + ".gz", name(3), name(4), name(5)]);
    work(&folder, 0, true).tidy();
    assert!(folder.names().is_empty());
}

#[test]
fn the_file_that_is_written_and_those_of_others_are_never_touched() {
    let folder = Folder::new();
    let others = ["events-x.jsonl", "events.jsonl", "event-20261129T091500.000Z-0.jsonl"];
    for other in others {
        fs::write(folder.path(other), "x").unwrap();
    }
    work(&folder, 0, true).tidy();
    let mut left = others.map(str::to_owned);
    left.sort();
    assert_eq!(folder.names(), left);
}

#[test]
fn what_a_kill_left_behind_is_cleared_and_done_again() {
    let folder = Folder::new();
    fill(&folder, 0..2);
    // Killed in the middle of the first, and between the new name and the deletion of the second.
    fs::write(folder.path(&(name(0) + ".gz.tmp")), "half").unwrap();
    assert!(
        pour(
            &folder.path(&name(1)),
            &folder.path(&(name(1) + ".gz")),
            &AtomicBool::new(false)
        )
        .unwrap()
    );
    work(&folder, 10, true).tidy();
    assert_eq!(folder.names(), [name(0) + ".gz", name(1) + ".gz"]);
    assert_eq!(unpacked(&folder.path(&(name(0) + ".gz"))), content(0));
}

#[test]
fn the_end_does_not_wait_for_compressing_and_leaves_the_part_whole() {
    let folder = Folder::new();
    fill(&folder, 0..1);
    let work = work(&folder, 10, true);
    work.stops.store(true, Ordering::Relaxed);
    work.tidy();
    assert_eq!(folder.names(), [name(0)]);
    assert_eq!(fs::read(folder.path(&name(0))).unwrap(), content(0));
}

#[test]
fn a_part_that_cannot_be_compressed_stays_as_it_is() {
    let folder = Folder::new();
    fs::create_dir(folder.path(&name(0))).unwrap();
    work(&folder, 10, true).tidy();
    assert_eq!(folder.names(), [name(0)]);
}
