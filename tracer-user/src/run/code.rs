//! Pages of code that only the start needed.

use rustix::mm::{Advice, madvise};
use std::fs;
use std::ops::Range;
use std::ptr;

/// Unmaps the code of the program and its libraries. What still runs comes back from the page cache when it does, 2 to 3
/// MiB of 6; the rest is the system's to take, without having to find out that nobody uses it.
pub(super) fn let_go() {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for Range { start, end } in untouched(&smaps) {
        let pages = ptr::with_exposed_provenance_mut(start);
        // SAFETY: code of a file, no page of which anybody wrote to: whoever touches one gets the same content again.
        if let Err(error) = unsafe { madvise(pages, end - start, Advice::LinuxDontNeed) } {
            tracing::debug!(%error, "pages of code are kept");
        }
    }
}

/// The mappings of code in /proc/self/smaps without a page of their own, as breakpoints have.
fn untouched(smaps: &str) -> Vec<Range<usize>> {
    let (mut untouched, mut code) = (Vec::new(), None);
    for line in smaps.lines() {
        match line.split_once(':') {
            Some(("Anonymous", size)) => untouched.extend(code.take().filter(|_| size.trim() == "0 kB")),
            Some((head, _)) if head.contains('-') => code = code_of_file(line),
            _ => {}
        }
    }
    untouched
}

/// The addresses in the first line of a mapping, if it is of code in a file.
fn code_of_file(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (addresses, permissions) = (words.next()?, words.next()?);
    (permissions == "r-xp" && words.nth(3)?.starts_with('/')).then_some(())?;
    let (start, end) = addresses.split_once('-')?;
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    Some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_files_is_told_from_data_and_from_what_was_written_to() {
        let smaps = "\
1000-3000 r-xp 00001000 fe:00 326279                     /usr/bin/a program: 1
Rss:                   8 kB
Anonymous:             0 kB
3000-4000 r-xp 00000000 fe:00 326281                     /usr/lib/a_library.so
Anonymous:             0 kB
4000-5000 r-xp 00000000 fe:00 326280                     /usr/lib/with_a_breakpoint.so
Anonymous:             4 kB
6000-7000 r--p 00000000 fe:00 326280                     /usr/lib/data.so
Anonymous:             0 kB
7000-8000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
";
        assert_eq!(untouched(smaps), [0x1000..0x3000, 0x3000..0x4000]);
        assert!(untouched("Anonymous: 0 kB\n1-\n").is_empty());
    }

    #[test]
    fn code_runs_on_after_its_pages_were_let_go_of() {
        let resident = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let size = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
            size.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let before = resident();
        let_go();
        assert!(resident() < before);
    }
}
