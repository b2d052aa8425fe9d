//! Reads the rules of namespaces, one at a time, on the calling thread, which visits them meanwhile.
//!
//! What becomes of one namespace is of no consequence to the others. Holds no namespace between two calls.

use super::bpf;
use super::clock::now;
use super::netns::{Found, Namespaces, NetnsError};
use super::probe::ProbeError;
use super::rules;
use crate::model::identity::Netns;
use crate::model::rules::Snapshot;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ReadError {
    /// It is gone, or was not found.
    #[error("{0}")]
    Namespace(String),
    #[error("{0}")]
    Kernel(String),
    /// The thread cannot go home any more: it must end.
    #[error("the own network namespace cannot be entered again")]
    Stranded,
}

#[derive(Debug)]
pub struct Reader {
    namespaces: Namespaces,
}

impl Reader {
    /// The calling thread's namespace is the one that it goes back to after each reading.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            namespaces: Namespaces::new()?,
        })
    }

    /// Every namespace that has a name or a process, with a path to it. Their cookies are told by their snapshots.
    pub fn all(&mut self) -> Vec<(Netns, Arc<str>)> {
        let all = self.namespaces.all();
        all.into_iter()
            .map(|(inode, path)| (Netns { cookie: 0, inode }, path))
            .collect()
    }

    /// The namespace of the calling thread.
    pub fn own(&self) -> Netns {
        self.namespaces.own()
    }

    pub fn snapshot(&mut self, netns: Netns) -> Result<Snapshot, ReadError> {
        let found = self.namespaces.find(netns, None)?;
        snapshot(&mut self.namespaces, &found, Instant::now() + TIME_MAX)
    }

    /// The generation of the namespace's nf_tables; `None`: the kernel has none.
    pub fn generation(&mut self, netns: Netns) -> Result<Option<u32>, ReadError> {
        let found = self.namespaces.find(netns, None)?;
        visit(&mut self.namespaces, &found, |_| {
            rules::generation(Instant::now() + TIME_MAX)
        })
    }
}

/// Reads the rules and the network of a namespace.
pub(crate) fn snapshot(namespaces: &mut Namespaces, found: &Found, deadline: Instant) -> Result<Snapshot, ReadError> {
    let (netns, (mut ruleset, network)) = visit(namespaces, found, |netns| {
        rules::read(deadline).map(|read| (netns, read))
    })?;
    ruleset.bypasses.extend(bpf::bypasses());
    Ok(Snapshot {
        netns,
        enter: found.enter.clone(),
        at: now(),
        ruleset,
        network,
    })
}

pub(super) fn visit<T>(
    namespaces: &mut Namespaces,
    found: &Found,
    work: impl FnOnce(Netns) -> Result<T, ProbeError>,
) -> Result<T, ReadError> {
    let result = namespaces.inside(found, work);
    if namespaces.stranded() {
        return Err(ReadError::Stranded);
    }
    result?.map_err(|error| ReadError::Kernel(error.to_string()))
}

impl From<NetnsError> for ReadError {
    fn from(error: NetnsError) -> Self {
        Self::Namespace(error.to_string())
    }
}

/// For one namespace, whatever the kernel does.
const TIME_MAX: Duration = Duration::from_secs(5);
