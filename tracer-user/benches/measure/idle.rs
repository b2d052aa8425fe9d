//! What the program takes when nothing happens: processor time, memory as a pod's control group counts it, its start.

use crate::cgroup;
use crate::probe::as_f64;
use crate::process;
use crate::table::{Table, target};
use crate::tracer::Tracer;
use anyhow::Context as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) fn measure() -> anyhow::Result<String> {
    let group = Group::new()?;
    let begun = Instant::now();
    let tracer = Tracer::start_in("suspect", &group.processes())?;
    let start = begun.elapsed();
    // What is done once is done by then.
    thread::sleep(Duration::from_secs(5));
    let before = tracer.used()?.cpu;
    thread::sleep(TIME);
    let cpu = tracer.used()?.cpu.saturating_sub(before).as_secs_f64() / TIME.as_secs_f64() * 100.0;
    let (all, cache) = group.bytes()?;
    let kernel = as_f64(process::kernel_bytes(tracer.pid())?) / MIB;
    let own = as_f64(all.saturating_sub(cache)) / MIB;
    let mut table = Table::new(&["idle", "measured", "target"]);
    let mut row = |name: &str, value: String, target: String| table.row(vec![name.to_owned(), value, target]);
    row(
        "processor, % of a core",
        format!("{cpu:.3}"),
        target("<= 0.1", cpu <= 0.1),
    );
    row(
        "memory of the control group, MiB",
        format!("{own:.1}"),
        target("<= 24", own <= 24.0),
    );
    row("of it maps and programs, MiB", format!("{kernel:.1}"), String::new());
    row(
        "its files in the page cache, MiB",
        format!("{:.1}", as_f64(cache) / MIB),
        String::new(),
    );
    row(
        "start to the first line, ms",
        start.as_millis().to_string(),
        target("<= 300", start.as_millis() <= 300),
    );
    drop(tracer);
    Ok(format!("{TITLE}\n\n{}", table.render()))
}

/// A control group that counts memory, of either version.
struct Group {
    folder: PathBuf,
    usage: &'static str,
    /// The field of `memory.stat` for pages of files.
    cache: &'static str,
}

impl Group {
    fn new() -> anyhow::Result<Self> {
        let name = format!("conntracer-bench-{}", std::process::id());
        let kinds = [
            ("/sys/fs/cgroup/memory", "memory.usage_in_bytes", "total_cache"),
            ("/sys/fs/cgroup", "memory.current", "file"),
        ];
        for (root, usage, cache) in kinds {
            let folder = Path::new(root).join(&name);
            if !Path::new(root).join("cgroup.procs").exists() || fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Self { folder, usage, cache };
            if group.folder.join(usage).exists() {
                return Ok(group);
            }
        }
        anyhow::bail!("no control group here counts memory")
    }

    fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// All, and what of it is cache.
    fn bytes(&self) -> anyhow::Result<(u64, u64)> {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).context(name.to_owned());
        let all = read(self.usage)?.trim().parse()?;
        let stat = read("memory.stat")?;
        let line = stat
            .lines()
            .find_map(|line| line.strip_prefix(self.cache)?.strip_prefix(' '));
        Ok((all, line.context("no page cache is counted")?.parse()?))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        cgroup::remove(&self.folder);
    }
}

const TIME: Duration = Duration::from_mins(1);
const MIB: f64 = 1_048_576.0;
const TITLE: &str = "### Idle

Of `conntracer trace --json --events suspect -o FILE` over a minute in which nothing happens, in a control group of its
own: its memory is the process's, the kernel's for it (maps, programs, stacks) and the ring's; pages of its program and of
its output are told apart, since the system takes those back when it wants to.";
