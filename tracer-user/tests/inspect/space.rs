//! Network namespaces for tests.

use rustix::net::{AddressFamily, SocketType, socket};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
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
        let name = format!("conntracer-inspect-{}-{number}", std::process::id());
        ip(&["netns", "add", &name]);
        let mut space = Self {
            name,
            netns: Netns::default(),
        };
        ip(&["-n", &space.name, "link", "set", "lo", "up"]);
        space.netns = space.inside(identity);
        space
    }

    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
        let visit = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(visit).join().unwrap())
    }

    pub(crate) fn redirect(&self, family: &str, from: u16, to: u16) {
        let rule = format!("tcp dport {from} redirect to :{to}");
        self.rules(&format!(
            "table {family} steal {{ chain o {{ type nat hook output priority -100; {rule}; }}; }}"
        ));
    }

    pub(crate) fn rules(&self, text: &str) {
        run("ip", &["netns", "exec", &self.name, "nft", text]);
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
    run("ip", arguments);
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
