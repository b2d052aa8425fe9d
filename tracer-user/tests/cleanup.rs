//! A lab leaves nothing behind, however its maker ends: no process, and no namespace kept alive by what still sends.

#![expect(clippy::expect_used, reason = "the whole crate is tests")]

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_killed_demo_leaves_nothing_of_a_hanging_connect() {
    assert_gone_after("reply-rejected", "demo: app still waits", Signal::KILL);
}

#[test]
fn a_killed_demo_leaves_nothing_of_a_hanging_request() {
    assert_gone_after("reply-rejected-pooled", "demo: app still waits", Signal::KILL);
}

#[test]
fn a_killed_demo_leaves_nothing_of_a_full_send_queue() {
    assert_gone_after("peer-does-not-read", "demo: app in pod sends until", Signal::KILL);
}

#[test]
fn a_killed_demo_leaves_nothing_of_connections_that_nobody_accepted() {
    assert_gone_after("redirect-target-stalled-full", "demo: app still waits", Signal::KILL);
}

#[test]
fn a_demo_killed_while_it_builds_leaves_nothing() {
    assert_gone_after("reply-rejected-pooled", "demo: process app", Signal::KILL);
}

#[test]
fn a_demo_that_is_told_to_end_leaves_nothing() {
    assert_gone_after("reply-rejected-pooled", "demo: app still waits", Signal::TERM);
}

/// Ends a demo once it has said `line`, and sees its processes and namespaces vanish.
fn assert_gone_after(scenario: &str, line: &str, signal: Signal) {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test makes network namespaces: run it as root"
    );
    let mut demo = Command::new(env!("CARGO_BIN_EXE_conntracer"))
        .args(["demo", scenario, "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut said = BufReader::new(demo.stderr.take().expect("piped"))
        .lines()
        .map_while(Result::ok);
    assert!(said.any(|said| said.starts_with(line)), "the demo never said {line:?}");

    let processes = children(demo.id());
    let mut inodes: Vec<u64> = processes.iter().filter_map(|&pid| namespace(pid)).collect();
    inodes.sort_unstable();
    inodes.dedup();
    assert!(
        inodes.len() >= 2 && !inodes.contains(&namespace(std::process::id()).expect("ours")),
        "{inodes:?}"
    );
    let watch = Watch::over(&processes);

    kill_process(Pid::from_child(&demo), signal).expect("it is ours");
    demo.wait().expect("it ends");
    within(Duration::from_secs(5), "processes are left", || {
        processes
            .iter()
            .all(|&pid| namespace(pid).is_none_or(|inode| !inodes.contains(&inode)))
    });
    within(Duration::from_secs(15), "a namespace is left", || {
        watch.devices().is_empty()
    });
}

/// A namespace of our own with a veth into each one watched: that end vanishes with the other one's namespace.
struct Watch {
    holder: Child,
}

impl Watch {
    fn over(processes: &[u32]) -> Self {
        let holder = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare of util-linux runs");
        let watch = Self { holder };
        let own = namespace(std::process::id());
        within(Duration::from_secs(5), "no namespace of our own", || {
            namespace(watch.holder.id()) != own
        });
        for pid in processes {
            let name = format!("w{pid}");
            let arguments = format!("link add {name} type veth peer name {name} netns {pid}");
            let made = watch.ip(&arguments);
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        assert_eq!(watch.devices().len(), processes.len());
        watch
    }

    fn devices(&self) -> Vec<String> {
        let listed = self.ip("-o link show type veth");
        String::from_utf8_lossy(&listed.stdout)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn ip(&self, arguments: &str) -> std::process::Output {
        let pid = self.holder.id().to_string();
        let mut command = Command::new("nsenter");
        command
            .args(["--net", "--target", &pid, "ip"])
            .args(arguments.split_whitespace());
        command.output().expect("nsenter and ip run")
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn within(limit: Duration, otherwise: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < limit, "{otherwise} after {limit:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The inode of a process's network namespace; none once it is gone.
fn namespace(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/net")).ok().map(|file| file.ino())
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| parent_of(pid) == Some(parent)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}
