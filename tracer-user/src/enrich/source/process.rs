//! A process as `/proc` tells it, read through one descriptor of its folder: what is read is of one process, even if it
//! ends and its number is given away meanwhile.

use super::clock::Boot;
use crate::enrich::command;
use crate::model::time::Timestamp;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, readlinkat, statat};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// A process that lives, or has ended and was not waited for.
#[derive(Debug)]
pub(super) struct Process {
    folder: OwnedFd,
}

impl Process {
    /// The process of that number, unless it started after `until`: then it is another one than was seen.
    pub(super) fn open(pid: u32, until: Timestamp, boot: &Boot) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, format!("/proc/{pid}"), flags, Mode::empty()).ok()?;
        let process = Self { folder };
        let ticks = started(&process.read("stat", STAT_MAX)?)?;
        (boot.monotonic(ticks) <= until).then_some(process)
    }

    /// Path of the program, as its mount namespace has it; also of a file that was deleted or replaced since.
    pub(super) fn executable(&self) -> Option<Arc<str>> {
        let link = readlinkat(&self.folder, "exe", Vec::new()).ok()?;
        let path = command::text(link.as_bytes());
        Some(path.strip_suffix(" (deleted)").unwrap_or(&path).into())
    }

    /// May wait for the process where that holds its own memory's lock.
    pub(super) fn command_line(&self) -> Option<Arc<str>> {
        command::line(&self.read("cmdline", CMDLINE_MAX)?).map(Arc::from)
    }

    /// Its cgroup in each hierarchy, a line each.
    pub(super) fn cgroup(&self) -> String {
        command::text(&self.read("cgroup", CGROUP_MAX).unwrap_or_default())
    }

    /// Inode of its network namespace.
    pub(super) fn netns(&self) -> Option<u32> {
        let metadata = statat(&self.folder, "ns/net", AtFlags::empty()).ok()?;
        u32::try_from(metadata.st_ino).ok()
    }

    fn read(&self, name: &str, most: u64) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(self.folder.as_fd(), name, flags, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        File::from(file).take(most).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// Field 22 of `/proc/PID/stat`: ticks since boot. The name before it may hold anything, also parentheses.
fn started(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

const STAT_MAX: u64 = 4_096;
const CGROUP_MAX: u64 = 64 * 1_024;
/// Some times what is told of it: what is hidden makes it shorter.
const CMDLINE_MAX: u64 = 16 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::source::now;
    use std::os::unix::fs::MetadataExt;
    use std::process::{Child, Command, Stdio};

    /// A program that waits for its input's end, and ends with it. It has its command line by the time it is there: the
    /// kernel lets its starter go on a little earlier.
    struct Waiting(Child);

    impl Waiting {
        fn start() -> Self {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "echo there; read line", "--password=hunter2"]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut said = [0; 6];
            child.stdout.take().unwrap().read_exact(&mut said).unwrap();
            Self(child)
        }
    }

    impl Drop for Waiting {
        fn drop(&mut self) {
            drop(self.0.stdin.take());
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn the_start_is_told_whatever_the_name_is() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        for name in ["sh", "a) b", "x (y", ")", "\n"] {
            assert_eq!(started(format!("7 ({name}) {rest}").as_bytes()), Some(4_711), "{name}");
        }
        for broken in [
            "",
            "7 (sh",
            "7 (sh) S 1",
            "7 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x",
        ] {
            assert_eq!(started(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn a_process_tells_its_program_and_its_namespace() {
        let waiting = Waiting::start();
        let process = Process::open(waiting.0.id(), now(), &Boot::read()).unwrap();
        let executable = std::fs::canonicalize("/bin/sh").unwrap();
        assert_eq!(process.executable().as_deref(), executable.to_str());
        assert_eq!(
            process.command_line().as_deref(),
            Some("/bin/sh -c echo there; read line --password=***")
        );
        let own = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
        assert_eq!(process.netns().map(u64::from), Some(own));
    }

    #[test]
    fn a_process_that_started_later_is_another_one() {
        let before = now();
        let boot = Boot::read();
        // The kernel tells starts in hundredths of a second.
        while now().since(before) < 2 * Boot::TICK {
            std::thread::yield_now();
        }
        let waiting = Waiting::start();
        assert!(Process::open(waiting.0.id(), before, &boot).is_none());
        assert!(Process::open(waiting.0.id(), now(), &boot).is_some());
    }

    #[test]
    fn an_ended_process_tells_nothing_to_a_descriptor_of_it() {
        let waiting = Waiting::start();
        let process = Process::open(waiting.0.id(), now(), &Boot::read()).unwrap();
        drop(waiting);
        assert_eq!(
            (process.executable(), process.netns(), &*process.cgroup()),
            (None, None, "")
        );
    }
}
