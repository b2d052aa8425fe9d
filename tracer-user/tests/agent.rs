//! The agent as its operators meet it: configuration, signals, health, metrics, the page, and files that survive.

#![expect(clippy::expect_used, reason = "the whole crate is tests")]

mod schema;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tracer_user::lab::{Lab, Options, find};

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("agent-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the build's own folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An agent that runs until the end of its test.
struct Agent {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    told: Vec<String>,
    address: SocketAddr,
}

impl Agent {
    fn start(config: &Path) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test traces the kernel: run it as root"
        );
        let mut child = command(&["agent", "--config"])
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut agent = Self {
            child,
            log,
            told: Vec::new(),
            address: ([127, 0, 0, 1], 0).into(),
        };
        let line = agent.wait_for("serving metrics and findings");
        let address = line.split_once("address=").expect("its address").1;
        agent.address = address.trim().parse().expect("an address");
        agent.wait_until("ready", |agent| agent.get("/readyz").starts_with("HTTP/1.1 200"));
        agent
    }

    /// Reads the log until a line has that text.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).expect("a log");
            assert!(read > 0, "the log ends without `{text}`: {:#?}", self.told);
            self.told.push(line.trim_end().to_owned());
            if line.contains(text) {
                return line;
            }
        }
    }

    fn wait_until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "not {what}");
            std::thread::sleep(PAUSE);
        }
    }

    /// The whole answer, head included.
    fn get(&self, path: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(self.address) else {
            return String::new();
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let asked = stream.write_all(request.as_bytes());
        asked.and_then(|()| stream.read_to_end(&mut answer)).expect("an answer");
        String::from_utf8(answer).expect("UTF-8")
    }

    /// The value of a line of the metrics that starts so.
    fn metric(&self, start: &str) -> Option<f64> {
        let body = self.get("/metrics");
        let line = body.lines().find(|line| line.starts_with(start))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it runs");
    }

    fn end(mut self, signal: Signal) -> std::process::ExitStatus {
        self.signal(signal);
        self.child.wait().expect("it ends")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntracer"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn check(config: &Path) -> Output {
    command(&["agent", "--check", "--config"])
        .arg(config)
        .output()
        .expect("it runs")
}

/// A config that serves on a port of the kernel's choice and writes `events.jsonl` in the folder.
fn config(folder: &Folder, more: &str) -> PathBuf {
    let file = folder.0.join("events.jsonl");
    let text = format!(
        "[serve]\nlisten = \"127.0.0.1:0\"\n[output]\nfile = {:?}\nfloor = \"0\"\n{more}",
        file.display().to_string()
    );
    folder.file("agent.toml", &text)
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("the output");
    assert!(text.is_empty() || text.ends_with('\n'), "a line without its end");
    text.lines().map(|line| schema::line(line.trim_start())).collect()
}

fn count(lines: &[Value], kind: &str) -> usize {
    lines.iter().filter(|line| line["type"] == kind).count()
}

fn fail(scenario: &str) -> Lab {
    let options = Options {
        program: env!("CARGO_BIN_EXE_conntracer").into(),
        ..Options::default()
    };
    let mut lab = Lab::build(find(scenario).expect("a scenario"), options).expect("a lab");
    lab.drive(&mut |_| ()).expect("the scenario's failure");
    lab
}

#[test]
fn a_configuration_is_checked_with_file_line_and_key() {
    let folder = Folder::new();
    let right = check(&config(&folder, ""));
    assert_eq!((right.status.code(), right.stderr.len()), (Some(0), 0), "{right:?}");
    let wrong = folder.file("wrong.toml", "[trace]\nhang-after = \"soon\"\n");
    let checked = check(&wrong);
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(2));
    assert!(told.contains("wrong.toml: line 2, trace.hang-after: `soon`"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    for text in [
        "[trace]\nnetns = [\"no-such-namespace\"]\n",
        "[otlp]\nendpoint = \"https://127.0.0.1\"\n",
        "[otlp]\nendpoint = \"http://127.0.0.1\"\nheaders-file = \"/no/such/file\"\n",
    ] {
        let checked = check(&folder.file("wrong.toml", text));
        assert_eq!(checked.status.code(), Some(2), "{text}");
        assert_eq!(String::from_utf8_lossy(&checked.stderr).lines().count(), 1, "{text}");
    }
    let missing = check(&folder.0.join("missing.toml"));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("missing.toml"));
}

#[test]
fn the_files_of_deploy_are_configurations() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    for file in ["systemd/agent.toml", "kustomize/base/agent.toml"] {
        let checked = check(&deploy.join(file));
        assert_eq!(checked.status.code(), Some(0), "{file}: {checked:?}");
    }
}

#[test]
fn a_hung_connection_is_in_the_metrics_on_the_page_and_in_the_file() {
    let folder = Folder::new();
    let agent = Agent::start(&config(&folder, "[trace]\nhang-after = \"1s\"\n"));
    let lab = fail("syn-dropped");
    agent.wait_until("found", |agent| {
        agent.metric("conntracer_findings_open{cause=\"syn-dropped\"}") >= Some(1.0)
    });
    assert!(
        agent.metric("conntracer_connections_hung ") >= Some(1.0),
        "{}",
        agent.get("/metrics")
    );
    let page = agent.get("/findings");
    assert!(page.contains("syn-dropped") && page.contains("text/html"), "{page}");
    assert!(agent.get("/healthz").starts_with("HTTP/1.1 200"));
    drop(lab);
    assert!(agent.end(Signal::TERM).success());
    let lines = lines(&folder.0.join("events.jsonl"));
    assert_eq!(lines.first().map(|line| &line["type"]), Some(&"hello".into()));
    assert_eq!(lines.last().map(|line| &line["type"]), Some(&"summary".into()));
    let findings = lines.iter().filter(|line| line["type"] == "finding");
    assert!(findings.into_iter().any(|line| line["cause"] == "syn-dropped"));
}

#[test]
fn a_hangup_reads_the_configuration_again_and_says_what_has_to_wait() {
    let folder = Folder::new();
    let path = config(&folder, "[trace]\nhang-after = \"10m\"\n");
    let mut agent = Agent::start(&path);
    let right = fs::read_to_string(&path).expect("its configuration");
    fs::write(&path, right.replace("10m", "1s") + "events = \"all\"\n").expect("a change");
    agent.signal(Signal::HUP);
    let waits = agent.wait_for("need a restart");
    assert!(waits.contains("trace.events"), "{waits}");
    let read = agent.wait_for("was read again");
    assert!(read.contains("trace.hang-after"), "{read}");
    // It is in force: a hang of a second is one.
    let lab = fail("syn-dropped");
    agent.wait_until("found", |agent| {
        agent.metric("conntracer_findings_open{cause=\"syn-dropped\"}") >= Some(1.0)
    });
    drop(lab);
    // A mistake changes nothing and is told with its line.
    fs::write(&path, "[trace]\nhang-after = 7\n").expect("a mistake");
    agent.signal(Signal::HUP);
    let told = agent.wait_for("stays as it was");
    assert!(told.contains("line 2, trace.hang-after"), "{told}");
    assert!(agent.get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(agent.end(Signal::INT).success());
}

#[test]
fn a_hangup_begins_a_file_anew_that_was_moved_away() {
    let folder = Folder::new();
    let agent = Agent::start(&config(&folder, ""));
    let (file, moved) = (folder.0.join("events.jsonl"), folder.0.join("events.jsonl.1"));
    agent.wait_until("written", |_| {
        fs::metadata(&file).is_ok_and(|metadata| metadata.len() > 0)
    });
    fs::rename(&file, &moved).expect("moved away");
    agent.signal(Signal::HUP);
    agent.wait_until("begun anew", |_| {
        fs::metadata(&file).is_ok_and(|metadata| metadata.len() > 0)
    });
    assert!(agent.end(Signal::TERM).success());
    let (before, after) = (lines(&moved), lines(&file));
    assert_eq!((count(&before, "hello"), after[0]["type"].as_str()), (1, Some("hello")));
    assert_eq!(after[0]["part"], 1);
    let seqs: Vec<_> = before.iter().chain(&after).map(|line| line["seq"].as_u64()).collect();
    let expected: Vec<_> = (0..).take(seqs.len()).map(Some).collect();
    assert_eq!(seqs, expected);
}

#[test]
fn a_kill_leaves_whole_lines_and_a_restart_carries_on_behind_them() {
    let folder = Folder::new();
    let path = config(&folder, "[trace]\nevents = \"all\"\n");
    let file = folder.0.join("events.jsonl");
    let mut before = Vec::new();
    for _ in 0..3 {
        let agent = Agent::start(&path);
        churn();
        assert!(!agent.end(Signal::KILL).success());
        let written = fs::read(&file).expect("the output");
        assert!(written.starts_with(&before), "what was written stays");
        lines(&file);
        before = written;
    }
    assert_eq!(count(&lines(&file), "hello"), 3);
}

/// Some connections over loopback.
fn churn() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    for _ in 0..500 {
        let client = TcpStream::connect(address).expect("a connection");
        let (server, _) = listener.accept().expect("the other end");
        drop((client, server));
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);
