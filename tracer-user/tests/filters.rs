//! Filters of the program that exports everything: what is wanted is there, what is not has not even left the kernel, and
//! no finding is lost. Needs root.

#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

mod schema;
mod space;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use space::Space;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const WANTED: u16 = 1_001;
const OTHER: u16 = 1_002;
/// Of each kind: enough to be told from what the machine does beside.
const VISITS: usize = 20;

struct Tracer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Tracer {
    fn start(arguments: &[&str]) -> Self {
        let all = ["--json", "--events", "all", "--cri-socket", "off"];
        Self::run(Command::new(env!("CARGO_BIN_EXE_conntracer")).args(all).args(arguments))
    }

    /// Returns once it traces.
    fn run(command: &mut Command) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test traces the kernel: run it as root"
        );
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut tracer = Self { child, lines };
        assert_eq!(tracer.next().unwrap()["type"], "hello");
        tracer
    }

    fn next(&mut self) -> Option<Value> {
        Some(schema::line(&self.lines.next()?.unwrap()))
    }

    fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.next().unwrap();
            if is_it(&line) {
                return line;
            }
        }
    }

    /// What else it says until its end.
    fn stop(mut self) -> Vec<Value> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let rest = std::iter::from_fn(|| self.next()).collect();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

fn visit(address: &str, port: u16) {
    let address = SocketAddr::new(address.parse().unwrap(), port);
    let listener = TcpListener::bind(address).unwrap();
    for _ in 0..VISITS {
        let client = TcpStream::connect(address).unwrap();
        drop(client);
        drop(listener.accept().unwrap());
    }
}

/// By a thread with this name.
fn visit_as(name: &str, port: u16) {
    let by = thread::Builder::new().name(name.to_owned());
    by.spawn(move || visit("127.0.0.1", port)).unwrap().join().unwrap();
}

/// Events of the namespace by the port that was connected to, and what happened.
fn events(lines: &[Value], space: &Space) -> BTreeMap<(u64, String), usize> {
    let mut counted = BTreeMap::new();
    for line in lines.iter().filter(|line| line["type"] == "event") {
        let connection = &line["connection"];
        if connection["netns"]["inode"] == space.netns.inode {
            let port = connection["destination"]["port"].as_u64().unwrap();
            let what = line["event"].as_str().unwrap().to_owned();
            *counted.entry((port, what)).or_default() += 1;
        }
    }
    counted
}

fn filtered(lines: &[Value]) -> u64 {
    let stats = lines.iter().rfind(|line| line["type"] == "stats").unwrap();
    let hooks = stats["hooks"].as_array().unwrap();
    let connections = hooks
        .iter()
        .filter(|row| row["hook"] == "inet_sock_set_state" || row["hook"] == "tcp_connect");
    connections.map(|row| row["filtered"].as_u64().unwrap()).sum()
}

/// What is done in a namespace.
type Work<'a> = &'a (dyn Fn() + Sync);

#[test]
fn each_filter_tells_what_is_wanted_and_leaves_the_rest_in_the_kernel() {
    let space = Space::new();
    let (inode, port, pid) = (
        space.netns.inode.to_string(),
        WANTED.to_string(),
        std::process::id().to_string(),
    );
    let elsewhere = Space::new();
    let cases: [(&[&str], Work<'_>, Work<'_>); 5] = [
        (&["--port", &port], &|| visit("127.0.0.1", WANTED), &|| {
            visit("127.0.0.1", OTHER);
        }),
        (&["--cidr", "::1/128"], &|| visit("::1", WANTED), &|| {
            visit("127.0.0.1", OTHER);
        }),
        (&["--comm", "wanted"], &|| visit_as("wanted", WANTED), &|| {
            visit_as("other", OTHER);
        }),
        (
            &["--pid", &pid, "--comm", "wanted"],
            &|| visit_as("wanted", WANTED),
            &|| visit_as("other", OTHER),
        ),
        (&["--netns", &inode], &|| visit("127.0.0.1", WANTED), &|| {
            elsewhere.inside(|| visit("127.0.0.1", OTHER));
        }),
    ];
    for (arguments, wanted, other) in cases {
        let tracer = Tracer::start(arguments);
        space.inside(|| {
            wanted();
            other();
        });
        let lines = tracer.stop();
        let told = events(&lines, &space);
        let whole = ["closed", "connect", "established"].map(|kind| ((WANTED.into(), kind.to_owned()), VISITS));
        assert_eq!(told, whole.into(), "{arguments:?}");
        let everywhere = lines
            .iter()
            .filter(|line| line["connection"]["destination"]["port"] == OTHER);
        assert_eq!(everywhere.count(), 0, "{arguments:?}");
        assert!(
            filtered(&lines) >= 3 * VISITS as u64,
            "{arguments:?}: {}",
            filtered(&lines)
        );
        assert!(lines.last().unwrap()["connections"].get("established").is_none());
    }
}

#[test]
fn a_finding_that_matches_by_its_translated_port_only_is_not_lost() {
    let space = Space::new();
    let pid = std::process::id().to_string();
    let redirect = "iptables -w 20 -t nat -A OUTPUT -p tcp --dport 8080 -j REDIRECT --to-ports 37673";
    space.run(&redirect.split(' ').collect::<Vec<_>>(), "");
    for arguments in [
        &["--port", "37673"][..],
        &["--port", "37673", "--pid", &pid, "--cidr", "127.0.0.0/8"],
        &["--comm", "refused"],
    ] {
        let mut tracer = Tracer::start(arguments);
        space.inside(|| {
            let by = thread::Builder::new().name("refused".to_owned());
            let connect = || drop(TcpStream::connect("127.0.0.1:8080").unwrap_err());
            thread::scope(|scope| by.spawn_scoped(scope, connect).unwrap().join().unwrap());
        });
        let is_it = |line: &Value| line["type"] == "finding" && line["cause"] == "redirect-to-dead-port";
        let finding = tracer.until(is_it);
        assert_eq!(finding["connection"]["destination"]["port"], 8080, "{arguments:?}");
        tracer.stop();
    }
}

#[test]
fn an_agent_that_is_told_another_filter_leaves_out_something_else() {
    let space = Space::new();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("filters-{}.toml", std::process::id()));
    let configure = |port: u16| {
        let text =
            format!("[serve]\nlisten = \"off\"\n[output]\nstdout = true\n[trace]\nevents = \"all\"\nport = [{port}]\n");
        fs::write(&file, text).unwrap();
    };
    configure(OTHER);
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntracer"));
    let mut tracer = Tracer::run(command.args(["agent", "--config"]).arg(&file).stderr(Stdio::null()));
    configure(WANTED);
    kill_process(Pid::from_child(&tracer.child), Signal::HUP).unwrap();
    let is_told = AtomicBool::new(false);
    thread::scope(|scope| {
        // It may be reading its configuration still.
        scope.spawn(|| {
            for _ in (0..1_000).take_while(|_| !is_told.load(Ordering::Relaxed)) {
                space.inside(|| visit("127.0.0.1", WANTED));
            }
        });
        tracer.until(|line| line["connection"]["destination"]["port"] == WANTED);
        is_told.store(true, Ordering::Relaxed);
    });
    space.inside(|| visit("127.0.0.1", OTHER));
    let lines = tracer.stop();
    fs::remove_file(&file).unwrap();
    let told = events(&lines, &space);
    assert!(told.keys().all(|(port, _)| *port == u64::from(WANTED)), "{told:?}");
    assert!(filtered(&lines) >= 3 * VISITS as u64);
}
