//! Traffic that keeps every processor busy with a short queue: on each, one client and its servers.
//!
//! It runs over loopback, and from one network namespace into another through a REDIRECT, with conntrack in both. Its
//! processes end when their standard input does, so neither they nor their namespaces outlive the bench.

mod client;
mod process;
mod server;

use crate::cgroup::{Group, command_in};
use anyhow::{Context as _, bail, ensure};
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

pub(crate) use process::main;

pub(crate) const SUBCOMMAND: &str = "traffic";

pub(crate) struct Traffic {
    loopback: End,
    client: End,
    server: End,
    group: Group,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// Connect, accept, a byte there, a byte back, close.
    Churn,
    /// Send as much as fits through one connection a processor.
    Bulk,
    /// A byte there and a byte back on 32 connections.
    Requests,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Loopback,
    /// Over a veth pair, through a REDIRECT.
    Redirected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) job: Job,
    pub(crate) place: Place,
}

/// What was done in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    /// Connections, bytes or requests.
    pub(crate) amount: u64,
    /// Of them a second.
    pub(crate) rate: f64,
    /// The CPU time that the traffic itself took.
    pub(crate) cpu: Duration,
}

impl Traffic {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let group = Group::new(SUBCOMMAND)?;
        let traffic = Self {
            loopback: End::start(&group, "loopback")?,
            client: End::start(&group, "client")?,
            server: End::start(&group, "server")?,
            group,
        };
        let peer = traffic.server.child.id();
        traffic
            .client
            .ip(&format!("link add bench0 type veth peer name bench0 netns {peer}"))?;
        for (end, address) in [(&traffic.client, CLIENT), (&traffic.server, SERVER)] {
            end.ip(&format!("address add {address}/24 dev bench0"))?;
            end.ip("link set bench0 up")?;
        }
        Ok(traffic)
    }

    pub(crate) fn run(&mut self, work: Work, length: Duration) -> anyhow::Result<Made> {
        let before = self.group.cpu()?;
        let job = work.job.name();
        let (end, address, first) = match work.place {
            Place::Loopback => (&mut self.loopback, Ipv4Addr::LOCALHOST, server::FIRST),
            Place::Redirected => (&mut self.client, SERVER, process::FIRST_REDIRECTED),
        };
        let reply = end.ask(&format!("{job} {address} {first} {}", length.as_millis()))?;
        let (amount, rate) = reply.trim().split_once(' ').context("an amount and a rate")?;
        Ok(Made {
            amount: amount.parse()?,
            rate: rate.parse()?,
            cpu: self.group.cpu()?.saturating_sub(before),
        })
    }

    /// The process in whose namespace the REDIRECT is.
    pub(crate) fn server(&self) -> u32 {
        self.server.child.id()
    }
}

impl Job {
    fn name(self) -> &'static str {
        match self {
            Self::Churn => "churn",
            Self::Bulk => "bulk",
            Self::Requests => "requests",
        }
    }
}

/// A process in a network namespace of its own.
struct End {
    child: Child,
    commands: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl End {
    fn start(group: &Group, role: &str) -> anyhow::Result<Self> {
        let mut child = command_in(&group.processes(), "unshare")
            .arg("--net")
            .arg(env::current_exe()?)
            .args([SUBCOMMAND, role])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start `unshare`")?;
        let commands = child.stdin.take().context("the traffic's input")?;
        let replies = BufReader::new(child.stdout.take().context("the traffic's output")?);
        let mut end = Self {
            child,
            commands,
            replies,
        };
        end.reply()?;
        Ok(end)
    }

    fn ask(&mut self, command: &str) -> anyhow::Result<String> {
        writeln!(self.commands, "{command}")?;
        self.reply()
    }

    fn reply(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.replies.read_line(&mut line)? == 0 {
            bail!("the traffic ended early: {:?}", self.child.wait());
        }
        Ok(line)
    }

    /// Runs `ip` in its namespace.
    fn ip(&self, arguments: &str) -> anyhow::Result<()> {
        let status = Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", self.child.id()))
            .arg("ip")
            .args(arguments.split(' '))
            .status()
            .context("cannot start `nsenter`")?;
        ensure!(status.success(), "ip {arguments}: {status}");
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // It is done with, one way or the other.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 2);
