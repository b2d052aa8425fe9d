//! How much room the file system has to keep for others.

use rustix::fs::{StatVfs, fstatvfs};
use std::fs::File;
use std::io::{self, ErrorKind};

/// Whether events have to be left out, to leave `floor` bytes free. An error where less than a tenth of it is left:
/// then findings have to wait, too.
pub(super) fn is_short(file: &File, floor: u64) -> io::Result<bool> {
    if floor == 0 {
        return Ok(false);
    }
    judge(&fstatvfs(file)?, floor)
}

fn judge(there: &StatVfs, floor: u64) -> io::Result<bool> {
    // A file system without a bound has no blocks.
    if there.f_blocks == 0 {
        return Ok(false);
    }
    // What root may use beyond that is not ours to fill.
    let free = there.f_bavail.saturating_mul(there.f_frsize);
    if free < floor / 10 {
        let why = format!("{free} bytes are free on its file system, less than a tenth of the floor of {floor}");
        return Err(io::Error::new(ErrorKind::StorageFull, why));
    }
    Ok(free < floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(blocks: u64, available: u64, floor: u64) -> Result<bool, ErrorKind> {
        let file = File::open("/").unwrap();
        let there = StatVfs {
            f_blocks: blocks,
            f_bavail: available,
            f_frsize: 100,
            ..fstatvfs(file).unwrap()
        };
        judge(&there, floor).map_err(|error| error.kind())
    }

    #[test]
    fn events_go_below_the_floor_and_findings_below_a_tenth_of_it() {
        assert_eq!(judged(1000, 100, 10_000), Ok(false));
        assert_eq!(judged(1000, 99, 10_000), Ok(true));
        assert_eq!(judged(1000, 10, 10_000), Ok(true));
        assert_eq!(judged(1000, 9, 10_000), Err(ErrorKind::StorageFull));
    }

    #[test]
    fn a_file_system_without_a_bound_is_never_short() {
        assert_eq!(judged(0, 0, u64::MAX), Ok(false));
    }
}
