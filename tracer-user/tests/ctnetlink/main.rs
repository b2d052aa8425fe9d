//! The stream of conntrack changes on real namespaces and connections. Needs root.
//!
//! Each stream is at home in a namespace of the test's own, so the machine's gives nobody an id.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../schema/mod.rs"]
mod schema;
#[path = "../space/mod.rs"]
mod space;

use space::{Space, ip};
use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tracer_user::ctnetlink::{Settings, Stream};
use tracer_user::model::event::{Change, ConntrackChange, Event, EventKind};
use tracer_user::model::identity::Netns;
use tracer_user::model::tcp::ConntrackState;
use tracer_user::model::tuple::Tuple;

#[test]
fn an_entry_of_a_foreign_namespace_comes_changes_and_goes() {
    let (home, there) = (Space::new(), Space::new());
    there.run(&["nft", REDIRECT], "");
    let listener = there.inside(|| TcpListener::bind("127.0.0.1:9999").unwrap());
    let mut ear = Ear::at(&home);
    let client = there.inside(|| TcpStream::connect("127.0.0.1:8080").unwrap());
    let _server = listener.accept().unwrap();
    let tuple = tuple(&client);

    let new = ear.next(there.netns, |changed| changed.change == Change::New);
    assert_eq!(new.entry.original, tuple);
    assert_eq!(new.entry.translated().unwrap().destination.port, 9999);
    assert_eq!(new.entry.state, Some(ConntrackState::SynSent));
    let update = ear.next(there.netns, |changed| {
        changed.entry.state == Some(ConntrackState::Established)
    });
    assert_eq!((update.change, update.entry.original), (Change::Update, tuple));
    delete_entries(&there);
    let destroy = ear.next(there.netns, |changed| changed.change == Change::Destroy);
    assert_eq!((destroy.entry.original, destroy.entry.id), (tuple, new.entry.id));
    // Not those without a name: other tests' namespaces may go before they are looked at.
    let counts = ear.stream.counts();
    assert_eq!((counts.overrun, counts.undecodable), (0, 0));
}

#[test]
fn the_own_namespace_is_told_too() {
    let home = Space::new();
    track(&home);
    let mut ear = Ear::at(&home);
    let client = connect(&home);
    let new = ear.next(home.netns, |changed| changed.change == Change::New);
    assert_eq!(new.entry.original, tuple(&client.0));
}

#[test]
fn a_namespace_that_appears_later_is_found() {
    let home = Space::new();
    let mut ear = Ear::at(&home);
    let later = Space::new();
    track(&later);
    let appeared = Instant::now();
    while ear.poll(later.netns, Duration::from_millis(100)).is_none() {
        let _pair = connect(&later);
        assert!(appeared.elapsed() < Duration::from_secs(10), "it is not found");
    }
    let client = connect(&later);
    let new = ear.next(later.netns, |changed| changed.entry.original == tuple(&client.0));
    assert_eq!(new.change, Change::New);
}

#[test]
fn a_namespace_is_told_from_its_first_veth_on() {
    let home = Space::new();
    let mut ear = Ear::at(&home);
    let later = Space::new();
    track(&later);
    veth(&home, &later);
    // The kernel gave it an id with the veth, long before anybody looks again.
    let client = connect(&later);
    let new = ear.next(later.netns, |changed| changed.change == Change::New);
    assert_eq!(new.entry.original, tuple(&client.0));
}

#[test]
fn an_id_that_is_used_again_is_of_the_later_namespace() {
    let home = Space::new();
    let mut ear = Ear::at(&home);
    let mut before = None;
    for _ in 0..3 {
        let space = Space::new();
        track(&space);
        veth(&home, &space);
        let client = connect(&space);
        let new = ear.next(space.netns, |changed| changed.change == Change::New);
        assert_eq!(new.entry.original, tuple(&client.0));
        assert_ne!(before.replace(space.netns), Some(space.netns));
        drop(client);
        drop(space);
        until(Duration::from_secs(10), || !has_veth(&home));
    }
}

#[test]
fn a_namespace_that_was_met_in_a_connection_is_found_at_once() {
    let home = Space::new();
    let mut ear = Ear::at(&home);
    let later = Space::new();
    track(&later);
    ear.stream.met(later.netns);
    let met = Instant::now();
    while ear.poll(later.netns, Duration::from_millis(10)).is_none() {
        let _pair = connect(&later);
        assert!(
            met.elapsed() < Duration::from_millis(900),
            "it is not found by being met"
        );
    }
}

#[test]
fn a_namespace_of_one_thread_is_found_by_being_met() {
    let home = Space::new();
    let mut ear = Ear::at(&home);
    let (tell, told) = channel();
    let (go, wait) = channel::<()>();
    let hidden = thread::spawn(move || {
        // SAFETY: only the network namespace is unshared.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET).unwrap() };
        ip(&["link", "set", "lo", "up"]);
        assert!(Command::new("nft").arg(TRACK).status().unwrap().success());
        tell.send(space::identity()).unwrap();
        while wait.recv().is_ok() {
            drop(pair());
        }
    });
    let netns = told.recv().unwrap();
    ear.stream.met(netns);
    let met = Instant::now();
    while ear.poll(netns, Duration::from_millis(10)).is_none() {
        assert!(met.elapsed() < Duration::from_secs(10), "it is not found");
        go.send(()).unwrap();
    }
    drop(go);
    hidden.join().unwrap();
}

#[test]
fn a_namespace_whose_events_are_off_is_named() {
    let (home, there) = (Space::new(), Space::new());
    set_events(&there, "0");
    let stream = Ear::at(&home).stream;
    let name = format!(
        "net:[{}] (net.netfilter.nf_conntrack_events is 0 there)",
        there.netns.inode
    );
    assert!(stream.limits().contains(&name), "{}", stream.limits());
    assert!(stream.limits_changed() && stream.counts().uncovered > 0);
    let inode = there.netns.inode.to_string();
    drop(there);
    until(Duration::from_secs(10), || !stream.limits().contains(&inode));
}

#[test]
fn a_deleted_namespace_does_not_live_on_in_the_stream() {
    let home = Space::new();
    let mut ear = Ear::at(&home);
    for _ in 0..3 {
        let there = Space::new();
        track(&there);
        veth(&home, &there);
        drop(connect(&there));
        ear.next(there.netns, |changed| changed.change == Change::New);
        drop(there);
        until(Duration::from_secs(1), || !has_veth(&home));
    }
}

#[test]
fn an_overrun_is_counted_and_entries_are_read_again() {
    let (home, there) = (Space::new(), Space::new());
    track(&there);
    let idle = connect(&there);
    let settings = Settings {
        receive_buffer: 1024,
        ..Settings::default()
    };
    let mut ear = Ear::with(&home, settings);
    let started = Instant::now();
    while ear.stream.counts().overrun == 0 {
        let _pair = connect(&there);
        assert!(started.elapsed() < Duration::from_secs(10), "nothing is lost");
    }
    // Nothing happens to it, so only a reading can tell of it.
    let again = ear.next(there.netns, |changed| changed.entry.original == tuple(&idle.0));
    assert_eq!(
        (again.change, again.entry.state),
        (Change::Update, Some(ConntrackState::Established))
    );
    // And it goes on.
    let client = connect(&there);
    ear.next(there.netns, |changed| changed.entry.original == tuple(&client.0));
}

#[test]
fn no_socket_is_left_in_the_end() {
    let home = Space::new();
    let mut stream = Ear::at(&home).stream;
    assert_ne!(netfilter_sockets(&home), 0);
    let _ = stream.end();
    drop(stream);
    // Another test's stream may look at this namespace just now.
    until(Duration::from_secs(20), || netfilter_sockets(&home) == 0);
}

#[test]
fn the_program_tells_each_change_once() {
    let there = Space::new();
    track(&there);
    let mut child = Command::new(env!("CARGO_BIN_EXE_conntracer"))
        .args(["--json", "--conntrack-events", "--for", "4s", "--netns"])
        .arg(&there.name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let hello = lines.next().unwrap();
    assert!(hello.contains(r#""conntrack-events":"true""#), "{hello}");
    let client = connect(&there);
    let port = client.0.local_addr().unwrap().port();
    let mut new = 0;
    for line in lines {
        schema::line(&line);
        new += usize::from(line.contains("conntrack-new") && line.contains(&format!(":{port}")));
    }
    assert_eq!(new, 1);
    assert!(child.wait().unwrap().success());
}

/// Listens to one stream.
struct Ear {
    stream: Stream,
    runtime: Runtime,
    heard: VecDeque<Event>,
}

impl Ear {
    fn at(home: &Space) -> Self {
        Self::with(home, Settings::default())
    }

    fn with(home: &Space, settings: Settings) -> Self {
        Self {
            stream: home.inside(move || Stream::start(settings).unwrap()),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap(),
            heard: VecDeque::new(),
        }
    }

    /// The next change of the namespace that is wanted.
    fn next(&mut self, netns: Netns, wanted: impl Fn(&ConntrackChange) -> bool) -> ConntrackChange {
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if let Some(changed) = self.poll(netns, Duration::from_millis(50)).filter(&wanted) {
                return changed;
            }
        }
        panic!("no such change; {:?}", self.stream.counts());
    }

    /// The next change of the namespace. Others run tests at the same time.
    fn poll(&mut self, netns: Netns, patience: Duration) -> Option<ConntrackChange> {
        let until = Instant::now() + patience;
        loop {
            while let Some(event) = self.heard.pop_front() {
                let EventKind::Conntrack(changed) = event.kind else {
                    panic!("{event:?}")
                };
                if event.netns == netns {
                    assert_eq!((event.netns.inode, event.cpu), (netns.inode, 0));
                    return Some(changed);
                }
            }
            let left = until.checked_duration_since(Instant::now())?;
            let stream = &mut self.stream;
            let events = self.runtime.block_on(async { timeout(left, stream.recv()).await });
            self.heard.extend(events.ok()?.unwrap());
        }
    }
}

/// A connection, held by both its ends.
fn connect(space: &Space) -> (TcpStream, TcpStream) {
    space.inside(pair)
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Waits for something that has to be within this time.
#[track_caller]
fn until(longest: Duration, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < longest, "it is not so after {longest:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Has the namespace track connections.
fn track(space: &Space) {
    space.run(&["nft", TRACK], "");
}

fn delete_entries(space: &Space) {
    let output = Command::new("ip")
        .args(["netns", "exec", &space.name, "conntrack", "-D", "-p", "tcp"])
        .output();
    assert!(output.unwrap().status.success());
}

fn set_events(space: &Space, value: &str) {
    space.inside(|| fs::write("/proc/sys/net/netfilter/nf_conntrack_events", value).unwrap());
}

fn veth(one: &Space, two: &Space) {
    let (one, two) = (&*one.name, &*two.name);
    ip(&[
        "-n", one, "link", "add", "veth0", "type", "veth", "peer", "name", "veth1", "netns", two,
    ]);
}

fn has_veth(space: &Space) -> bool {
    space.inside(|| {
        fs::read_to_string("/proc/thread-self/net/dev")
            .unwrap()
            .contains("veth0")
    })
}

/// Sockets of NETLINK_NETFILTER in a namespace, less the kernel's own.
fn netfilter_sockets(space: &Space) -> usize {
    let table = space.inside(|| fs::read_to_string("/proc/thread-self/net/netlink").unwrap());
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[1] == "12" && row[2] != "0").count()
}

fn tuple(stream: &TcpStream) -> Tuple {
    Tuple::new(stream.local_addr().unwrap().into(), stream.peer_addr().unwrap().into())
}

const REDIRECT: &str =
    "table ip steal { chain o { type nat hook output priority -100; tcp dport 8080 redirect to :9999; }; }";
const TRACK: &str = "table ip track { chain o { type filter hook output priority 0; ct state new accept; }; }";
