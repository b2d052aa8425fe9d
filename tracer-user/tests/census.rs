//! Connections that hang before the program starts are found at once, although they send nothing for seconds to come.

#![expect(clippy::expect_used, reason = "the whole crate is tests")]

mod schema;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};
use tracer_user::inspect::Examiner;
use tracer_user::lab::{Family, Lab, Options, find};
use tracer_user::model::finding::State;
use tracer_user::model::identity::Netns;
use tracer_user::model::inquiry::{Inquiry, Question, Reply, Stalled};
use tracer_user::model::time::Timestamp;
use tracer_user::replay::Replay;

#[test]
fn a_connect_that_hangs_is_found_and_explained_by_its_next_syn_ipv4() {
    connect_that_hangs(Family::Ipv4);
}

#[test]
fn a_connect_that_hangs_is_found_and_explained_by_its_next_syn_ipv6() {
    connect_that_hangs(Family::Ipv6);
}

#[test]
fn a_request_whose_answers_are_rejected_is_found_ipv4() {
    request_that_hangs(Family::Ipv4);
}

#[test]
fn a_request_whose_answers_are_rejected_is_found_ipv6() {
    request_that_hangs(Family::Ipv6);
}

#[test]
fn what_does_not_hang_is_silent() {
    // A closed window with megabytes waiting, and connections that are merely open.
    for (scenario, family) in [
        ("peer-does-not-read", Family::Ipv4),
        ("peer-does-not-read", Family::Ipv6),
    ] {
        let scene = Scene::fail(scenario, family);
        let mut tracer = Tracer::start(&scene, &["--hang-after", "1s", "--for", "3500ms"]);
        tracer.read_until_end();
        assert_eq!(tracer.findings(), Vec::<&Value>::new());
    }
}

fn connect_that_hangs(family: Family) {
    let scene = Scene::fail("syn-dropped", family);
    let next = scene.wait_for_silence();
    let sent_again = Instant::now() + next.left;

    // Its time has not come yet for whoever is more patient.
    let mut patient = Tracer::start(&scene, &["--hang-after", "10m", "--for", "1s"]);
    patient.read_until_end();
    assert_eq!(patient.findings(), Vec::<&Value>::new());

    let mut tracer = Tracer::start(&scene, &["--hang-after", "3s"]);
    let found = tracer.next_finding(found_within());
    assert!(Instant::now() < sent_again, "the next SYN came first");
    assert_eq!(
        (&found["cause"], &found["confidence"]),
        (&"syn-dropped".into(), &"likely".into()),
        "the rules are known to stop it"
    );
    assert_connection(&found, &scene, "SYN_SENT", "app");
    let sources: Vec<_> = found["evidence"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["from"])
        .collect();
    assert!(sources.contains(&&"sock_diag".into()), "{found}");

    // The next SYN is dropped before the tracer's eyes.
    let proved = loop {
        let finding = tracer.next_finding(next.left + Duration::from_secs(10));
        if finding["confidence"] == "proved" {
            break finding;
        }
    };
    assert_eq!((&proved["cause"], &proved["id"]), (&"syn-dropped".into(), &found["id"]));
    assert_eq!(proved["culprits"][0]["text"], found["culprits"][0]["text"]);
    tracer.stop();
    tracer.assert_replays();
}

fn request_that_hangs(family: Family) {
    let scene = Scene::fail("reply-rejected-pooled", family);
    let next = scene.wait_for_silence();
    let sent_again = Instant::now() + next.left;
    let mut tracer = Tracer::start(&scene, &["--hang-after", "3s"]);
    let found = tracer.next_finding(found_within());
    assert!(Instant::now() < sent_again, "the next retransmit came first");
    // Conntrack has closed what the socket still waits on.
    assert_eq!(
        (&found["cause"], &found["confidence"]),
        (&"reply-rejected".into(), &"likely".into())
    );
    assert_connection(&found, &scene, "ESTABLISHED", "envoy");
    tracer.stop();
    tracer.assert_replays();
}

/// The socket's holder is named; that it called connect is not claimed.
fn assert_connection(found: &Value, scene: &Scene, state: &str, holder: &str) {
    let connection = &found["connection"];
    assert_eq!(connection["netns"]["inode"], scene.pod_inode, "{found}");
    assert_eq!(connection["network"]["type"], scene.family.name(), "{found}");
    assert_eq!(
        (&connection["destination"]["port"], &connection["state"]),
        (&9000.into(), &state.into()),
        "{found}"
    );
    assert_eq!(connection["started"], Value::Null, "{found}");
    assert_eq!(found["process"]["executable"]["name"], holder, "{found}");
    assert_eq!(found["thread"], Value::Null, "{found}");
}

/// A lab in which the failure has happened.
struct Scene {
    family: Family,
    pod_inode: u32,
    pod_pid: u32,
    _lab: Lab,
}

impl Scene {
    fn fail(scenario: &str, family: Family) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test makes network namespaces and traces the kernel: run it as root"
        );
        let options = Options {
            family,
            program: env!("CARGO_BIN_EXE_conntracer").into(),
            ..Options::default()
        };
        let mut lab = Lab::build(find(scenario).expect("a scenario"), options).expect("a lab");
        let pod = lab
            .namespaces()
            .into_iter()
            .find(|host| host.name == "pod")
            .expect("a pod");
        double_from_the_first_syn(pod.pid);
        lab.drive(&mut |_| ()).expect("the scenario's failure");
        Self {
            family,
            pod_inode: pod.inode,
            pod_pid: pod.pid,
            _lab: lab,
        }
    }

    /// Waits until the connection sends nothing for long enough to start a tracer meanwhile, and to spare.
    fn wait_for_silence(&self) -> Stalled {
        let begun = Instant::now();
        loop {
            let stalled = stalled(self.pod_inode);
            if let Some(one) = stalled.iter().find(|one| one.left > silence()) {
                return one.clone();
            }
            assert!(begun.elapsed() < Duration::from_secs(40), "{stalled:#?}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// From Linux 6.5 the first SYNs come every second.
fn double_from_the_first_syn(pid: u32) {
    let set = "s=/proc/sys/net/ipv4/tcp_syn_linear_timeouts; if [ -e $s ]; then echo 0 > $s; fi";
    let net = format!("--net=/proc/{pid}/ns/net");
    let status = Command::new("nsenter").args([&net, "sh", "-c", set]).status();
    assert!(status.expect("nsenter runs").success());
}

fn stalled(inode: u32) -> Vec<Stalled> {
    let inquiry = Inquiry {
        id: 1,
        at: Timestamp::default(),
        netns: Netns::default(),
        hint: None,
        question: Question::Stalled,
    };
    // The thread visits other namespaces.
    let answer = thread::spawn(move || Examiner::new().expect("an examiner").answer(&inquiry));
    let Reply::Stalled(census) = answer.join().expect("an answer").reply else {
        panic!("not the answer to that");
    };
    let mut sockets = census.sockets;
    sockets.retain(|stalled| stalled.netns.inode == inode);
    sockets
}

/// The program, tracing the pod.
struct Tracer {
    child: Child,
    output: Receiver<String>,
    lines: Vec<(String, Value)>,
}

impl Tracer {
    fn start(scene: &Scene, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conntracer"))
            .args(["trace", "--json", "--netns", &format!("pid:{}", scene.pod_pid)])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let output = lines_of(child.stdout.take().expect("piped"));
        let mut tracer = Self {
            child,
            output,
            lines: Vec::new(),
        };
        assert_eq!(
            tracer.next_line(Duration::from_secs(20)).expect("a line")["type"],
            "hello"
        );
        tracer
    }

    /// `None`: it ended.
    fn next_line(&mut self, within: Duration) -> Option<Value> {
        match self.output.recv_timeout(within) {
            Ok(text) => {
                let value: Value = schema::line(&text);
                self.lines.push((text, value.clone()));
                Some(value)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing came within {within:?}: {:#?}", self.findings()),
        }
    }

    fn next_finding(&mut self, within: Duration) -> Value {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.next_line(left).expect("it goes on");
            if line["type"] == "finding" {
                return line;
            }
        }
    }

    fn read_until_end(&mut self) {
        while self.next_line(Duration::from_secs(20)).is_some() {}
        assert!(self.child.wait().expect("ours").success());
    }

    fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("ours");
        self.read_until_end();
    }

    fn findings(&self) -> Vec<&Value> {
        let values = self.lines.iter().map(|(_, value)| value);
        values.filter(|value| value["type"] == "finding").collect()
    }

    /// Its recording leads to the same findings once more.
    fn assert_replays(&self) {
        let mut replay = Replay::default();
        let mut again = Vec::new();
        for (text, _) in &self.lines {
            let line = replay.line(text.as_bytes(), &mut |finding| {
                again.push((finding.cause.name(), state(finding.state), finding.count));
            });
            line.expect("its own line");
        }
        let recorded: Vec<_> = self
            .findings()
            .into_iter()
            .map(|finding| {
                let text = |field: &str| finding[field].as_str().expect("a text");
                (
                    text("cause"),
                    text("state"),
                    finding["count"].as_u64().expect("a number"),
                )
            })
            .collect();
        assert_eq!(again, recorded);
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It has ended unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Updated => "updated",
        State::Closed => "closed",
        State::Retracted => "retracted",
    }
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// The connections hang longer than `--hang-after` already, so that the two seconds are all that is needed.
fn found_within() -> Duration {
    Duration::from_secs(3) * slowness()
}

/// Time to run one tracer for a second, start another, and have it find.
fn silence() -> Duration {
    Duration::from_millis(4_500) + Duration::from_secs(2) * slowness()
}

/// An emulated machine takes several times as long to start a program.
fn slowness() -> u32 {
    if std::env::var_os("CONNTRACER_GUEST").is_some() {
        8
    } else {
        1
    }
}
