//! Control groups of version 2 of our own, wherever they are mounted: each counts its processes' CPU time, with or
//! without a controller.

use anyhow::{Context as _, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, process, thread};

pub(crate) struct Group {
    folder: PathBuf,
}

impl Group {
    pub(crate) fn new(name: &str) -> anyhow::Result<Self> {
        let folder = unified_hierarchy()?.join(format!("conntracer-bench-{name}-{}", process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder })
    }

    pub(crate) fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// User and system time of all processes that are or were in it.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let file = self.folder.join("cpu.stat");
        let stat = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let micros = stat.lines().find_map(|line| line.strip_prefix("usage_usec "));
        Ok(Duration::from_micros(
            micros.context("no CPU time is counted")?.parse()?,
        ))
    }

    /// Waits until its processes have worked off what they have.
    pub(crate) fn rest(&self) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut before = self.cpu()?;
        while Instant::now() < end {
            thread::sleep(Duration::from_millis(50));
            let now = self.cpu()?;
            if now.saturating_sub(before) < REST {
                return Ok(());
            }
            before = now;
        }
        bail!("it was still busy after {PATIENCE:?}")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Removes a control group whose processes have ended.
pub(crate) fn remove(folder: &Path) {
    // The kernel needs a moment to see that they are gone.
    for _ in 0..100 {
        if fs::remove_dir(folder).is_ok() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Starts a program as one of these processes of a control group from its beginning; arguments may be added.
pub(crate) fn command_in(processes: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", r#"echo $$ > "$0" && exec "$@""#])
        .arg(processes)
        .arg(program);
    shell
}

fn unified_hierarchy() -> anyhow::Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").context("cannot read /proc/mounts")?;
    let folder = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let folder = fields.next()?;
        (fields.next()? == "cgroup2").then(|| PathBuf::from(folder))
    });
    folder.context("control groups of version 2 are not mounted")
}

const PATIENCE: Duration = Duration::from_mins(1);
/// Who takes less than this in 50 ms has nothing to do.
const REST: Duration = Duration::from_micros(500);
