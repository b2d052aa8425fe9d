//! Naming on this machine, without a container runtime. `tests/containers` has a real one.

use super::*;
use crate::model::identity::Comm;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

fn namer() -> Namer {
    Namer::new(&NamerOptions {
        cri_socket: CriSocket::Off,
        labels: Vec::new(),
        command_line: true,
    })
}

fn process(pid: u32) -> Subject {
    Subject::Process {
        pid,
        comm: Comm::default(),
        cgroup: None,
    }
}

fn waiting() -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "echo there; read line"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // The kernel lets a starter go on a little before there is a command line.
    let mut said = [0; 6];
    child.stdout.take().unwrap().read_exact(&mut said).unwrap();
    child
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn a_process_that_is_gone_keeps_its_name() {
    let child = waiting();
    let subject = process(child.id());
    let mut namer = namer();
    let named = namer.name(subject, now());
    assert!(named.executable.is_some(), "{named:?}");
    assert_eq!(named.command_line.as_deref(), Some("sh -c echo there; read line"));
    end(child);
    // As if the answer had grown old.
    let old = namer.answers.get(&subject, now()).unwrap().seen.clone();
    let (identity, until) = (named.clone(), now());
    namer.answers.insert(
        subject,
        Answer {
            seen: old,
            identity,
            until,
        },
        now(),
    );
    assert_eq!(namer.name(subject, now()), named);
}

#[test]
fn a_process_that_started_after_the_event_is_not_named() {
    let before = now();
    while now().since(before) < 2 * Boot::TICK {
        std::thread::yield_now();
    }
    let child = waiting();
    let mut namer = namer();
    assert!(namer.name(process(child.id()), before).is_empty());
    end(child);
    let health = namer.health();
    assert_eq!((health.asked, health.failed, health.cri), (1, 1, CriState::Off));
}

#[test]
fn command_lines_are_not_told_unless_they_are_asked_for() {
    let mut namer = Namer::new(&NamerOptions {
        cri_socket: CriSocket::Off,
        ..NamerOptions::default()
    });
    let named = namer.name(process(std::process::id()), now());
    assert!(named.executable.is_some() && named.command_line.is_none(), "{named:?}");
}

#[test]
fn the_hosts_namespace_and_an_unknown_one_are_nobodys() {
    let own = fs::metadata("/proc/self/ns/net").unwrap().ino();
    let own = u32::try_from(own).unwrap();
    for inode in [own, 0, 1] {
        let netns = Netns { cookie: 0, inode };
        let named = namer().name(Subject::Netns(netns), now());
        assert!(named.is_empty() || inode == own, "{named:?}");
    }
}

#[test]
fn a_remembered_answer_takes_no_look() {
    let mut namer = namer();
    let subject = process(std::process::id());
    let named = namer.name(subject, now());
    let begin = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(namer.name(subject, now()), named);
    }
    let each = begin.elapsed() / 1_000;
    println!("{each:?}");
    assert!(each < Duration::from_micros(500), "{each:?}");
}
