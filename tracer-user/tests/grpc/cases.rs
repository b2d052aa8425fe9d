//! The forms of the bug, each from a working channel to one that works again.

use crate::envoy::{self, Envoy};
use crate::part::{Part, Role, Said};
use crate::process::{PATIENCE, Process};
use crate::tracer::Tracer;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use tracer_user::lab::{Backend, Family, Lab, Namespace, Options, SIDECAR_AND_AGENT};

type Case = Box<dyn FnOnce() + Send>;

pub(crate) fn all() -> Vec<(String, Case)> {
    let mut cases: Vec<(String, Case)> = Vec::new();
    for &family in Family::ALL {
        for &backend in Backend::ALL {
            let names = format!("{}_{}", family.name(), backend.name());
            cases.push((
                format!("direct_{names}"),
                Box::new(move || direct(family, backend, false)),
            ));
            cases.push((format!("pooled_{names}"), Box::new(move || pooled(family, backend))));
        }
        let name = family.name();
        cases.push((format!("existing_{name}"), Box::new(move || existing(family))));
        cases.push((format!("unmarked_{name}"), Box::new(move || unmarked(family))));
    }
    cases.push(("left_alone".to_owned(), Box::new(left_alone)));
    if let Some(program) = envoy::program() {
        for &family in Family::ALL {
            let (program, name) = (program.clone(), format!("envoy_{}", family.name()));
            cases.push((name, Box::new(move || behind_envoy(program, family))));
        }
    }
    let mapped = || direct(Family::Ipv4, Backend::IptablesNft, true);
    cases.push(("direct_ipv4_mapped".to_owned(), Box::new(mapped)));
    cases
}

/// A client that the mesh leaves alone: its own channel is poisoned.
fn direct(family: Family, backend: Backend, mapped: bool) {
    let ground = Ground::new(family, backend);
    let mut to = ground.server(9000);
    if let (true, IpAddr::V4(ip)) = (mapped, to.ip()) {
        to.set_ip(ip.to_ipv6_mapped().into());
    }
    let mut client = Ground::start(Role::Client, "client", &ground.pod, SIDECAR, to);
    answered(&mut client, "before");
    let mut tracer = ground.trace();
    ground.flush();
    client.call("after");
    let found = tracer.finding(PATIENCE, is_reply_rejected);
    ground.assert_found(&found, Some(client.connection()), "client", client.pid());
    run_first_command(&found);
    assert_eq!(client.answer(PATIENCE), Some(Said::Answer("echo:after".to_owned())));
    assert_only(&tracer.stop(), &found);
}

/// A client of the mesh: the sidecar's channel to the server is poisoned, the client's own new one is not.
fn pooled(family: Family, backend: Backend) {
    let ground = Ground::new(family, backend);
    let mut sidecar = ground.sidecar();
    let to = ground.server(9000);
    answered(&mut Ground::start(Role::Client, "first", &ground.pod, 0, to), "before");
    let mut tracer = ground.trace();
    ground.flush();
    let mut client = Ground::start(Role::Client, "second", &ground.pod, 0, to);
    client.call("after");
    let found = tracer.finding(PATIENCE, is_reply_rejected);
    ground.assert_found(&found, Some(sidecar.connection()), "sidecar", sidecar.pid());
    assert_waits(&found, &mut client);
    run_first_command(&found);
    assert_eq!(client.answer(PATIENCE), Some(Said::Answer("echo:after".to_owned())));
    assert_only(&tracer.stop(), &found);
}

/// The same with the real Envoy.
fn behind_envoy(program: PathBuf, family: Family) {
    let ground = Ground::new(family, Backend::IptablesNft);
    let envoy = Envoy::start(program, ground.pod.pid, SIDECAR, ground.any(15001));
    let to = ground.server(9000);
    answered(&mut Ground::start(Role::Client, "first", &ground.pod, 0, to), "before");
    let mut tracer = ground.trace();
    ground.flush();
    let mut client = Ground::start(Role::Client, "second", &ground.pod, 0, to);
    client.call("after");
    let found = tracer.finding(PATIENCE, is_reply_rejected);
    ground.assert_found(&found, None, "envoy", envoy.pid());
    assert_waits(&found, &mut client);
    run_first_command(&found);
    assert_eq!(client.answer(PATIENCE), Some(Said::Answer("echo:after".to_owned())));
    assert_only(&tracer.stop(), &found);
}

/// A client of the mesh whose channel is older than the mark: both legs are poisoned. Its call ends on the first one, and
/// would end on the second one if only the first were forgotten.
fn existing(family: Family) {
    let ground = Ground::new(family, Backend::IptablesNft);
    let _sidecar = ground.sidecar();
    let mut client = Ground::start(Role::Client, "client", &ground.pod, 0, ground.server(9000));
    answered(&mut client, "before");
    let mut tracer = ground.trace();
    ground.flush();
    client.call("after");
    let found = tracer.finding(PATIENCE, is_reply_rejected);
    ground.assert_found(&found, Some(client.connection()), "client", client.pid());
    assert!(found["victims"].is_null(), "{found:#}");
    run_first_command(&found);
    assert_eq!(client.answer(PATIENCE), Some(Said::Answer("echo:after".to_owned())));
    assert_only(&tracer.stop(), &found);
}

/// Nobody does anything: it ends when the finding says.
fn left_alone() {
    let ground = Ground::new(Family::Ipv4, Backend::IptablesNft);
    ground.inside(&["sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_close=5"]);
    let mut client = Ground::start(Role::Client, "client", &ground.pod, SIDECAR, ground.server(9000));
    answered(&mut client, "before");
    let mut tracer = ground.trace();
    ground.flush();
    client.call("after");
    let found = tracer.finding(PATIENCE, is_reply_rejected);
    let expiry = evidence(&found, "expiry");
    assert_eq!(expiry["kept_ms"], 5_000, "{found:#}");
    let time = |value: &Value| -> jiff::Timestamp { value.as_str().expect("a time").parse().expect("a time") };
    let foretold = time(&expiry["ends"]);
    assert_eq!(client.answer(PATIENCE), Some(Said::Answer("echo:after".to_owned())));
    let late = jiff::Timestamp::now().duration_since(foretold).as_secs_f64();
    // A timer of the kernel's wheel is late by up to an eighth.
    assert!((-0.5..2.0).contains(&late), "{late} s late: {found:#}");
    assert_only(&tracer.stop(), &found);
}

/// The same parts, and nobody sets the mark.
fn unmarked(family: Family) {
    let ground = Ground::new(family, Backend::IptablesNft);
    let _sidecar = ground.sidecar();
    let tracer = ground.trace();
    let to = ground.server(9000);
    let mut clients = [0, SIDECAR].map(|uid| Ground::start(Role::Client, "client", &ground.pod, uid, to));
    for call in 0..20 {
        for client in &mut clients {
            answered(client, &format!("call {call}"));
        }
    }
    drop(clients);
    assert_eq!(tracer.stop(), Vec::<Value>::new());
}

fn answered(client: &mut Process, text: &str) {
    client.call(text);
    assert_eq!(client.answer(PATIENCE), Some(Said::Answer(format!("echo:{text}"))));
}

fn is_reply_rejected(finding: &Value) -> bool {
    finding["cause"] == "reply-rejected"
}

/// As printed.
fn run_first_command(found: &Value) {
    let fixes = found["fixes"].as_array().expect("a list");
    let fix = fixes.iter().find(|fix| fix["kind"] == "command").expect("a command");
    let command = fix["command"].as_str().expect("a text");
    println!("{command}");
    let status = Command::new("sh").args(["-c", command]).status().expect("a shell");
    assert!(status.success(), "{found:#}");
}

/// The client is told as the one who waits behind the sidecar, by its own connection.
fn assert_waits(found: &Value, client: &mut Process) {
    let victims = found["victims"].as_array().expect("a list");
    let [victim] = victims.as_slice() else {
        panic!("not one victim: {found:#}");
    };
    assert_eq!(victim["source"], end(client.connection()), "{found:#}");
    assert_eq!(victim["translated"]["destination"]["port"], 15001, "{found:#}");
    assert_eq!(victim["process"]["pid"], client.pid(), "{found:#}");
}

/// The evidence of a kind.
fn evidence<'f>(found: &'f Value, kind: &str) -> &'f Value {
    let all = found["evidence"].as_array().expect("a list");
    let of_kind = all.iter().find(|evidence| evidence["kind"] == kind);
    of_kind.unwrap_or_else(|| panic!("no {kind}: {found:#}"))
}

fn end(address: SocketAddr) -> Value {
    json!({"address": address.ip().to_string(), "port": address.port()})
}

fn assert_only(findings: &[Value], found: &Value) {
    let ids: Vec<_> = findings.iter().map(|finding| &finding["id"]).collect();
    assert_eq!(ids, [&found["id"]], "{findings:#?}");
}

/// A pod with Istio's and mirrord's rules, and a peer with the server.
struct Ground {
    lab: Lab,
    family: Family,
    pod: Namespace,
    peer: Namespace,
    server: Option<Process>,
}

impl Ground {
    fn new(family: Family, backend: Backend) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test makes network namespaces and traces the kernel: run it as root"
        );
        let options = Options {
            backend,
            family,
            peer: None,
            program: env!("CARGO_BIN_EXE_conntracer").into(),
        };
        let lab = Lab::build(&SIDECAR_AND_AGENT, options).unwrap_or_else(|error| panic!("{error}"));
        let namespace = |name: &str| {
            let all = lab.namespaces();
            all.into_iter().find(|one| one.name == name).expect("of this scenario")
        };
        let (pod, peer) = (namespace("pod"), namespace("peer"));
        let mut ground = Self {
            lab,
            family,
            pod,
            peer,
            server: None,
        };
        let any = ground.any(9000);
        ground.server = Some(Self::start(Role::Server, "server", &ground.peer, 0, any).listening());
        ground
    }

    fn sidecar(&self) -> Process {
        let listens = self.any(15001);
        Self::start(Role::Sidecar, "sidecar", &self.pod, SIDECAR, listens).listening()
    }

    fn start(role: Role, name: &str, host: &Namespace, uid: u32, address: SocketAddr) -> Process {
        Process::start(&Part {
            role,
            name: name.to_owned(),
            joins: host.pid,
            uid,
            address,
        })
    }

    fn trace(&self) -> Tracer {
        let namespaces = self.lab.namespaces_to_trace();
        Tracer::start(&namespaces.iter().map(|one| one.pid).collect::<Vec<_>>())
    }

    fn server(&self, port: u16) -> SocketAddr {
        let ip: &str = match self.family {
            Family::Ipv4 => "10.77.0.3",
            Family::Ipv6 => "fd77::3",
        };
        SocketAddr::new(ip.parse().expect("an address"), port)
    }

    fn any(&self, port: u16) -> SocketAddr {
        let ip = match self.family {
            Family::Ipv4 => "0.0.0.0",
            Family::Ipv6 => "::",
        };
        SocketAddr::new(ip.parse().expect("an address"), port)
    }

    /// What the agents before 3.134 did when a steal began.
    fn flush(&self) {
        let family = self.family.name();
        self.inside(&[
            "conntrack",
            "-f",
            family,
            "-U",
            "-p",
            "tcp",
            "--dport",
            "9000",
            "-m",
            "0x1",
        ]);
    }

    /// Runs a program in the pod.
    fn inside(&self, words: &[&str]) {
        let namespace = format!("--net=/proc/{}/ns/net", self.pod.pid);
        let output = Command::new("nsenter").arg(namespace).args(words).output();
        let output = output.expect("nsenter runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The poisoned connection and mirrord's rule, and nothing short of proof.
    fn assert_found(&self, found: &Value, local: Option<SocketAddr>, process: &str, pid: u32) {
        assert_eq!(found["confidence"], "proved", "{found:#}");
        let connection = &found["connection"];
        if let Some(local) = local {
            assert_eq!(connection["source"], end(local), "{found:#}");
        }
        assert_eq!(connection["destination"], end(self.server(9000)), "{found:#}");
        assert_eq!(connection["netns"]["inode"], self.pod.inode, "{found:#}");
        assert_eq!(connection["network"]["type"], self.family.name(), "{found:#}");
        assert_eq!(connection["state"], "ESTABLISHED", "{found:#}");
        assert_eq!(found["process"]["executable"]["name"], process, "{found:#}");
        assert_eq!(found["process"]["pid"], pid, "{found:#}");
        let culprits = found["culprits"].as_array().expect("a list");
        let rule = culprits.iter().find(|culprit| culprit["kind"] == "rule");
        let rule = &rule.unwrap_or_else(|| panic!("no rule: {found:#}"));
        assert_eq!(
            (&rule["chain"], &rule["owner"]),
            (&"MIRRORD_INPUT_RkDdj".into(), &"mirrord".into()),
            "{found:#}"
        );
        self.assert_told(found);
    }
}

impl Ground {
    /// Why, what is harmless, and what to do.
    fn assert_told(&self, found: &Value) {
        let mark = evidence(found, "mark-setter");
        assert_eq!(
            (&mark["connmark"], &mark["rules"], &mark["decides"]),
            (&1.into(), &0.into(), &true.into()),
            "{found:#}"
        );
        let repeated = evidence(found, "repeated-jump");
        assert_eq!(repeated["second"]["index"], 2, "{found:#}");
        assert_eq!(repeated["second"]["owner"], "istio", "{found:#}");
        let considered = found["considered"].as_array().expect("a list");
        assert!(considered.iter().any(|of| of["cause"] == "duplicate-jump"), "{found:#}");
        let fixes = found["fixes"].as_array().expect("a list");
        let kinds: Vec<_> = fixes.iter().map(|fix| fix["kind"].as_str()).collect();
        assert_eq!(kinds, [Some("command"), Some("upgrade"), Some("setting")], "{found:#}");
        let server = self.server(9000);
        let marked = format!(
            "conntrack -D -f {} -p tcp --orig-dst {} --dport {} -m 0x1",
            self.family.name(),
            server.ip(),
            server.port()
        );
        let command = fixes[0]["command"].as_str().expect("a text");
        assert!(
            command.starts_with("nsenter --net=") && command.ends_with(&marked),
            "{command}"
        );
    }
}

/// The user that Istio's rules leave alone.
const SIDECAR: u32 = 1337;
