//! What this process takes: time and memory, kernel memory of its maps included.

use crate::model::time::Timestamp;
use crate::run::clock;
use crate::sink::Share;
use std::fs;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Process {
    /// CPU time when tracing began.
    began: Moment,
    /// And when it was last told.
    told: Moment,
    /// Resident bytes of its views of maps, which do not change.
    views: u64,
}

#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Timestamp,
    cpu: Duration,
}

impl Process {
    /// To be called once every map is open.
    pub(super) fn new() -> Self {
        let now = Moment::now();
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        Self {
            began: now,
            told: now,
            views: views(&smaps),
        }
    }

    /// Since this was last asked.
    pub(super) fn share(&mut self) -> Share {
        let now = Moment::now();
        std::mem::replace(&mut self.told, now).share(now)
    }

    /// Since tracing began.
    pub(super) fn whole_share(&self) -> Share {
        self.began.share(Moment::now())
    }

    pub(super) fn resident_bytes(&self) -> Option<u64> {
        let resident = resident(&fs::read_to_string("/proc/self/statm").ok()?)?;
        Some(resident.saturating_sub(self.views))
    }
}

impl Moment {
    fn now() -> Self {
        Self {
            at: clock::now(),
            cpu: clock::cpu(),
        }
    }

    fn share(self, until: Self) -> Share {
        Share::of(until.cpu.saturating_sub(self.cpu), until.at.since(self.at))
    }
}

/// The memory of our BPF maps, as the kernel accounts it to their descriptors.
pub(super) fn map_bytes() -> Option<u64> {
    let entries = fs::read_dir("/proc/self/fdinfo").ok()?;
    let of = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).ok()?;
        text.lines().find(|line| line.starts_with("map_type:"))?;
        let memory = text.lines().find_map(|line| line.strip_prefix("memlock:"))?;
        memory.trim().parse::<u64>().ok()
    };
    Some(entries.flatten().filter_map(of).sum())
}

/// The second number of /proc/self/statm, in bytes.
fn resident(statm: &str) -> Option<u64> {
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * u64::try_from(rustix::param::page_size()).ok()?)
}

/// Resident bytes of the mappings of maps, in /proc/self/smaps.
fn views(smaps: &str) -> u64 {
    let mut is_view = false;
    let mut kibibytes = 0;
    for line in smaps.lines() {
        match line.split_once(':') {
            Some(("Rss", size)) if is_view => {
                kibibytes += size.trim().trim_end_matches(" kB").parse().unwrap_or(0);
            }
            Some((head, _)) if head.contains('-') => is_view = line.ends_with("anon_inode:bpf-map"),
            _ => {}
        }
    }
    kibibytes << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_maps_are_told_from_other_memory() {
        let smaps = "\
7f0000000000-7f0000001000 rw-s 00000000 00:0e 1051       anon_inode:bpf-map
Size:                  4 kB
Rss:                   4 kB
7f0000002000-7f0000803000 r--s 00001000 00:0e 1051       anon_inode:bpf-map
Rss:                8196 kB
VmFlags: rd sh mr mw me ms
7f0000804000-7f0000805000 rw-p 00000000 00:00 0
Rss:                 100 kB
7f0000806000-7f0000807000 rw-p 00000000 00:00 0          [heap]
Rss:                 200 kB
";
        assert_eq!(views(smaps), 8200 << 10);
        assert_eq!(views(""), 0);
    }

    #[test]
    fn the_second_number_is_what_is_resident() {
        let page = u64::try_from(rustix::param::page_size()).unwrap();
        assert_eq!(resident("900 25 3 4 0 6 0\n"), Some(25 * page));
        assert_eq!(resident("900"), None);
    }

    #[test]
    fn a_share_is_of_the_time_since_it_was_asked() {
        let moment = |seconds: u64, millis| Moment {
            at: Timestamp::from_nanos(seconds * 1_000_000_000),
            cpu: Duration::from_millis(millis),
        };
        let (ten, hundred) = (Duration::from_secs(10), Duration::from_millis(100));
        assert_eq!(moment(5, 20).share(moment(15, 120)), Share::of(hundred, ten));
    }
}
