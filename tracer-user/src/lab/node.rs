//! The lab's end of one child process: starting it, telling it what to do, waiting for its answers.

use crate::lab::error::LabError;
use crate::lab::wire::{Answer, Command};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// What a child is to be.
#[derive(Clone, Copy)]
pub(super) struct Role<'a> {
    /// Its name, which becomes the name of its threads.
    pub name: &'a str,
    /// The process whose network namespace it joins; a new namespace where there is none.
    pub joins: Option<u32>,
    /// User and group.
    pub uid: u32,
}

/// A child process. Dropping it kills it, and with it everything it had open.
pub(super) struct Node {
    pub name: String,
    pub netns: u32,
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<Answer>,
}

impl Node {
    pub(super) fn start(program: &Path, role: Role<'_>) -> Result<Self, LabError> {
        let name = role.name.to_owned();
        let mut child = Process::new(program)
            .arg(SUBCOMMAND)
            .arg(role.name)
            .arg(role.joins.map_or_else(|| "new".to_owned(), |pid| pid.to_string()))
            .arg(role.uid.to_string())
            // A process group of its own, so that Ctrl-C in the terminal does not end the lab under the tracer.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| LabError::Start {
                name: name.clone(),
                source,
            })?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(LabError::Silent { name });
        };
        let mut node = Self {
            name,
            netns: 0,
            child,
            stdin,
            answers: listen_to(stdout),
        };
        node.netns = node.hello()?;
        Ok(node)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives a command and does not wait.
    pub(super) fn tell(&mut self, command: &Command) -> Result<(), LabError> {
        let talk = |source| LabError::Talk {
            name: self.name.clone(),
            source,
        };
        let mut line = serde_json::to_string(command).map_err(|error| talk(error.into()))?;
        line.push('\n');
        self.stdin.write_all(line.as_bytes()).map_err(talk)
    }

    /// The next answer, if it comes in time.
    pub(super) fn answer(&mut self, within: Duration) -> Option<Answer> {
        self.answers.recv_timeout(within).ok()
    }

    /// Gives a command that cannot hang and waits for its success.
    pub(super) fn ask(&mut self, command: &Command) -> Result<Answer, LabError> {
        self.tell(command)?;
        match self.answer(PATIENCE) {
            None => Err(LabError::Silent {
                name: self.name.clone(),
            }),
            Some(Answer::Failed { message, .. }) => Err(LabError::Refused {
                name: self.name.clone(),
                message,
            }),
            Some(answer) => Ok(answer),
        }
    }

    fn hello(&mut self) -> Result<u32, LabError> {
        match self.answer(PATIENCE) {
            Some(Answer::Hello { netns }) => Ok(netns),
            Some(Answer::Failed {
                errno: Some(libc::EPERM),
                ..
            }) => Err(LabError::Privileges),
            Some(Answer::Failed { message, .. }) => Err(LabError::Refused {
                name: self.name.clone(),
                message,
            }),
            _ => Err(LabError::Silent {
                name: self.name.clone(),
            }),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Errors mean that it is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends with the child's stdout.
fn listen_to(stdout: ChildStdout) -> Receiver<Answer> {
    let (sender, answers) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let Ok(answer) = serde_json::from_str(&line) else {
                return;
            };
            if sender.send(answer).is_err() {
                return;
            }
        }
    });
    answers
}

/// The hidden subcommand that [`host_main`](crate::lab::host_main) serves.
pub const SUBCOMMAND: &str = "lab-host";

/// How long a child may take for what does not hang by design: an overloaded test machine takes seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
