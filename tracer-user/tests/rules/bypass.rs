//! BPF programs that act beside the rules.

use crate::space::Space;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tracer_user::inspect::Reader;
use tracer_user::model::rules::Bypass;

#[test]
fn programs_on_hooks_and_on_connect_are_told_while_they_are_attached() {
    let space = Space::new();
    let tells = |expected: &[Bypass]| {
        let mut reader = Reader::new().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let told = reader.snapshot(space.netns).unwrap().ruleset.bypasses;
            if told == expected {
                return;
            }
            // Another test's reading may hold a link for a moment after its end here.
            assert!(Instant::now() < deadline, "{told:?} instead of {expected:?}");
            thread::sleep(Duration::from_millis(20));
        }
    };
    tells(&[]);

    let hook = space.inside(|| {
        let program = program(PROG_TYPE_NETFILTER, NETFILTER);
        link(&program, 0, NETFILTER, [2, 3, -500, 0])
    });
    tells(&[Bypass::BpfNetfilter]);
    drop(hook);

    let cgroup = Cgroup::new();
    let program = program(PROG_TYPE_CGROUP_SOCK_ADDR, CONNECT4);
    let connect = link(&program, cgroup.open().as_raw_fd(), CONNECT4, [0; 4]);
    tells(&[Bypass::CgroupConnect]);
    drop(connect);
    tells(&[]);
}

/// A control group of the unified hierarchy, removed in the end.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new() -> Self {
        let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let root = root
            .map(Path::new)
            .into_iter()
            .find(|root| root.join("cgroup.procs").exists());
        let path = root.unwrap().join(format!("conntracer-bypass-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> File {
        File::open(&self.0).unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// A program that lets everything pass.
fn program(kind: u32, attach: u32) -> OwnedFd {
    /// `r0 = 1; exit`.
    static PASS: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 1, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
    let mut attributes = [0_u8; 128];
    let mut put = |at: usize, bytes: &[u8]| attributes[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &kind.to_ne_bytes());
    put(4, &2_u32.to_ne_bytes());
    put(8, &(PASS.as_ptr() as u64).to_ne_bytes());
    put(16, &(c"GPL".as_ptr() as u64).to_ne_bytes());
    // `expected_attach_type`
    put(68, &attach.to_ne_bytes());
    bpf(5, &attributes)
}

fn link(program: &OwnedFd, target: RawFd, attach: u32, more: [i32; 4]) -> OwnedFd {
    let mut attributes = [0_u8; 128];
    let words = [program.as_raw_fd(), target, i32::try_from(attach).unwrap(), 0];
    for (at, word) in words.into_iter().chain(more).enumerate() {
        attributes[at * 4..at * 4 + 4].copy_from_slice(&word.to_ne_bytes());
    }
    bpf(28, &attributes)
}

fn bpf(command: i32, attributes: &[u8; 128]) -> OwnedFd {
    // SAFETY: the attributes and what their pointers lead to outlive the call, which writes nothing of ours.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), attributes.len()) };
    assert!(result >= 0, "bpf {command}: {}", io::Error::last_os_error());
    // SAFETY: the kernel just made it, for us.
    unsafe { OwnedFd::from_raw_fd(RawFd::try_from(result).unwrap()) }
}

const PROG_TYPE_CGROUP_SOCK_ADDR: u32 = 18;
const PROG_TYPE_NETFILTER: u32 = 32;
/// `BPF_CGROUP_INET4_CONNECT`, `BPF_NETFILTER`.
const CONNECT4: u32 = 10;
const NETFILTER: u32 = 45;
