//! A network namespace for a test: by a name, so that programs can be run in it.

use rustix::net::{AddressFamily, SocketType, socket};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use tracer_user::model::identity::Netns;

/// A named namespace of its own, deleted in the end.
pub(crate) struct Space {
    pub(crate) name: String,
    pub(crate) netns: Netns,
}

impl Space {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "conntracer-{}-{}-{number}",
            env!("CARGO_CRATE_NAME"),
            std::process::id()
        );
        ip(&["netns", "add", &name]);
        let mut space = Self {
            name,
            netns: Netns::default(),
        };
        space.run(&["ip", "link", "set", "lo", "up"], "");
        space.netns = space.inside(identity);
        space
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

    /// What a program prints that is run inside, with this as its standard input.
    pub(crate) fn run(&self, words: &[&str], input: &str) -> String {
        run(&[&["ip", "netns", "exec", &self.name], words].concat(), input)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

pub(crate) fn identity() -> Netns {
    let inode = File::open("/proc/thread-self/ns/net")
        .unwrap()
        .metadata()
        .unwrap()
        .ino();
    let any = socket(AddressFamily::UNIX, SocketType::DGRAM, None).unwrap();
    let (mut cookie, mut length) = (0_u64, 8);
    let (level, name) = (libc::SOL_SOCKET, libc::SO_NETNS_COOKIE);
    // SAFETY: the pointers are to a u64 and to its size.
    let result = unsafe { libc::getsockopt(any.as_raw_fd(), level, name, (&raw mut cookie).cast(), &raw mut length) };
    // Up to 5.13 a namespace does not tell its cookie, and is known by its inode.
    let cookie = if result == 0 { cookie } else { 0 };
    Netns {
        cookie,
        inode: u32::try_from(inode).unwrap(),
    }
}

pub(crate) fn ip(arguments: &[&str]) {
    run(&[&["ip"], arguments].concat(), "");
}

fn run(words: &[&str], input: &str) -> String {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
