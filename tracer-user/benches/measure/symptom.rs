//! A symptom in a namespace of its own, and how long its finding takes.

use crate::load::command;
use crate::system;
use crate::tracer::Tracer;
use anyhow::bail;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

#[derive(Clone, Copy)]
pub(crate) enum Symptom {
    /// A rule drops the SYN.
    Dropped,
    /// A rule redirects it to where nobody listens: this host's RST.
    Reset,
}

/// From the symptom to its finding.
#[derive(Clone, Copy)]
pub(crate) struct Delay {
    /// As the line says.
    pub(crate) told: Duration,
    /// Until the line could be read.
    pub(crate) readable: Duration,
}

impl Symptom {
    /// Makes it, and waits for the finding of it.
    pub(crate) fn delay(self, tracer: &mut Tracer) -> anyhow::Result<Delay> {
        system::in_own_network(|| self.delay_here(tracer))
    }

    fn delay_here(self, tracer: &mut Tracer) -> anyhow::Result<Delay> {
        command("ip", "link set lo up", "")?;
        command("nft", "-f -", RULES)?;
        let inode = fs::metadata("/proc/thread-self/ns/net")?.ino();
        let begun = now()?;
        let _waiting = self.make()?;
        let told = tracer.wait_for("its finding", PATIENCE, |line| told_of(line, inode))?;
        Ok(Delay {
            told: told.saturating_sub(begun),
            readable: now()?.saturating_sub(begun),
        })
    }

    /// The socket, if it waits for an answer from now on.
    fn make(self) -> anyhow::Result<Option<OwnedFd>> {
        let (flags, port) = match self {
            Self::Dropped => (SocketFlags::NONBLOCK, DROPPED),
            Self::Reset => (SocketFlags::empty(), REDIRECTED),
        };
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        match (self, connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))) {
            (Self::Dropped, Err(Errno::INPROGRESS)) => Ok(Some(socket)),
            (Self::Reset, Err(Errno::CONNREFUSED)) => Ok(None),
            (_, other) => bail!("a connect that was to fail: {other:?}"),
        }
    }
}

/// The time of the line, if it is a finding of this namespace.
fn told_of(line: &str, inode: u64) -> Option<Duration> {
    if !line.contains(r#""type":"finding""#) {
        return None;
    }
    let line: Value = serde_json::from_str(line).ok()?;
    let is_it = line["connection"]["netns"]["inode"] == inode;
    is_it.then(|| Some(Duration::from_nanos(line["mono"].as_str()?.parse().ok()?)))?
}

/// The clock of the lines.
fn now() -> anyhow::Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::Monotonic))?)
}

const DROPPED: u16 = 9002;
const REDIRECTED: u16 = 9003;
const RULES: &str = "\
add table ip bench
add chain ip bench in { type filter hook input priority 0; }
add rule ip bench in tcp dport 9002 drop
add chain ip bench out { type nat hook output priority -100; }
add rule ip bench out tcp dport 9003 redirect to :9001
";
const PATIENCE: Duration = Duration::from_secs(20);
