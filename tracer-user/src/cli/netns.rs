//! Which namespaces the user means: a name, a path, `pid:N`, an inode, or `all`.

use crate::failure::Failure;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const NAMED: &str = "/run/netns";

/// The inodes; none for `all`.
pub(super) fn resolve(values: &[String]) -> Result<Vec<u32>, Failure> {
    if values.iter().any(|value| value == "all") {
        return Ok(Vec::new());
    }
    values.iter().map(|value| inode(value)).collect()
}

fn inode(value: &str) -> Result<u32, Failure> {
    let unknown = |hint: &str| Failure::Usage(format!("there is no network namespace `{value}`: {hint}"));
    if let Ok(inode) = value.parse() {
        return Ok(inode);
    }
    let path = match value.strip_prefix("pid:") {
        Some(pid) => {
            pid.parse::<u32>().map_err(|_| unknown("write a process as pid:1234"))?;
            format!("/proc/{pid}/ns/net")
        }
        None if value.contains('/') => value.to_owned(),
        None => format!("{NAMED}/{value}"),
    };
    let hint = "give a name of `ip netns list`, a path, pid:N, an inode, or all";
    let metadata = fs::metadata(Path::new(&path)).map_err(|error| unknown(&format!("{path}: {error}; {hint}")))?;
    u32::try_from(metadata.ino()).map_err(|_| unknown(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_stands_for_its_namespace() {
        let own = fs::metadata("/proc/self/ns/net").expect("readable").ino();
        let pid = format!("pid:{}", std::process::id());
        let path = "/proc/self/ns/net".to_owned();
        let found = resolve(&[pid, path, own.to_string()]).expect("all three");
        assert!(found.iter().all(|inode| u64::from(*inode) == own));
        assert!(resolve(&["all".to_owned()]).expect("all").is_empty());
    }

    #[test]
    fn what_is_not_there_is_named() {
        for wrong in ["no-such-namespace", "pid:x", "pid:4294967295", "/no/such/file"] {
            let error = resolve(&[wrong.to_owned()]).expect_err("unknown").to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
