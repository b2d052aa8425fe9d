//! Answers inquiries, one at a time, on the calling thread, which visits other namespaces meanwhile.
//!
//! Every inquiry gets an answer within its time; a failure is one too.

use super::allowance::Allowance;
use super::clock::now;
use super::netns::{Found, Namespaces, NetnsError};
use super::probe::{Probe, ProbeError};
use super::reader::ReadError;
use super::rulebook::Rulebook;
use super::zones::Zones;
use super::{aspect, census, process, sweep, walking};
use crate::inspect::link::Peer;
use crate::inspect::socket::Socket;
use crate::inspect::walk;
use crate::model::aspect::Aspect;
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::inquiry::{Answer, Examined, Inquiry, Question, Reply};
use crate::model::tcp::ConntrackState;
use crate::model::tuple::{Endpoint, Tuple};
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

#[derive(Debug)]
pub struct Examiner {
    namespaces: Namespaces,
    zones: Zones,
    rulebook: Rulebook,
    holders: process::Remembered,
    /// For the sockets that packets may have been meant for which met none.
    searches: Allowance,
}

impl Examiner {
    /// The calling thread's namespace is the one that it goes back to after each answer.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            namespaces: Namespaces::new()?,
            zones: Zones::default(),
            rulebook: Rulebook::default(),
            holders: process::Remembered::default(),
            searches: Allowance::default(),
        })
    }

    /// Finds namespaces by path only, as before Linux 6.18.
    #[must_use]
    pub fn without_handles(self) -> Self {
        Self {
            namespaces: self.namespaces.without_handles(),
            ..self
        }
    }

    /// Whether the thread is stuck in a foreign namespace: it must end.
    pub fn stranded(&self) -> bool {
        self.namespaces.stranded()
    }

    pub fn answer(&mut self, inquiry: &Inquiry) -> Answer {
        let deadline = Instant::now() + TIME_MAX;
        let (enter, reply) = match &inquiry.question {
            Question::Sweep => (
                None,
                Ok(Reply::Swept(sweep::sweep(
                    &mut self.namespaces,
                    &mut self.zones,
                    deadline,
                ))),
            ),
            Question::Stalled => (None, Ok(Reply::Stalled(census::census(&mut self.namespaces, deadline)))),
            Question::Connection { tuple, target, aspects } => self.at(inquiry, |examiner, found| {
                examiner.connection(found, (*tuple, *target), aspects, deadline)
            }),
            &Question::Link { ifindex } => self.at(inquiry, |examiner, found| examiner.link(found, ifindex, deadline)),
            Question::Walk {
                packets,
                connmark,
                aspects,
            } => self.at(inquiry, |examiner, found| {
                let Self {
                    namespaces,
                    rulebook,
                    zones,
                    holders: _,
                    searches,
                } = examiner;
                let mut walked = walking::walk(namespaces, rulebook, found, packets, *connmark, deadline)?;
                if !aspects.is_empty() {
                    let scope = aspect::Scope {
                        inode: found.inode,
                        leaving: None,
                    };
                    walked.seen = namespaces.inside(found, |_| {
                        aspect::look(&mut Probe::new(deadline), zones, searches, scope, aspects)
                    })?;
                }
                Ok(Reply::Walked(Box::new(walked)))
            }),
            Question::Who(_) => (None, Ok(Reply::Unreachable("the inspector knows no names".into()))),
        };
        let reply = reply.unwrap_or_else(|error| match error {
            ExamineError::Netns(NetnsError::Gone) => Reply::Gone,
            ExamineError::Netns(_) | ExamineError::Probe(_) | ExamineError::Rules(_) => {
                Reply::Unreachable(error.to_string().into())
            }
        });
        Answer {
            id: inquiry.id,
            at: now(),
            enter,
            reply,
        }
    }

    fn at(
        &mut self,
        inquiry: &Inquiry,
        examine: impl FnOnce(&mut Self, &Found) -> Result<Reply, ExamineError>,
    ) -> (Option<Arc<str>>, Result<Reply, ExamineError>) {
        match self.namespaces.find(inquiry.netns, inquiry.hint) {
            Ok(found) => (found.enter.clone(), examine(self, &found)),
            Err(error) => (None, Err(error.into())),
        }
    }

    fn connection(
        &mut self,
        found: &Found,
        (tuple, target): (Tuple, Option<Endpoint>),
        aspects: &[Aspect],
        deadline: Instant,
    ) -> Result<Reply, ExamineError> {
        let Self { namespaces, zones, .. } = self;
        let entry = namespaces.inside(found, |_| Probe::new(deadline).conntrack(tuple, zones))??;
        let entry = entry.filter(|entry| !misleads(entry) || self.tracks(found, tuple, deadline));
        let (zones, searches) = (&mut self.zones, &mut self.searches);
        let seen = self.namespaces.inside(found, |_| {
            let mut probe = Probe::new(deadline);
            let mut seen = look(&mut probe, tuple, target, entry)?;
            let scope = aspect::Scope {
                inode: found.inode,
                leaving: Some(Tuple::new(source(tuple, entry.as_ref()), seen.target)),
            };
            seen.aspects = aspect::look(&mut probe, zones, searches, scope, aspects);
            Ok::<_, ProbeError>(seen)
        })??;
        let inodes = seen
            .listeners
            .iter()
            .chain(&seen.socket)
            .map(|socket| socket.inode)
            .collect();
        let processes = self.holders.holders(inodes, &HashSet::from([found.inode]));
        let process = |socket: &Socket| processes.get(&socket.inode).copied();
        Ok(Reply::Connection(Box::new(Examined {
            conntrack: seen.conntrack,
            socket: seen.socket.map(|socket| socket.info(process(&socket))),
            target: seen.target,
            target_is_local: seen.target_is_local,
            listeners: seen
                .listeners
                .iter()
                .map(|socket| socket.listener(process(socket)))
                .collect(),
            seen: seen.aspects,
        })))
    }

    /// Whether conntrack still acts on packets like these, as far as is known: without a rule that needs it the kernel
    /// tracks nothing, and keeps the entries until their time is over.
    fn tracks(&mut self, found: &Found, tuple: Tuple, deadline: Instant) -> bool {
        let version = self.rulebook.current(&mut self.namespaces, found, deadline);
        let is_ipv6 = tuple.destination.address.is_ipv6();
        version.map_or(true, |version| walk::tracks(&version.snapshot.ruleset, is_ipv6))
    }

    fn link(&mut self, found: &Found, ifindex: u32, deadline: Instant) -> Result<Reply, ExamineError> {
        let (own, peer) = self
            .namespaces
            .inside(found, |netns| (netns, Probe::new(deadline).peer(ifindex)))?;
        let id = match peer? {
            Peer::None => return Ok(Reply::Link(None)),
            Peer::SameNamespace => return Ok(Reply::Link(Some(own))),
            Peer::Namespace(id) => id,
        };
        for (inode, path) in self.namespaces.all() {
            // One may vanish at any time.
            let Ok(candidate) = self.namespaces.open_path(inode, path) else {
                continue;
            };
            let descriptor = candidate.descriptor().unwrap_or_else(|| self.namespaces.home());
            let called = self
                .namespaces
                .inside(found, |_| Probe::new(deadline).id_of(descriptor))??;
            if called == Some(id) {
                return Ok(Reply::Link(Some(self.namespaces.inside(&candidate, |netns| netns)?)));
            }
        }
        Ok(Reply::Link(None))
    }
}

#[derive(Debug, Error)]
enum ExamineError {
    #[error(transparent)]
    Netns(#[from] NetnsError),
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error(transparent)]
    Rules(#[from] ReadError),
}

/// What was seen inside the namespace.
struct Seen {
    conntrack: Option<Conntrack>,
    socket: Option<Socket>,
    target: Endpoint,
    target_is_local: bool,
    listeners: Vec<Socket>,
    aspects: Vec<crate::model::aspect::Seen>,
}

/// It would say where packets go, or why nothing comes back, if it acted on anything.
fn misleads(entry: &Conntrack) -> bool {
    entry.translated().is_some() || entry.state == Some(ConntrackState::Close)
}

fn look(
    probe: &mut Probe,
    tuple: Tuple,
    target: Option<Endpoint>,
    conntrack: Option<Conntrack>,
) -> Result<Seen, ProbeError> {
    let socket = probe.socket(tuple)?;
    let target = target.unwrap_or_else(|| destination(tuple, conntrack.as_ref()));
    let target_is_local = probe.is_local(target)?;
    let mut listeners = Vec::new();
    if target_is_local {
        listeners = probe.listeners(Some(target.port))?;
        listeners.retain(|listener| listener.serves(target));
    }
    Ok(Seen {
        conntrack,
        socket,
        target,
        target_is_local,
        listeners,
        aspects: Vec::new(),
    })
}

/// Where the packets of a socket go.
fn destination(tuple: Tuple, entry: Option<&Conntrack>) -> Endpoint {
    match entry {
        Some(entry) if entry.direction(tuple) == Some(Direction::Original) => entry.leaving().destination,
        // A server's socket answers to whom its packets came from.
        Some(_) | None => tuple.destination,
    }
}

/// Where they come from then.
fn source(tuple: Tuple, entry: Option<&Conntrack>) -> Endpoint {
    match entry {
        Some(entry) if entry.direction(tuple) == Some(Direction::Original) => entry.leaving().source,
        Some(_) | None => tuple.source,
    }
}

/// For one inquiry, whatever the kernel does.
const TIME_MAX: Duration = Duration::from_secs(2);
