//! The program as its users meet it: exit codes, one-line errors, signals, closed pipes, files.

#![expect(clippy::expect_used, reason = "the whole crate is tests")]

mod schema;

use aya::programs::loaded_programs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn conntracer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntracer"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str]) -> Output {
    conntracer(arguments).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A path of this test's own.
fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    folder.join(name)
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    text(bytes).lines().map(schema::line).collect()
}

fn assert_whole(lines: &[Value]) {
    assert_eq!(lines.first().map(|line| &line["type"]), Some(&Value::from("hello")));
    assert_eq!(lines.last().map(|line| &line["type"]), Some(&Value::from("summary")));
    for (seq, line) in lines.iter().enumerate() {
        assert_eq!((&line["seq"], &line["v"]), (&Value::from(seq), &Value::from(1)));
    }
}

fn assert_live_possible() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test traces the kernel and needs root: run it with sudo"
    );
}

/// Waits for the first line, which says that the probes are attached.
fn started(child: &mut Child) -> (String, BufReader<impl Read + use<>>) {
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    let mut first = String::new();
    reader.read_line(&mut first).expect("a first line");
    (first, reader)
}

fn exit_code(child: &mut Child) -> Option<i32> {
    let patience = Instant::now() + Duration::from_secs(20);
    while Instant::now() < patience {
        if let Some(status) = child.try_wait().expect("waits") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("ours");
    child.wait().expect("ours");
    panic!("the program did not end");
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("not 0");
    kill_process(pid, signal).expect("our child");
}

#[test]
fn wrong_arguments_end_with_2_and_one_line_that_names_them() {
    for (arguments, named) in [
        (&["--for", "soon"][..], "soon"),
        (&["--hang-after", "0s"], "0s"),
        (&["--netns", "no-such-place"], "no-such-place"),
        (&["--netns", "pid:0"], "pid:0"),
        (&["--port", "99999"], "99999"),
        (&["--cidr", "10.0.0.0/33"], "10.0.0.0/33"),
        (&["--comm", "a-name-that-is-too-long"], "a-name-that-is-too-long"),
        (&["--events", "some"], "some"),
        (&["frobnicate"], "frobnicate"),
        (&["demo", "no-such-scenario"], "no-such-scenario"),
        (&["demo", "--backend", "ipfw"], "ipfw"),
        (&["replay"], "FILE"),
        (&["replay", "/no/such/file"], "/no/such/file"),
    ] {
        let Output { status, stdout, stderr } = output(arguments);
        let stderr = text(&stderr);
        assert_eq!(status.code(), Some(2), "{arguments:?}: {stderr}");
        assert_eq!(
            (stderr.lines().count(), stdout.len()),
            (1, 0),
            "{arguments:?}: {stderr}"
        );
        assert!(
            stderr.starts_with("conntracer: ") && stderr.contains(named),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn the_list_of_scenarios_is_text_unless_json_is_asked_for() {
    let list = output(&["demo", "--list"]);
    let table = text(&list.stdout);
    assert_eq!((list.status.code(), list.stderr.len()), (Some(0), 0));
    assert!(table.contains("\nreply-rejected  ") && !table.contains('{'), "{table}");
    let lines = text(&output(&["demo", "--list", "--json"]).stdout);
    let names = lines.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("an object");
        line["name"].as_str().expect("a name").to_owned()
    });
    assert!(
        names.into_iter().all(|name| table.contains(&format!("\n{name}  "))),
        "{table}"
    );
}

#[test]
fn help_and_version_are_results() {
    for argument in ["--help", "--version"] {
        let Output { status, stdout, stderr } = output(&[argument]);
        assert_eq!((status.code(), stderr.len()), (Some(0), 0));
        assert!(text(&stdout).contains("conntracer") || argument == "--help");
    }
}

#[test]
fn without_privileges_it_says_what_it_needs_and_ends_with_2() {
    assert_live_possible();
    // The folders above the build may be closed to others.
    let program = PathBuf::from(format!("/tmp/conntracer-cli-{}", std::process::id()));
    // By another process: a child of another test would inherit the descriptor that writes it, and it would be busy.
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_conntracer"))
        .arg(&program)
        .status();
    assert!(copied.expect("cp runs").success());
    let outcome = Command::new(&program)
        .args(["--for", "1s"])
        .uid(65534)
        .gid(65534)
        .output();
    fs::remove_file(&program).expect("removed");
    assert_refused(&outcome.expect("runs"));
}

fn assert_refused(output: &Output) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("CAP_BPF") && stderr.contains("run as root"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn it_stops_by_itself_and_its_lines_are_whole() {
    assert_live_possible();
    let Output { status, stdout, .. } = output(&["--json", "--for", "1500ms"]);
    assert_eq!(status.code(), Some(0));
    assert_whole(&lines(&stdout));
}

#[test]
fn signals_end_it_with_a_summary_and_0() {
    assert_live_possible();
    for stop in [Signal::INT, Signal::TERM] {
        let mut child = conntracer(&["--json"]).spawn().expect("runs");
        let (first, mut rest) = started(&mut child);
        signal(&child, stop);
        let mut all = first.into_bytes();
        rest.read_to_end(&mut all).expect("reads");
        assert_eq!(exit_code(&mut child), Some(0));
        assert_whole(&lines(&all));
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    assert_live_possible();
    let mut child = conntracer(&["--json", "--events", "all"]).spawn().expect("runs");
    drop(started(&mut child));
    assert_eq!(exit_code(&mut child), Some(0));
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut stderr)
        .expect("reads");
    assert_eq!(stderr, "");
}

#[test]
fn a_file_is_readable_by_its_owner_only() {
    assert_live_possible();
    let path = scratch("private.jsonl");
    let file = path.to_str().expect("UTF-8");
    assert_eq!(output(&["--for", "500ms", "-o", file]).status.code(), Some(0));
    let mode = fs::metadata(&path).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_whole(&lines(&fs::read(&path).expect("readable")));
}

#[test]
fn killed_it_leaves_no_program_in_the_kernel() {
    assert_live_possible();
    let mut child = conntracer(&["--json"]).spawn().expect("runs");
    let _rest = started(&mut child);
    let programs = programs_of(child.id());
    assert!(programs.len() >= 7, "{programs:?}");
    signal(&child, Signal::KILL);
    child.wait().expect("ours");
    let patience = Instant::now() + Duration::from_secs(5);
    loop {
        let loaded: BTreeSet<u32> = loaded_programs()
            .filter_map(|program| Some(program.ok()?.id()))
            .collect();
        if programs.is_disjoint(&loaded) {
            break;
        }
        assert!(Instant::now() < patience, "programs {programs:?} are still loaded");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The ids of the BPF programs that the process holds.
fn programs_of(pid: u32) -> BTreeSet<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("readable");
    let id = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
    };
    entries.flatten().filter_map(id).collect()
}

#[test]
fn a_finding_is_told_by_the_exit_code_only_where_that_was_asked_for() {
    assert_live_possible();
    for (arguments, expected) in [(&["--json", "--fail-on-finding"][..], 1), (&["--json"], 0)] {
        let mut child = conntracer(arguments).spawn().expect("runs");
        let (_, mut rest) = started(&mut child);
        let demo = output(&["demo", "redirect-to-dead-port", "--json"]);
        assert_eq!(demo.status.code(), Some(0), "{}", text(&demo.stderr));
        // As `cargo xtask accuracy` reads it.
        let told = text(&demo.stderr);
        let found = told
            .lines()
            .find_map(|line| line.strip_prefix("demo: found redirect-to-dead-port (proved) "));
        assert!(
            found.is_some_and(|when| when.ends_with(" ms after the error")),
            "{told}"
        );
        signal(&child, Signal::INT);
        let mut all = Vec::new();
        rest.read_to_end(&mut all).expect("reads");
        assert_eq!(exit_code(&mut child), Some(expected));
        assert!(lines(&all).iter().any(|line| line["cause"] == "redirect-to-dead-port"));
    }
}

#[test]
fn doctor_names_every_hook() {
    assert_live_possible();
    let Output { status, stdout, .. } = output(&["doctor", "--format", "text"]);
    assert_eq!(status.code(), Some(0), "this kernel has every core hook");
    for hook in ["inet_sock_set_state", "kfree_skb", "tcp_send_reset"] {
        assert!(text(&stdout).contains(hook));
    }
    let hello = lines(&output(&["doctor", "--json"]).stdout);
    let hooks = hello[0]["hooks"].as_array().expect("a list");
    for hook in hooks {
        let (how, reason) = (hook["how"].as_str().expect("a word"), &hook["reason"]);
        assert!(
            reason.is_string() || matches!(how, "tp_btf" | "fentry" | "fexit"),
            "{hook}"
        );
        assert!(text(&stdout).contains(hook["hook"].as_str().expect("a name")), "{hook}");
    }
    for (hook, how) in [
        ("inet_sock_set_state", "tp_btf"),
        ("nf_send_reset", "absent"),
        ("nf_ct_delete", "netlink"),
    ] {
        let found = hooks.iter().find(|found| found["hook"] == hook).expect("a row");
        assert_eq!(found["how"], how, "this kernel takes neither trampolines nor kprobes");
    }
}

#[test]
fn hooks_that_are_switched_off_say_so() {
    assert_live_possible();
    let Output { status, stdout, .. } = output(&["doctor", "--json", "--hooks", "tracepoint"]);
    assert_eq!(status.code(), Some(0));
    let hello = lines(&stdout);
    let hooks = hello[0]["hooks"].as_array().expect("a list");
    let found = hooks
        .iter()
        .find(|hook| hook["hook"] == "nf_send_reset")
        .expect("a row");
    assert!(
        found["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("--hooks tracepoint")),
        "{found}"
    );
    let wrong = output(&["doctor", "--hooks", "uprobe"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("uprobe"));
}

#[test]
fn replay_names_and_skips_what_it_cannot_read_and_reads_the_rest() {
    assert_live_possible();
    let recording = output(&["demo", "redirect-to-dead-port", "--json"]).stdout;
    let path = scratch("damaged.jsonl");
    let mut file = fs::File::create(&path).expect("created");
    file.write_all(b"not json\n{\"v\":2,\"type\":\"hello\"}\n")
        .expect("written");
    file.write_all(&recording).expect("written");
    file.write_all(b"{\"v\":1,\"type\":\"eve").expect("written");
    let file = path.to_str().expect("UTF-8");
    let Output { status, stdout, stderr } = output(&["replay", file, "--json", "--fail-on-finding"]);
    let stderr = text(&stderr);
    assert_eq!(status.code(), Some(1), "{stderr}");
    for line in ["line 1 ", "line 2 "] {
        assert!(stderr.contains(line) && stderr.contains(file), "{stderr}");
    }
    assert_eq!(stderr.lines().count(), 3, "{stderr}");
    assert!(
        lines(&stdout)
            .iter()
            .any(|line| line["cause"] == "redirect-to-dead-port")
    );
    let nothing = output(&["replay", "/etc/hostname"]);
    assert_eq!(nothing.status.code(), Some(2));
}
