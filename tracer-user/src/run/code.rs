//! Pages of code that only the start needed.

use procfs_core::FromBufRead as _;
use procfs_core::process::{MMPermissions, MMapPath, MemoryMap, MemoryMaps};
use rustix::mm::{Advice, madvise};
use std::fs::File;
use std::io::BufReader;
use std::ptr;

/// Unmaps the program's code. What still runs comes back from the page cache when it does: 1 to 2 MiB of 6, and the rest
/// is the system's to take.
pub(super) fn let_go() {
    let Ok(file) = File::open("/proc/self/maps") else {
        return;
    };
    let maps = MemoryMaps::from_buf_read(BufReader::new(file));
    for map in maps.iter().flatten().filter(|map| is_code(map)) {
        let (start, end) = map.address;
        let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(end - start)) else {
            continue;
        };
        let pages = ptr::with_exposed_provenance_mut(start);
        // SAFETY: pages of a file that are mapped only to be read: whoever touches one next gets the same content.
        if let Err(error) = unsafe { madvise(pages, length, Advice::LinuxDontNeed) } {
            tracing::debug!(%error, "pages of code are kept");
        }
    }
}

fn is_code(map: &MemoryMap) -> bool {
    let wanted = MMPermissions::READ | MMPermissions::EXECUTE | MMPermissions::PRIVATE;
    map.perms == wanted && matches!(map.pathname, MMapPath::Path(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs_core::process::Status;

    #[test]
    fn code_runs_on_after_its_pages_were_let_go_of() {
        let resident = || {
            let file = File::open("/proc/self/status").unwrap();
            Status::from_buf_read(BufReader::new(file)).unwrap().rssfile.unwrap()
        };
        let before = resident();
        let_go();
        assert!(resident() < before);
    }
}
