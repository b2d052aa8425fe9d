//! Names from a real containerd, with pods as the kubelet makes them; `cargo xtask test --parts containers` runs it.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "the whole crate is tests")]

mod cri;
mod node;
mod passing;
mod traced;

use node::{IMAGE, Node};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tracer_user::enrich::source::{CriSocket, CriState, Namer, NamerOptions};
use tracer_user::model::identity::{Comm, Netns};
use tracer_user::model::time::Timestamp;
use tracer_user::model::who::{Identity, Runtime, Subject};

#[test]
fn a_process_a_cgroup_and_a_namespace_have_the_names_that_the_kubelet_gave() {
    let mut node = Node::start();
    let (pod, config) = node.run_pod("web-0", UID);
    let id = node.client().run_container((&pod, &config), "nginx", IMAGE);
    let pid = node.client().pid(&id);
    for subject in [
        process(pid, None),
        process(NOBODY, Some(cgroup(pid))),
        Subject::Netns(netns(pid)),
    ] {
        // Each for itself: nothing is known yet.
        let mut namer = namer(&node);
        let named = until_named(&mut namer, subject);
        assert_named(&named, &id, subject);
        let health = namer.health();
        assert!(
            matches!(&health.cri, CriState::Ok { runtime, version } if runtime == "containerd" && version.starts_with("1.")),
            "{health:?}"
        );
    }
    let named = namer(&node).name(process(pid, None), now());
    assert_eq!(named.executable.as_deref(), Some("/pause"));
    assert_eq!(named.command_line.as_deref(), Some("/pause"));
}

#[test]
fn a_pod_without_a_container_is_named_by_its_sandbox() {
    let mut node = Node::start();
    let (pod, _) = node.run_pod("web-0", UID);
    let sandbox = node.client().sandbox_pid(&pod);
    let netns = netns(sandbox);
    let named = until_named(&mut namer(&node), Subject::Netns(netns));
    let pod = named.pod.unwrap();
    assert_eq!(pod.name.as_deref(), Some("web-0"));
    assert!(named.container.is_some_and(|container| container.name.is_none()));
}

#[test]
fn a_container_that_is_removed_keeps_its_name() {
    let mut node = Node::start();
    let (pod, config) = node.run_pod("web-0", UID);
    let id = node.client().run_container((&pod, &config), "nginx", IMAGE);
    let pid = node.client().pid(&id);
    let (cgroup, netns) = (cgroup(pid), netns(pid));
    let mut namer = namer(&node);
    let subjects = [
        process(pid, Some(cgroup)),
        process(NOBODY, Some(cgroup)),
        Subject::Netns(netns),
    ];
    let before = subjects.map(|subject| until_named(&mut namer, subject));
    node.client().remove_container(&id);
    node.remove_pod(&pod);
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
    for (subject, before) in subjects.into_iter().zip(before) {
        assert_eq!(namer.name(subject, now()), before);
    }
    // One that was never asked for by this number, from the cgroup that is gone.
    let named = namer.name(process(NOBODY - 1, Some(cgroup)), now());
    assert_named(&named, &id, process(NOBODY, Some(cgroup)));
}

#[test]
fn a_restart_of_the_runtime_is_got_over() {
    let mut node = Node::start();
    let mut namer = namer(&node);
    let (pod, config) = node.run_pod("web-0", UID);
    let first = node.client().run_container((&pod, &config), "first", IMAGE);
    let pid = node.client().pid(&first);
    until_named(&mut namer, process(pid, None));
    let second = node.client().run_container((&pod, &config), "nginx", IMAGE);
    let pid = node.client().pid(&second);
    node.stop_containerd();
    let named = until(&mut namer, process(pid, None), |_, namer| {
        matches!(namer.health().cri, CriState::Failing { .. })
    });
    // The pod is known from the other container, by its uid.
    assert_eq!(named.pod.unwrap().name.as_deref(), Some("web-0"));
    assert_eq!(named.container.unwrap().name, None);
    node.start_containerd();
    let (other, _) = node.run_pod("web-1", "5f2e8d1c9b3a47066e1d2c3b4a596877");
    let sandbox = node.client().sandbox_pid(&other);
    let named = until_named(&mut namer, process(sandbox, None));
    assert_eq!(named.pod.unwrap().name.as_deref(), Some("web-1"));
    let named = until(&mut namer, process(pid, None), |named, _| {
        named
            .container
            .as_ref()
            .is_some_and(|container| container.name.is_some())
    });
    assert_named(&named, &second, process(pid, None));
}

fn namer(node: &Node) -> Namer {
    Namer::new(&NamerOptions {
        cri_socket: CriSocket::Path(node.socket()),
        labels: vec!["app".to_owned(), "absent".to_owned()],
        command_line: true,
    })
}

fn namer_off() -> Namer {
    Namer::new(&NamerOptions {
        cri_socket: CriSocket::Off,
        ..NamerOptions::default()
    })
}

/// Asks again, as the runtime may answer late.
fn until_named(namer: &mut Namer, subject: Subject) -> Identity {
    until(namer, subject, |named, _| {
        named.pod.as_ref().is_some_and(|pod| pod.name.is_some())
    })
}

fn until(namer: &mut Namer, subject: Subject, is_done: impl Fn(&Identity, &Namer) -> bool) -> Identity {
    let begin = Instant::now();
    loop {
        let asked = Instant::now();
        let named = namer.name(subject, now());
        let took = asked.elapsed();
        if is_done(&named, namer) {
            println!("{subject:?}: {took:?}");
            return named;
        }
        assert!(begin.elapsed() < PATIENCE, "{named:?}, {:?}", namer.health());
        std::thread::yield_now();
    }
}

fn assert_named(named: &Identity, id: &str, subject: Subject) {
    let container = named.container.as_ref().unwrap();
    assert_eq!(
        (&*container.id, container.name.as_deref()),
        (id, Some("nginx")),
        "{subject:?}"
    );
    assert_eq!(container.runtime, Some(Runtime::Containerd), "{subject:?}");
    let pod = named.pod.as_ref().unwrap();
    assert_eq!(pod.name.as_deref(), Some("web-0"), "{subject:?}");
    assert_eq!(pod.namespace.as_deref(), Some("shop"), "{subject:?}");
    assert_eq!(pod.uid.as_deref(), Some(UID), "{subject:?}");
    assert_eq!(pod.labels, [("app".into(), "web \"and\" more".into())], "{subject:?}");
}

fn process(pid: u32, cgroup: Option<u64>) -> Subject {
    Subject::Process {
        pid,
        comm: Comm::new(b"pause"),
        cgroup,
    }
}

/// The id of a process's cgroup in the unified hierarchy.
fn cgroup(pid: u32) -> u64 {
    fs::metadata(cgroup_folder(pid)).unwrap().ino()
}

fn cgroup_folder(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
    format!("{}{path}", unified())
}

fn unified() -> &'static str {
    let hybrid = "/sys/fs/cgroup/unified";
    if fs::exists(hybrid).unwrap() {
        hybrid
    } else {
        "/sys/fs/cgroup"
    }
}

fn netns(pid: u32) -> Netns {
    let inode = fs::metadata(format!("/proc/{pid}/ns/net")).unwrap().ino();
    Netns {
        // Any number that no other one has: nobody asks the kernel for it.
        cookie: u64::from(pid),
        inode: u32::try_from(inode).unwrap(),
    }
}

fn now() -> Timestamp {
    let now = clock_gettime(ClockId::Monotonic);
    Timestamp::from_nanos(u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap())
}

const UID: &str = "8a3f1c52-0d4e-4b6a-9f17-2c5d8e7b9a01";
/// No process has this number.
const NOBODY: u32 = u32::MAX - 1;
const PATIENCE: Duration = Duration::from_mins(2);
