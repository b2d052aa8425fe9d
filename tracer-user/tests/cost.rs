//! What it says that it costs, while connections are made all the time: not nothing, and nothing absurd.

#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

mod schema;
mod space;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use space::Space;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Long enough for three windows.
const LOAD: Duration = Duration::from_millis(2_500);

fn start(arguments: &[&str]) -> Child {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test traces the kernel: run it as root"
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntracer"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// What the program says while there is a load, its first line apart: it traces once it says that.
fn under_load(arguments: &[&str]) -> (String, String) {
    let space = Space::new();
    let mut tracer = start(arguments);
    let mut output = BufReader::new(tracer.stdout.take().unwrap());
    let (mut first, mut rest) = (String::new(), String::new());
    output.read_line(&mut first).unwrap();
    space.inside(connect_for_a_while);
    kill_process(Pid::from_child(&tracer), Signal::INT).unwrap();
    output.read_to_string(&mut rest).unwrap();
    assert!(tracer.wait().unwrap().success());
    (first, rest)
}

fn connect_for_a_while() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                drop(TcpStream::connect(address).unwrap());
                drop(listener.accept().unwrap());
            }
        });
        thread::sleep(LOAD);
        over.store(true, Ordering::Relaxed);
    });
}

fn number(value: &Value, path: &str) -> f64 {
    let found = value.pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("{path} in {value}"))
}

#[test]
fn it_measures_its_probes_its_share_of_a_core_its_memory_and_its_ring() {
    let (hello, rest) = under_load(&["trace", "--json", "--events", "all"]);
    schema::line(&hello);
    let lines: Vec<Value> = rest.lines().map(schema::line).collect();
    let of = |kind: &str| lines.iter().rfind(|line| line["type"] == kind).unwrap();
    let (stats, summary) = (of("stats"), of("summary"));
    for cost in [&stats["cost"], &summary["cost"]] {
        let (runs, nanos) = (number(cost, "/probe_runs_per_s"), number(cost, "/probe_ns_per_s"));
        assert!(runs > 1_000.0, "{cost}");
        let each = nanos / runs;
        assert!((1.0..50_000.0).contains(&each), "{each} ns a run: {cost}");
        // Of at most as many cores as there are.
        let percent = number(cost, "/cpu_percent/probes");
        assert!((percent - nanos / 1e7).abs() < 0.001, "{cost}");
        let cores = f64::from(u32::try_from(thread::available_parallelism().unwrap().get()).unwrap());
        assert!(percent < 100.0 * cores, "{cost}");
        let process = number(cost, "/cpu_percent/process");
        assert!(process > 0.0 && process < 100.0 * cores, "{cost}");
        // The kernel's two clock reads.
        assert!((1.0..10_000.0).contains(&number(cost, "/clock_ns")), "{cost}");
        let hooks = cost["hooks"].as_array().unwrap();
        let sum: f64 = hooks.iter().map(|hook| number(hook, "/ns_per_s")).sum();
        assert!((sum - nanos).abs() < 1.0, "{cost}");
        assert!(hooks.iter().any(|hook| hook["hook"] == "inet_sock_set_state"), "{cost}");
    }
    assert!(number(&summary["cost"], "/measured_ms") >= 200.0, "{summary}");
    let ring = (number(stats, "/ring/high_water_bytes"), number(stats, "/ring/bytes"));
    assert!(ring.0 > 0.0 && ring.0 <= ring.1, "{stats}");
    let cost = &summary["cost"];
    assert!(number(cost, "/map_bytes") > number(cost, "/ring_bytes"), "{cost}");
    let mebibytes = number(cost, "/resident_bytes") / f64::from(1 << 20);
    assert!((1.0..200.0).contains(&mebibytes), "{cost}");
}

#[test]
fn text_ends_with_what_it_cost_hook_by_hook_where_that_is_asked_for() {
    let (_, text) = under_load(&["trace", "--format", "text", "-v"]);
    let cost = text.lines().position(|line| line.starts_with("  cost")).unwrap();
    let end: Vec<_> = text.lines().skip(cost).collect();
    assert!(end[0].contains(" % of a core (probes "), "{text}");
    let hooks: Vec<_> = end.iter().filter(|line| line.contains(" ns each, ")).collect();
    assert!(hooks[0].starts_with("  probes"), "{text}");
    assert!(hooks.iter().any(|line| line.contains("inet_sock_set_state ")), "{text}");
}
