//! Completions and the manual, as shells and man read them.

#![expect(clippy::expect_used, reason = "the whole crate is tests")]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn conntracer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntracer"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn printed(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = conntracer(arguments).output().expect("the program runs");
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!((status.code(), &*stderr), (Some(0), ""), "{arguments:?}");
    String::from_utf8(stdout).expect("UTF-8")
}

/// What another program says of a text that it gets by standard input.
fn judged(program: &str, arguments: &[&str], text: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is there, as on every system with a manual and a shell");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    child.wait_with_output().expect("it ends")
}

/// A path of this test's own.
fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

#[test]
fn bash_takes_its_completion_and_offers_commands_and_the_values_of_options() {
    let script = printed(&["completions", "bash"]);
    let offer = |words: &str, current: usize| {
        let ask = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={current}; _conntracer conntracer \"${{COMP_WORDS[{current}]}}\" \
             \"${{COMP_WORDS[{current} - 1]}}\"; echo \"${{COMPREPLY[*]}}\""
        );
        let Output { status, stdout, stderr } = judged("bash", &["--norc", "--noprofile"], &ask);
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        assert_eq!((status.code(), &*stderr), (Some(0), ""), "{words}");
        String::from_utf8(stdout).expect("UTF-8")
    };
    assert!(offer("conntracer au", 1).contains("audit"));
    assert!(offer("conntracer trace --events ''", 3).contains("none suspect all"));
    assert!(!offer("conntracer ''", 1).split_whitespace().any(|word| word == "lab"));
}

#[test]
fn every_shell_that_is_known_has_a_completion_and_another_is_refused_by_name() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(printed(&["completions", shell]).contains("doctor"), "{shell}");
    }
    let refused = conntracer(&["completions", "tcsh"]).output().expect("runs");
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(
        (refused.status.code(), stderr.lines().count()),
        (Some(2), 1),
        "{stderr}"
    );
    assert!(stderr.contains("tcsh") && stderr.contains("bash"), "{stderr}");
}

#[test]
fn man_sets_every_page_without_a_warning() {
    let folder = scratch("man");
    let out = folder.to_str().expect("UTF-8");
    assert_eq!(printed(&["man", "--out", out]), "");
    let pages = fs::read_dir(&folder)
        .expect("written")
        .map(|entry| entry.expect("read").path());
    let pages: Vec<_> = pages.collect();
    assert!(pages.len() >= 9, "{pages:?}");
    for path in pages {
        let page = fs::read_to_string(&path).expect("readable");
        // What man runs.
        let Output { status, stdout, stderr } =
            judged("groff", &["-man", "-Tutf8", "-ww", "-K", "utf8", "-P-cbou"], &page);
        let (text, warnings) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert_eq!((status.code(), &*warnings), (Some(0), ""), "{}", path.display());
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS"] {
            assert!(text.contains(heading), "{}: {text}", path.display());
        }
    }
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn a_page_can_be_asked_for_by_its_command() {
    assert!(printed(&["man"]).contains(".TH conntracer 8"));
    assert!(printed(&["man", "ports"]).contains(".TH conntracer-ports 8 \"\" "));
    let refused = conntracer(&["man", "lab-host"]).output().expect("runs");
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(
        (refused.status.code(), stderr.lines().count()),
        (Some(2), 1),
        "{stderr}"
    );
    assert!(stderr.contains("lab-host") && stderr.contains("ports"), "{stderr}");
}

#[test]
fn a_closed_pipe_ends_both_quietly() {
    for arguments in [&["man"][..], &["completions", "zsh"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = conntracer(arguments).stdout(writer).stderr(Stdio::piped()).spawn();
        let output = output.expect("runs").wait_with_output().expect("ends");
        assert_eq!(
            (output.status.code(), output.stderr.len()),
            (Some(0), 0),
            "{arguments:?}"
        );
    }
}
