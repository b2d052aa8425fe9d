use super::*;
use crate::sink::record::Record;
use crate::sink::sample;
use crate::sink::writer::folder::Folder;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::os::unix::fs::PermissionsExt as _;

fn lines(count: u64) -> Vec<u8> {
    let mut lines = Vec::new();
    for seq in 0..count {
        jsonl::write(
            Record::Deadline(sample::ms(seq)),
            sample::clock(),
            seq,
            None,
            &mut lines,
        );
    }
    lines
}

/// What is left of `bytes` in a file that is opened.
fn opened(bytes: &[u8]) -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.path("events.jsonl");
    fs::write(&path, bytes).unwrap();
    let active = Active::open(&path).unwrap();
    let left = fs::read(&path).unwrap();
    assert_eq!(active.length, left.len() as u64);
    left
}

#[test]
fn whole_lines_stay_byte_for_byte() {
    assert_eq!(opened(&lines(1000)), lines(1000));
    assert_eq!(opened(b""), b"");
}

#[test]
fn a_last_line_without_its_end_is_cut_off_wherever_it_was_torn() {
    let whole = lines(3);
    let more = lines(4);
    for torn in whole.len() + 1..more.len() {
        assert_eq!(opened(&more[..torn]), whole);
    }
    for torn in 1..lines(1).len() {
        assert_eq!(opened(&more[..torn]), b"");
    }
}

#[test]
fn a_torn_line_may_be_longer_than_what_is_read_at_a_time() {
    let size = usize::try_from(BLOCK).unwrap();
    for long in [size - 1, size, size + 1, 3 * size] {
        let mut bytes = lines(2);
        bytes.extend(vec![b'x'; long]);
        assert_eq!(opened(&bytes), lines(2), "{long}");
    }
}

#[test]
fn zeros_of_a_power_cut_are_cut_off() {
    let mut bytes = lines(2);
    bytes.extend([0; 5000]);
    assert_eq!(opened(&bytes), lines(2));
    assert_eq!(opened(&[0; 5000]), b"");
}

#[test]
fn a_file_of_somebody_else_is_refused_and_left_alone() {
    let folder = Folder::new();
    let path = folder.path("hosts");
    for theirs in [&b"127.0.0.1 localhost\n"[..], b"{\"level\":\"info\"}\n{", b"[1]"] {
        fs::write(&path, theirs).unwrap();
        let error = Active::open(&path).unwrap_err();
        assert!(error.to_string().contains("name another file"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), theirs);
    }
}

#[test]
fn a_pipe_is_refused_without_waiting_for_its_reader() {
    let folder = Folder::new();
    let path = folder.path("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let error = Active::open(&path).unwrap_err();
    assert!(error.to_string().contains("no regular file"), "{error}");
}

#[test]
fn a_new_file_is_for_its_owner_only_and_an_old_one_keeps_its_mode() {
    let folder = Folder::new();
    let path = folder.path("events.jsonl");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    Active::open(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    Active::open(&path).unwrap();
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn the_age_of_a_file_is_that_of_its_first_line() {
    let folder = Folder::new();
    let path = folder.path("events.jsonl");
    assert_eq!(Active::open(&path).unwrap().since, None);
    fs::write(&path, lines(3)).unwrap();
    assert_eq!(
        Active::open(&path).unwrap().since,
        Some(sample::clock().wall(sample::ms(0)))
    );
}

#[test]
fn only_what_was_written_last_is_taken_back() {
    let folder = Folder::new();
    let path = folder.path("events.jsonl");
    let mut active = Active::open(&path).unwrap();
    active.write(b"{\"v\":1}\n{\"v").unwrap();
    assert!(active.take_back(3));
    assert_eq!(fs::read(&path).unwrap(), b"{\"v\":1}\n");
    assert!(!active.take_back(9));
    active.write(b"{\"v\":2}\n").unwrap();
    // Somebody emptied it: what stands there now is not what was written last.
    fs::write(&path, b"").unwrap();
    assert!(!active.take_back(3));
}
