//! rustup's toolchains: those with the library's source, and one to install where rustup reaches its server.

use std::{
    collections::VecDeque,
    env, fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// What a person can run where we could not.
pub(super) const INSTALL_COMMAND: &str =
    "rustup toolchain install nightly-2026-05-19 --profile minimal --component rust-src";

/// The folders of all toolchains that have `rust-src`, the one we would install first.
pub(super) fn toolchains_with_source() -> VecDeque<PathBuf> {
    let mut found = VecDeque::new();
    let Some(home) = home() else { return found };
    let Ok(entries) = fs::read_dir(home.join("toolchains")) else {
        return found;
    };
    let mut all = entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    all.sort();
    for path in all
        .into_iter()
        .filter(|path| path.join("lib/rustlib/src/rust/library").exists())
    {
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(NIGHTLY))
        {
            found.push_front(path);
        } else {
            found.push_back(path);
        }
    }
    found
}

/// Installs the dated nightly; gives up early where rustup is not there or does not reach its server.
pub(super) fn install() -> Option<PathBuf> {
    println!("setup: installing {NIGHTLY} with rust-src by rustup: the BPF target has no prebuilt core library");
    let mut words = INSTALL_COMMAND.split(' ');
    let mut child = Command::new(words.next()?)
        .args(words)
        .arg("--no-self-update")
        .env("RUSTUP_MAX_RETRIES", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .inspect_err(|error| println!("setup: no rustup ({error})"))
        .ok()?;
    if !watch(&mut child) {
        println!("setup: rustup could not install it here");
        return None;
    }
    toolchains_with_source()
        .into_iter()
        .find(|path| path.to_string_lossy().contains(NIGHTLY))
}

/// Waits for rustup's end: briefly until it downloads, patiently from then on.
fn watch(child: &mut Child) -> bool {
    let Some(stderr) = child.stderr.take() else {
        return false;
    };
    let (lines, received) = mpsc::channel();
    thread::spawn(move || {
        BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| lines.send(line))
    });
    let start = Instant::now();
    let mut limit = REACHING_THE_SERVER;
    loop {
        match received.recv_timeout(limit.saturating_sub(start.elapsed())) {
            Ok(line) if line.contains("downloading") => limit = DOWNLOADING,
            Ok(line) if line.starts_with("error:") => println!("setup: rustup: {line}"),
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return child.wait().is_ok_and(|status| status.success()),
            Err(RecvTimeoutError::Timeout) => {
                println!("setup: rustup did not get further within {} s", limit.as_secs());
                // Both fail only for a child that has ended.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

fn home() -> Option<PathBuf> {
    let home = env::var_os("RUSTUP_HOME").map(PathBuf::from);
    home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".rustup")))
}

/// A nightly of the same LLVM as bpf-linker; dated, so that every machine builds with the same compiler.
const NIGHTLY: &str = "nightly-2026-05-19";
const REACHING_THE_SERVER: Duration = Duration::from_secs(15);
const DOWNLOADING: Duration = Duration::from_mins(10);
