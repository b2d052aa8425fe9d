//! The program itself: a connection that hangs in a pod is told with the pod's names, and only to those who ask for it.

use crate::UID;
use crate::node::{IMAGE, Node};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_finding_names_the_pod_and_a_filter_knows_it() {
    let mut node = Node::start();
    let (pod, config) = node.run_pod("web-0", UID);
    let id = node.client().run_container((&pod, &config), "nginx", IMAGE);
    let pid = node.client().pid(&id);
    let mut wanted = Tracer::start(&node, &["--pod", "shop/web-*", "--pod-label", "app"]);
    let other = Tracer::start(&node, &["--pod", "shop/other-*"]);
    drop_everything_to(pid, PORT);
    connect_in_vain(pid, PORT);
    let finding = wanted.finding();
    let named = &finding["k8s"];
    assert_eq!(
        (&named["pod"]["name"], &named["namespace"]["name"]),
        (&"web-0".into(), &"shop".into()),
        "{finding}"
    );
    assert_eq!(
        (&named["pod"]["uid"], &named["pod"]["label"]["app"]),
        (&UID.into(), &"web \"and\" more".into())
    );
    assert_eq!(finding["culprits"][0]["k8s"]["pod"]["name"], "web-0", "{finding}");
    // It is the test's own process that connects, in the pod's namespace.
    assert_eq!(finding["process"]["pid"], std::process::id(), "{finding}");
    assert!(
        wanted.stop().iter().any(|line| line["type"] == "event"),
        "its events pass the filter too"
    );
    let lines = other.stop();
    let told = lines
        .iter()
        .filter(|line| line["type"] == "finding" || line["type"] == "event");
    assert_eq!(told.count(), 0, "{lines:?}");
}

#[test]
fn what_an_unwanted_pod_does_stays_in_the_kernel_once_it_is_named() {
    let mut node = Node::start();
    let (pod, config) = node.run_pod("web-0", UID);
    let id = node.client().run_container((&pod, &config), "nginx", IMAGE);
    let pid = node.client().pid(&id);
    let all = |pattern| ["--events", "all", "--pod", pattern];
    let wanted = Tracer::start(&node, &all("shop/web-*"));
    let other = Tracer::start(&node, &all("shop/other-*"));
    let count = connect_within(pid, Duration::from_secs(4));
    let (wanted, other) = (wanted.stop(), other.stop());
    let connects = |lines: &[Value]| {
        let is_it =
            |line: &&Value| line["event"] == "connect" && line["connection"]["destination"]["port"] == OTHER_PORT;
        lines.iter().filter(is_it).count()
    };
    assert_eq!((connects(&wanted), connects(&other)), (count, 0));
    // Only names are asked for, and nobody else's were learned.
    assert_eq!(filtered(&wanted), 0);
    assert!(filtered(&other) > 0, "of {count} connections");
}

/// Connections that the programs left out.
fn filtered(lines: &[Value]) -> u64 {
    let stats = lines.iter().rfind(|line| line["type"] == "stats").unwrap();
    let hooks = stats["hooks"].as_array().unwrap().iter();
    hooks.map(|hook| hook["filtered"].as_u64().unwrap()).sum()
}

/// Connects again and again, as a process of the container; returns how often.
fn connect_within(pid: u32, time: Duration) -> usize {
    let connect = format!("while read -r _; do exec 3<>/dev/tcp/127.0.0.1/{OTHER_PORT}; exec 3>&-; echo; done");
    let namespace = format!("--net=/proc/{pid}/ns/net");
    let script = format!("read -r _; exec nsenter {namespace} bash -c '{connect}'");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = crate::cgroup_folder(pid);
    std::fs::write(format!("{folder}/cgroup.procs"), child.id().to_string()).unwrap();
    let (mut orders, mut done) = (
        child.stdin.take().unwrap(),
        BufReader::new(child.stdout.take().unwrap()),
    );
    let listener = within(pid, || TcpListener::bind(("127.0.0.1", OTHER_PORT)).unwrap());
    writeln!(orders).unwrap();
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < time {
        writeln!(orders).unwrap();
        drop(listener.accept().unwrap());
        done.read_line(&mut String::new()).unwrap();
        count += 1;
        // Nobody reads what the tracers write before they are stopped: it has to fit into their queues.
        thread::sleep(Duration::from_millis(5));
    }
    drop(orders);
    assert!(child.wait().unwrap().success());
    count
}

struct Tracer {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Tracer {
    fn start(node: &Node, filter: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conntracer"))
            .args(["trace", "--json", "--hang-after", "1s", "--cri-socket"])
            .arg(node.socket())
            .args(filter)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut tracer = Self { child, lines };
        assert_eq!(tracer.next().unwrap()["type"], "hello");
        tracer
    }

    /// `None` at the end, which may cut a line in two where the program is killed.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.ends_with('\n').then(|| serde_json::from_str(&line).unwrap())
    }

    fn finding(&mut self) -> Value {
        loop {
            let line = self.next().unwrap();
            if line["type"] == "finding" && line["cause"] == "syn-dropped" {
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

fn drop_everything_to(pid: u32, port: u16) {
    let net = format!("--net=/proc/{pid}/ns/net");
    let port = port.to_string();
    let rule = [
        "iptables", "-w", "20", "-I", "OUTPUT", "-p", "tcp", "--dport", &port, "-j", "DROP",
    ];
    let status = Command::new("nsenter").arg(net).args(rule).status().unwrap();
    assert!(status.success());
}

/// Connects within the namespace of the process.
fn connect_in_vain(pid: u32, port: u16) {
    within(pid, || {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        TcpStream::connect_timeout(&address, Duration::from_secs(3)).unwrap_err();
    });
}

/// What `work` returns in the namespace of the process, on a thread that ends with it.
fn within<T: Send>(pid: u32, work: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(format!("/proc/{pid}/ns/net")).unwrap();
    let visit = || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        work()
    };
    thread::scope(|scope| scope.spawn(visit).join().unwrap())
}

const PORT: u16 = 9_000;
/// Every test's pod has the same names, and a tracer may know the others by them: so each has a port of its own.
const OTHER_PORT: u16 = PORT + 1;
