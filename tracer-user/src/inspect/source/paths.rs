//! Where network namespaces can be found: names, processes, threads.
//!
//! Lists candidates only; what is there is for the caller to see, and may be gone by then.

use std::fs;
use std::path::Path;

/// Of namespaces that have a name.
pub(super) fn names() -> impl Iterator<Item = String> {
    NAMES
        .iter()
        .flat_map(|directory| entries(directory.as_ref()))
        .filter_map(|entry| entry.path().into_os_string().into_string().ok())
}

/// Ids of all processes.
pub(super) fn processes() -> impl Iterator<Item = u32> {
    entries("/proc".as_ref())
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .take(PROCESSES_MAX)
}

/// Of the namespace of a process or thread.
pub(super) fn process_path(id: u32) -> String {
    format!("/proc/{id}/ns/net")
}

/// Of the namespaces of a process's further threads.
pub(super) fn thread_paths(process: u32) -> impl Iterator<Item = String> {
    let directory = format!("/proc/{process}/task");
    entries(directory.as_ref())
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(move |&thread| thread != process)
        .map(move |thread| format!("/proc/{process}/task/{thread}/ns/net"))
}

fn entries(directory: &Path) -> impl Iterator<Item = fs::DirEntry> + use<> {
    fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok)
}

/// Where `ip netns` and Docker mount namespaces.
const NAMES: [&str; 2] = ["/run/netns", "/run/docker/netns"];
const PROCESSES_MAX: usize = 65_536;
