//! What the kernel tells about a process: its eBPF programs and maps, its memory.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Runs and time of each program, by the tracepoint it is attached to.
pub(crate) type Programs = BTreeMap<String, Runs>;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Runs {
    pub(crate) count: u64,
    pub(crate) time: Duration,
}

impl Runs {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            time: self.time + other.time,
        }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            count: self.count.saturating_sub(before.count),
            time: self.time.saturating_sub(before.time),
        }
    }
}

/// The programs that a process holds; a link's descriptor knows the name, a program's the cost.
pub(crate) fn programs(pid: u32) -> anyhow::Result<Programs> {
    let mut names = BTreeMap::new();
    let mut costs = BTreeMap::new();
    for info in descriptors(pid)? {
        let Some(id) = number(&info, "prog_id") else { continue };
        if let Some(name) = info.get("tp_name") {
            names.insert(id, name.clone());
        } else {
            costs.insert(id, runs(&info));
        }
    }
    let named = costs
        .into_iter()
        .filter_map(|(id, cost)| Some((names.get(&id)?.clone(), cost)));
    Ok(named.collect())
}

/// Runs of all programs that a process holds, whatever they are attached to.
pub(crate) fn all_programs(pid: u32) -> anyhow::Result<Runs> {
    let infos = descriptors(pid)?;
    let programs = infos.iter().filter(|info| info.contains_key("run_cnt"));
    let by_id: BTreeMap<_, _> = programs.map(|info| (number(info, "prog_id"), runs(info))).collect();
    Ok(by_id.into_values().fold(Runs::default(), Runs::plus))
}

/// Runs of the program behind one of our own descriptors.
pub(crate) fn program(descriptor: i32) -> anyhow::Result<Runs> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}"))?;
    Ok(runs(&parse(&text)))
}

/// Bytes of kernel memory behind a process's maps and programs.
pub(crate) fn kernel_bytes(pid: u32) -> anyhow::Result<u64> {
    let mut objects = BTreeMap::new();
    for info in descriptors(pid)? {
        let id = number(&info, "map_id")
            .map(|id| ("map", id))
            .or_else(|| number(&info, "prog_id").map(|id| ("program", id)));
        if let (Some(id), Some(bytes)) = (id, number(&info, "memlock")) {
            objects.insert(id, bytes);
        }
    }
    Ok(objects.values().sum())
}

/// Resident bytes of a process, without its views of the maps' memory, which [`kernel_bytes`] counts.
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).context("the memory of the traced process")?;
    let mut total = 0;
    let mut is_map = false;
    for line in text.lines() {
        match line.split_once(':') {
            Some(("Rss", value)) if !is_map => {
                total += value.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
            }
            Some((head, _)) if head.contains('-') => is_map = line.contains("bpf"),
            _ => {}
        }
    }
    Ok(total << 10)
}

fn descriptors(pid: u32) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
    let folder = format!("/proc/{pid}/fdinfo");
    let entries = fs::read_dir(&folder).with_context(|| folder.clone())?;
    // A descriptor may be closed meanwhile.
    Ok(entries
        .filter_map(|entry| Some(parse(&fs::read_to_string(entry.ok()?.path()).ok()?)))
        .collect())
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

fn runs(info: &BTreeMap<String, String>) -> Runs {
    Runs {
        count: number(info, "run_cnt").unwrap_or(0),
        time: Duration::from_nanos(number(info, "run_time_ns").unwrap_or(0)),
    }
}

fn number(info: &BTreeMap<String, String>, name: &str) -> Option<u64> {
    info.get(name)?.parse().ok()
}
