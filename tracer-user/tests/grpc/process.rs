//! The tests' end of the processes that they start.

use crate::part::{Part, SUBCOMMAND, Said};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A running part. Dropping it ends it.
pub(crate) struct Process {
    child: Child,
    said: Receiver<Said>,
    /// The local end of its latest connection.
    pub(crate) connected: Option<SocketAddr>,
}

impl Process {
    pub(crate) fn start(part: &Part) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args([SUBCOMMAND, &serde_json::to_string(part).expect("plain data")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let stdout = child.stdout.take().expect("piped");
        let (sender, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let said = serde_json::from_str(&line).expect("what a part says");
                if sender.send(said).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            said,
            connected: None,
        }
    }

    pub(crate) fn listening(self) -> Self {
        assert_eq!(self.next(PATIENCE), Some(Said::Listening));
        self
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Begins a call.
    pub(crate) fn call(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{text}").expect("it runs");
    }

    /// The answer to the call, if it comes in time.
    pub(crate) fn answer(&mut self, within: Duration) -> Option<Said> {
        let until = Instant::now() + within;
        loop {
            match self.next(until.saturating_duration_since(Instant::now()))? {
                Said::Connected(local) => self.connected = Some(local),
                said @ (Said::Listening | Said::Answer(_) | Said::Failed(_)) => return Some(said),
            }
        }
    }

    /// Takes notice of connections made so far.
    pub(crate) fn connection(&mut self) -> SocketAddr {
        while let Some(Said::Connected(local)) = self.next(Duration::ZERO) {
            self.connected = Some(local);
        }
        self.connected.expect("it has connected")
    }

    fn next(&self, within: Duration) -> Option<Said> {
        self.said.recv_timeout(within).ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already if it failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What takes milliseconds may take this long on an overloaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
