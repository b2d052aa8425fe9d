//! The machine that the numbers belong to.

use std::fs;

pub(crate) fn describe() -> String {
    let uname = rustix::system::uname();
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&cpu, "model name").unwrap_or_else(|| "processor of unknown make".to_owned());
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let virtual_machine = cpu.contains(" hypervisor ");
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = field(&memory, "MemTotal")
        .and_then(|value| value.trim_end_matches(" kB").parse().ok())
        .unwrap_or(0);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "Machine: {processors} x {model}{}, {} GiB, Linux {} {}; load when it started: {}.",
        if virtual_machine { " (virtual machine)" } else { "" },
        kib.div_ceil(1 << 20),
        uname.release().to_string_lossy(),
        uname.machine().to_string_lossy(),
        load.split(' ').next().unwrap_or("unknown"),
    )
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
