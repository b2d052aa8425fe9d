//! The node's container runtime, asked over its own socket: one listing of all it has, at most once a second.
//!
//! Asking is a thread's work, which ends with the answer: nothing stays open in between, and a runtime that was started
//! anew, or is stuck, is nothing special. Nobody waits for it for long.

#[cfg(feature = "cri")]
mod client;
#[cfg(feature = "cri")]
mod messages;
mod pace;
#[cfg(feature = "cri")]
mod sockets;

use crate::enrich::directory::Listing;
use crate::model::time::Timestamp;
use pace::Pace;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;
use thiserror::Error;

/// Where the runtime is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CriSocket {
    /// Where containerd, CRI-O, cri-dockerd and k3s have theirs, if any is there.
    #[default]
    Auto,
    Off,
    Path(PathBuf),
}

/// How asking it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CriState {
    /// Not wanted, not built in, or nobody here offers it.
    Off,
    /// Nothing was asked yet.
    Unasked,
    /// Name and version are the runtime's own words.
    Ok {
        runtime: String,
        version: String,
    },
    Failing {
        why: String,
    },
}

/// Why there is no listing.
#[derive(Debug, Error)]
#[cfg_attr(not(feature = "cri"), expect(dead_code, reason = "nobody asks"))]
enum AskError {
    #[error("no container runtime offers the CRI here")]
    Absent,
    #[error("{0}")]
    Failed(String),
}

/// What the thread is to find out.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "cri"), expect(dead_code, reason = "nobody asks"))]
struct Question {
    socket: CriSocket,
    /// Of a pod, these are told.
    labels: Arc<[String]>,
    /// Sandboxes whose network namespace is known.
    known: HashSet<Arc<str>>,
}

#[derive(Debug)]
pub(super) struct Cri {
    socket: CriSocket,
    labels: Arc<[String]>,
    state: CriState,
    pace: Pace,
    answer: Option<Receiver<Result<Listing, AskError>>>,
    /// It was said that it fails, and nothing else has been seen since.
    is_told: bool,
}

impl Cri {
    pub(super) fn new(socket: &CriSocket, labels: &[String]) -> Self {
        let is_off = *socket == CriSocket::Off || cfg!(not(feature = "cri"));
        Self {
            socket: if is_off { CriSocket::Off } else { socket.clone() },
            labels: labels.into(),
            state: if is_off { CriState::Off } else { CriState::Unasked },
            pace: Pace::default(),
            answer: None,
            is_told: false,
        }
    }

    pub(super) fn state(&self) -> &CriState {
        &self.state
    }

    /// What was asked earlier and has been answered by now.
    pub(super) fn collect(&mut self, now: Timestamp) -> Option<Listing> {
        let answer = match self.answer.as_ref()?.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err(AskError::Failed(ENDED.to_owned())),
        };
        self.take(answer, now)
    }

    /// Asks, if that is due and is not under way, and waits for the answer for a moment.
    pub(super) fn ask(&mut self, known: HashSet<Arc<str>>, now: Timestamp) -> Option<Listing> {
        if self.socket == CriSocket::Off || self.answer.is_some() || !self.pace.is_due(now) {
            return None;
        }
        let receiver = start(Question {
            socket: self.socket.clone(),
            labels: Arc::clone(&self.labels),
            known,
        });
        let answer = match receiver.recv_timeout(WAIT) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                self.answer = Some(receiver);
                return None;
            }
            Err(RecvTimeoutError::Disconnected) => Err(AskError::Failed(ENDED.to_owned())),
        };
        self.take(answer, now)
    }

    fn take(&mut self, answer: Result<Listing, AskError>, now: Timestamp) -> Option<Listing> {
        self.answer = None;
        match answer {
            Ok(listing) => {
                self.pace.went_well(now);
                self.is_told = false;
                let (runtime, version) = (listing.name.clone(), listing.version.clone());
                self.state = CriState::Ok { runtime, version };
                Some(listing)
            }
            Err(AskError::Absent) => {
                self.pace.failed(now);
                self.state = CriState::Off;
                None
            }
            Err(AskError::Failed(why)) => {
                self.pace.failed(now);
                if !self.is_told {
                    tracing::warn!("names of pods are not known: {why}; asked again, at least every minute");
                }
                self.is_told = true;
                self.state = CriState::Failing { why };
                None
            }
        }
    }
}

/// Starts the thread. One that cannot be started drops its end of the channel.
#[cfg(feature = "cri")]
fn start(question: Question) -> Receiver<Result<Listing, AskError>> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let ask = move || {
        // Nobody may be there to hear it any more.
        let _unheard = sender.send(client::ask(&question));
    };
    if let Err(error) = std::thread::Builder::new().name("cri".to_owned()).spawn(ask) {
        tracing::debug!(%error, "no thread to ask the container runtime");
    }
    receiver
}

#[cfg(not(feature = "cri"))]
fn start(_question: Question) -> Receiver<Result<Listing, AskError>> {
    let (_sender, receiver) = std::sync::mpsc::sync_channel(1);
    receiver
}

/// A caller waits for no longer.
const WAIT: Duration = Duration::from_millis(120);
const ENDED: &str = "the thread that asks the container runtime could not run";

#[cfg(test)]
#[cfg(feature = "cri")]
mod tests;
