//! A network namespace for a test, with rules loaded by their own tools and sockets of this process.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// One test at a time: a program that another test starts would hold this one's sockets from fork to exec.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A named namespace of its own with a device, deleted in the end.
pub(crate) struct Space {
    pub(crate) name: String,
}

impl Space {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("conntracer-ports-{}-{number}", std::process::id());
        run(&["ip", "netns", "add", &name], "");
        let space = Self { name };
        space.ip("link set lo up");
        space.ip("link add eth0 type veth peer name eth1");
        space.ip("addr add 10.77.0.2/24 dev eth0");
        space.ip("addr add fd77::2/64 dev eth0 nodad");
        space.ip("link set eth0 up");
        space.ip("link set eth1 up");
        space
    }

    pub(crate) fn ip(&self, words: &str) {
        let words: Vec<_> = words.split(' ').collect();
        run(&[&["ip", "-n", &self.name], &words[..]].concat(), "");
    }

    /// Runs a program inside, with this as its standard input.
    pub(crate) fn run(&self, words: &str, input: &str) {
        let words: Vec<_> = words.split(' ').collect();
        run(&[&["ip", "netns", "exec", &self.name], &words[..]].concat(), input);
    }

    /// What `work` returns, done inside; sockets that it opens stay there.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
        let visit = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(visit).join().unwrap())
    }

    pub(crate) fn delete(&self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.delete();
    }
}

fn run(words: &[&str], input: &str) {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}");
}
