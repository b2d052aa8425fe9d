//! A namespace with addresses, rules and listeners, and what `conntracer audit` says of it.

use crate::schema;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// A named namespace of its own, deleted in the end.
pub(crate) struct Space {
    pub(crate) name: String,
}

impl Space {
    /// With lo, and a device with an address of each family.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let space = Self {
            name: format!("conntracer-audit-{}-{number}", std::process::id()),
        };
        run("ip", &["netns", "add", &space.name], "");
        let ip = |arguments: &[&str]| run("ip", &[&["-n", space.name.as_str()], arguments].concat(), "");
        ip(&["link", "set", "lo", "up"]);
        ip(&["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]);
        ip(&["link", "set", "eth1", "up"]);
        ip(&["link", "set", "eth0", "up"]);
        ip(&["address", "add", "10.77.0.2/24", "dev", "eth0"]);
        ip(&["address", "add", "fd77::2/64", "dev", "eth0", "nodad"]);
        space
    }

    /// Runs a program in it, with this text on its standard input.
    pub(crate) fn run(&self, command: &str, input: &str) {
        run("ip", &["netns", "exec", &self.name, "sh", "-c", command], input);
    }

    /// Each line is a rule of this back end and table: `-A …` or `-N …`.
    pub(crate) fn rules(&self, tool: &str, table: &str, lines: &[&str]) {
        for line in lines {
            self.run(&format!("{tool} -t {table} {line}"), "");
        }
    }

    pub(crate) fn nft(&self, text: &str) {
        self.run("nft -f -", text);
    }

    pub(crate) fn listen(&self, address: &str) -> TcpListener {
        self.inside(|| TcpListener::bind(address).unwrap())
    }

    /// A program that runs in it until it is dropped.
    pub(crate) fn program(&self) -> Program {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.name, "sh", "-c", "echo there; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
        Program(child)
    }

    pub(crate) fn connect(&self, address: &str) -> TcpStream {
        self.inside(|| TcpStream::connect(address).unwrap())
    }

    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
        let visit = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(visit).join().unwrap())
    }

    /// The findings, and the exit code.
    pub(crate) fn audit(&self, arguments: &[&str]) -> (Vec<serde_json::Value>, i32) {
        let output = Command::new(env!("CARGO_BIN_EXE_conntracer"))
            .args(["audit", "--json", "--netns", &self.name])
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(schema::line).collect();
        let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            matches!(kinds.as_slice(), ["hello", .., "summary"]),
            "{kinds:?} {errors}"
        );
        let findings = lines.into_iter().filter(|line| line["type"] == "finding").collect();
        (findings, output.status.code().unwrap())
    }

    /// The only finding of this cause.
    pub(crate) fn only(&self, cause: &str) -> serde_json::Value {
        let (findings, _) = self.audit(&[]);
        let of: Vec<_> = findings.iter().filter(|finding| finding["cause"] == cause).collect();
        assert_eq!(of.len(), 1, "{cause}: {findings:#?}");
        of[0].clone()
    }

    pub(crate) fn causes(&self) -> Vec<String> {
        let (findings, _) = self.audit(&[]);
        let causes = findings
            .iter()
            .map(|finding| finding["cause"].as_str().unwrap().to_owned());
        causes.collect()
    }
}

pub(crate) struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

pub(crate) fn run(program: &str, arguments: &[&str], input: &str) {
    use std::io::Write as _;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
