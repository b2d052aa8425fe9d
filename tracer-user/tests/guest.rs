//! What changes the whole machine: loading and unloading modules. Only in a guest of `cargo xtask vm`, which alone
//! builds and runs it (`test = false` in the manifest).

#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

mod schema;

use rustix::system::{delete_module, init_module};
use serde_json::Value;
use std::env;
use std::ffi::CString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What stands on `nf_reject_ipv4`, and itself; those that this kernel has are unloaded in this order.
const REJECTS: [&str; 6] = [
    "nft_reject_inet",
    "nft_reject_ipv4",
    "nft_reject_netdev",
    "nft_reject_bridge",
    "ipt_REJECT",
    "nf_reject_ipv4",
];

#[test]
fn a_module_that_comes_is_hooked_and_one_that_goes_is_said_to_be_gone() {
    assert_eq!(
        env::var("CONNTRACER_GUEST").as_deref(),
        Ok("1"),
        "only in a guest: cargo xtask vm"
    );
    let named = !env::var("CONNTRACER_EXPECT").unwrap().ends_with("/tracepoint");
    let gone: Vec<_> = REJECTS.into_iter().filter(|name| unload(name)).collect();
    assert!(gone.contains(&"nf_reject_ipv4"), "only {gone:?} could be unloaded");

    let mut tracer = Tracer::start(&[]);
    let (how, reason) = tracer.next_hook();
    assert_eq!(how, "absent");
    assert_eq!(
        reason.contains("module nf_reject_ipv4 is not loaded"),
        named,
        "{reason}"
    );
    gone.iter().rev().for_each(|name| load(name));
    for round in 0..if named { 2 } else { 0 } {
        let (how, _) = tracer.next_hook();
        assert_eq!(how, "kprobe", "round {round}");
        reject();
        let rst = tracer.next("a reset by netfilter", |line| line["rst"]["maker"] == "netfilter");
        assert_eq!(rst["packet"]["destination"]["port"], PORT);
        assert!(gone.iter().all(|name| unload(name)));
        let (how, reason) = tracer.next_hook();
        assert_eq!(how, "absent");
        assert!(reason.contains("hooked when it is"), "{reason}");
        gone.iter().rev().for_each(|name| load(name));
    }
    tracer.child.kill().unwrap();
    tracer.child.wait().unwrap();
}

#[test]
fn another_listener_neither_hides_nor_doubles_a_change() {
    assert_eq!(
        env::var("CONNTRACER_GUEST").as_deref(),
        Ok("1"),
        "only in a guest: cargo xtask vm"
    );
    let rule = "-w 20 -A INPUT -p udp -m conntrack --ctstate INVALID -j DROP";
    let status = Command::new("iptables-legacy").args(rule.split(' ')).status();
    assert!(status.unwrap().success());
    let mut other = Command::new("conntrack")
        .args(["-E", "-p", "tcp"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut tracer = Tracer::start(&["--conntrack-events"]);
    tracer.next("a hello", |line| line["type"] == "hello");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let port = client.local_addr().unwrap().port();
    drop((listener, client));
    let of_it = move |line: &Value| line["conntrack"]["original"]["source"]["port"] == port;
    tracer.next("a new entry", |line| line["event"] == "conntrack-new" && of_it(line));
    let delete = Command::new("conntrack")
        .args(["-D", "-p", "tcp", "--sport", &port.to_string()])
        .output();
    assert!(delete.unwrap().status.success());
    let mut again = false;
    tracer.next("its end", |line| {
        again |= line["event"] == "conntrack-new" && of_it(line);
        line["event"] == "conntrack-destroy" && of_it(line)
    });
    assert!(!again, "told twice");
    for child in [&mut other, &mut tracer.child] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// A rule of the guest's own namespace answers with a RST; the rule is gone afterwards.
fn reject() {
    let rule = |what: &str| {
        let text = format!("-w 20 {what} OUTPUT -p tcp --dport {PORT} -j REJECT --reject-with tcp-reset");
        let status = Command::new("iptables-legacy").args(text.split_whitespace()).status();
        assert!(status.unwrap().success(), "{text}");
    };
    rule("-A");
    TcpStream::connect(("127.0.0.1", PORT)).unwrap_err();
    rule("-D");
}

/// `false`: it was not there.
fn unload(name: &str) -> bool {
    let name = CString::new(name).unwrap();
    // The kernel frees a rule's expression a moment after the rule.
    for _ in 0..200 {
        match delete_module(&name, libc::O_NONBLOCK) {
            Ok(()) => return true,
            Err(rustix::io::Errno::NOENT) => return false,
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(50)),
        }
    }
    panic!("{name:?} is still in use");
}

fn load(name: &str) {
    let code = fs::read(format!("/modules/{name}.ko")).unwrap();
    init_module(&code, c"").unwrap();
}

struct Tracer {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Tracer {
    fn start(more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conntracer"));
        command.args([
            "trace",
            "--json",
            "--for",
            "2m",
            "--hooks",
            &env::var("CONNTRACER_HOOKS").unwrap(),
        ]);
        let mut child = command
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// How `nf_send_reset` runs by the next `hello`, and why.
    fn next_hook(&mut self) -> (String, String) {
        let hello = self.next("a hello", |line| line["type"] == "hello");
        let hooks = hello["hooks"].as_array().unwrap();
        let hook = hooks.iter().find(|hook| hook["hook"] == "nf_send_reset").unwrap();
        let text = |name: &str| hook[name].as_str().unwrap_or_default().to_owned();
        (text("how"), text("reason"))
    }

    fn next(&mut self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let read = self.output.by_ref().read_line(&mut line).unwrap();
            assert!(read > 0, "the tracer ended before {what}; it said:\n{seen}");
            let value = schema::line(&line);
            if is_it(&value) {
                return value;
            }
            seen.push_str(&line);
        }
    }
}

const PORT: u16 = 4711;
