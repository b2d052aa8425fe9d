//! One short-lived namespace with a failing connection in it, and one short-lived control group.

use crate::space::Space;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen, socket_with};
use rustix::process::getpid;
use rustix::thread::{UnshareFlags, gettid, unshare_unsafe};
use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

/// Refused connections in most, in some one that hangs.
pub(crate) fn visit(number: usize) {
    inside(|| fail(number));
}

/// The same with a device of its own, whose other end is in the watcher: it lives as long as the namespace does.
pub(crate) fn watched(watcher: &Space, number: usize) {
    inside(|| {
        let task = gettid().as_raw_nonzero().to_string();
        let made = Command::new("ip")
            .args([
                "-n",
                &watcher.name,
                "link",
                "add",
                &format!("w{number}"),
                "type",
                "veth",
            ])
            .args(["peer", "name", "w", "netns", &task])
            .status()
            .unwrap();
        assert!(made.success());
        fail(number);
    });
}

/// In a new namespace, which is gone with the thread.
fn inside(work: impl FnOnce() + Send) {
    let visit = || {
        // SAFETY: only the table of open files must not be unshared under Rust's feet, and it is not.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        raise_loopback();
        work();
    };
    thread::scope(|scope| scope.spawn(visit).join().unwrap());
}

fn fail(number: usize) {
    let refused = begin(SocketAddr::from(([127, 0, 0, 1], 9)));
    if !number.is_multiple_of(10) {
        return;
    }
    let listener = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&listener, 0).unwrap();
    let to = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
    // The queue takes one, and the others wait.
    let hanging: Vec<_> = (0..3).map(|_| begin(to)).collect();
    drop((refused, hanging));
}

fn begin(to: SocketAddr) -> OwnedFd {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    // It is on its way, or refused.
    let _: Result<(), _> = connect(&socket, &to);
    socket
}

fn raise_loopback() {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
    // SAFETY: a request of zeroes is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(*b"lo") {
        *slot = byte.try_into().unwrap();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap();
    // SAFETY: the request lives, and is what this command reads.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    assert_eq!(result, 0);
}

/// A control group to make others in, where there is a unified hierarchy.
pub(crate) struct Groups {
    folder: PathBuf,
}

impl Groups {
    pub(crate) fn new() -> Self {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let unified = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .find(|words| words.get(2) == Some(&"cgroup2"));
        let root = unified.expect("a unified hierarchy of control groups")[1].to_owned();
        let folder = PathBuf::from(root).join(format!("conntracer-churn-{}", getpid().as_raw_nonzero()));
        fs::create_dir(&folder).unwrap();
        Self { folder }
    }

    pub(crate) fn make_and_remove(&self, number: usize) {
        let one = self.folder.join(number.to_string());
        fs::create_dir(&one).unwrap();
        fs::remove_dir(&one).unwrap();
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}
