//! A network namespace for a test, with rules loaded by their own tools.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tracer_user::inspect::Reader;
use tracer_user::model::identity::Netns;
use tracer_user::model::rules::Snapshot;

/// A named namespace of its own, deleted in the end.
pub(crate) struct Space {
    pub(crate) name: String,
}

impl Space {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("conntracer-rules-{}-{number}", std::process::id());
        run(&["ip", "netns", "add", &name], "");
        let space = Self { name };
        run(&["ip", "-n", &space.name, "link", "set", "lo", "up"], "");
        space
    }

    /// With rules as nft reads them.
    pub(crate) fn with_nft(rules: &str) -> Self {
        let space = Self::new();
        space.run(&["nft", "-f", "-"], rules);
        space
    }

    pub(crate) fn run(&self, words: &[&str], input: &str) {
        run(&[&["ip", "netns", "exec", &self.name], words].concat(), input);
    }

    pub(crate) fn netns(&self) -> Netns {
        let inode = fs::metadata(format!("/run/netns/{}", self.name)).unwrap().ino();
        Netns {
            cookie: 0,
            inode: u32::try_from(inode).unwrap(),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Reader::new().unwrap().snapshot(self.netns()).unwrap()
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn run(words: &[&str], input: &str) {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {error}");
}
