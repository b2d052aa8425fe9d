//! The program itself: a connection that hangs in a pod is told with the pod's names, and only to those who ask for it.

use crate::UID;
use crate::node::{IMAGE, Node};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

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

struct Tracer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
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
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut tracer = Self { child, lines };
        assert_eq!(tracer.next().unwrap()["type"], "hello");
        tracer
    }

    fn next(&mut self) -> Option<Value> {
        Some(serde_json::from_str(&self.lines.next()?.unwrap()).unwrap())
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

/// Connects within the namespace of the process, on a thread that ends with it.
fn connect_in_vain(pid: u32, port: u16) {
    let namespace = File::open(format!("/proc/{pid}/ns/net")).unwrap();
    let connect = move || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        TcpStream::connect_timeout(&address, Duration::from_secs(3)).unwrap_err();
    };
    std::thread::spawn(connect).join().unwrap();
}

const PORT: u16 = 9_000;
