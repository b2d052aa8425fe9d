//! One of the processes that a test starts: a server, a sidecar or a client.
//!
//! It says what happens to it in lines of JSON, and ends with its standard input, whatever it is doing.

mod client;
mod server;
mod service;
mod sidecar;
mod socket;

use rustix::process::{Gid, Uid};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::{ExitCode, exit};
use std::thread;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Listens at its address.
    Server,
    /// Listens at its address, and forwards the calls of redirected connections.
    Sidecar,
    /// Calls the server at its address once for each line of its standard input.
    Client,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) role: Role,
    pub(crate) name: String,
    /// A process of the namespace that it joins.
    pub(crate) joins: u32,
    pub(crate) uid: u32,
    pub(crate) address: SocketAddr,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    Listening,
    /// The local end of a new connection.
    Connected(SocketAddr),
    Answer(String),
    Failed(String),
}

pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let part: Part = serde_json::from_str(&arguments[0]).expect("a part");
    let outcome = settle(&part).and_then(|()| {
        let lines = lines();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match part.role {
                Role::Server => server::run(part.address).await,
                Role::Sidecar => sidecar::run(part.address).await,
                Role::Client => client::run(part.address, lines).await,
            }
        })
    });
    if let Err(error) = outcome {
        say(&Said::Failed(error.to_string()));
    }
    ExitCode::FAILURE
}

fn say(said: &Said) {
    let line = serde_json::to_string(said).expect("plain data");
    let mut stdout = io::stdout().lock();
    // Whoever listened may be gone.
    let _ = writeln!(stdout, "{line}");
    let _ = stdout.flush();
}

/// Takes its name, namespace and user.
fn settle(part: &Part) -> io::Result<()> {
    rustix::thread::set_name(&std::ffi::CString::new(part.name.as_str())?)?;
    let namespace = File::open(format!("/proc/{}/ns/net", part.joins))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    if part.uid != 0 {
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_gid(Gid::from_raw(part.uid))?;
        rustix::thread::set_thread_uid(Uid::from_raw(part.uid))?;
    }
    Ok(())
}

fn lines() -> UnboundedReceiver<String> {
    let (sender, lines) = unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            // Only a client takes any.
            let _ = sender.send(line);
        }
        exit(0);
    });
    lines
}

pub(crate) const SUBCOMMAND: &str = "part";
