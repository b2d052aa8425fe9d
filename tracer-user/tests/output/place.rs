//! Folders for the tests, on the disk and in memory.

use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Gives this process mounts of its own. Before it has threads, which would keep the old ones.
pub(crate) fn leave_the_mounts() {
    // SAFETY: only the mounts are unshared, no file table.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("these tests mount file systems: run them as root");
    run("mount", &["--make-rprivate", "/"]);
}

/// A folder of its own, deleted in the end.
pub(crate) struct Place {
    path: PathBuf,
    is_mounted: bool,
}

impl Place {
    /// In the file system of the temporary files.
    pub(crate) fn on_disk() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("conntracer-output-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self {
            path,
            is_mounted: false,
        }
    }

    /// A file system in memory, of that many bytes.
    pub(crate) fn in_memory(bytes: u64) -> Self {
        let mut place = Self::on_disk();
        let size = format!("size={bytes}");
        run(
            "mount",
            &["-t", "tmpfs", "-o", &size, "none", place.path.to_str().unwrap()],
        );
        place.is_mounted = true;
        place
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// Takes room away until the returned file is removed.
    pub(crate) fn ballast(&self, bytes: usize) -> PathBuf {
        let path = self.path.join("ballast");
        fs::write(&path, vec![0; bytes]).unwrap();
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_mounted {
            run("umount", &["--lazy", self.path.to_str().unwrap()]);
        }
        let _ = fs::remove_dir_all(Path::new(&self.path));
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}
