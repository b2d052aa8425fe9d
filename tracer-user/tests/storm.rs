//! Ten thousand connections of one namespace hang at once: one finding, few questions, bounded memory, nothing lost.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "the whole crate is tests")]

mod schema;
mod space;

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::Value;
use space::Space;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const MANY: usize = 10_000;
/// Resident memory of the whole program: what 10,000 ordinary connections would take, and half as much again.
const MEMORY: u64 = 96 << 20;

#[test]
fn ten_thousand_hung_connects_are_one_finding() {
    let space = Space::new();
    for words in [
        "ip address add 10.9.9.1/24 dev lo",
        "iptables-nft -w 20 -A OUTPUT -p tcp --dport 9000 -j DROP",
    ] {
        space.run(&words.split(' ').collect::<Vec<_>>(), "");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntracer"));
    command.args([
        "trace",
        "--json",
        "--events",
        "none",
        "--hang-after",
        "3s",
        "--netns",
        &space.name,
    ]);
    let tracer = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    // It says nothing until the hooks are in place, and `hello` is read in the end.
    thread::sleep(Duration::from_secs(3));
    let hanging = space.inside(hang);
    thread::sleep(Duration::from_secs(12));
    drop(hanging);
    thread::sleep(Duration::from_secs(2));
    let pid = Pid::from_raw(i32::try_from(tracer.id()).expect("a pid")).expect("not 0");
    kill_process(pid, Signal::INT).expect("it runs");
    let output = tracer.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<Value> = text.lines().map(schema::line).collect();
    judge(&lines);
}

fn judge(lines: &[Value]) {
    let of = |kind: &'static str| lines.iter().filter(move |line| line["type"] == kind);
    let ids: std::collections::BTreeSet<_> = of("finding").filter_map(|finding| finding["id"].as_u64()).collect();
    let last = of("finding").next_back().expect("a finding");
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(
        (&last["cause"], &last["state"]),
        (&"syn-dropped".into(), &"closed".into()),
        "{last}"
    );
    let count = last["count"].as_u64().expect("a number");
    assert!(count > MANY as u64 * 99 / 100, "{count} of {MANY}");
    let unexamined = last["not_examined"].as_u64().expect("some were not looked at");
    assert!(unexamined > MANY as u64 / 2, "{unexamined}");
    assert_eq!(last["examples"].as_array().map(Vec::len), Some(5));
    let summary = of("summary").next().expect("the end");
    assert_eq!(summary["unresolved_inquiries"], 0, "{summary}");
    assert_eq!(
        (&summary["lost"], &summary["evictions"]),
        (&0.into(), &0.into()),
        "{summary}"
    );
    for stats in of("stats") {
        let memory = stats["resident_bytes"].as_u64().expect("a number");
        assert!(memory < MEMORY, "{memory} bytes");
    }
}

/// Sockets that wait for an answer to their SYN.
fn hang() -> Vec<OwnedFd> {
    let limit = getrlimit(Resource::Nofile);
    let enough = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, enough).expect("up to the maximum");
    let to: SocketAddr = "10.9.9.2:9000".parse().expect("an address");
    let one = |_| {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).expect("a socket");
        // It is on its way.
        let _: Result<(), _> = connect(&socket, &to);
        socket
    };
    (0..MANY).map(one).collect()
}
