//! What is compared with nothing at all.

use super::peer::{Peer, Yardstick};
use crate::traffic::{Place, Work};
use std::ffi::CStr;
use std::path::Path;
use std::process::Command;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) pairs: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing once more: its ratios are those of the noise.
    Nothing,
    /// An empty program at each of these hooks: what the kernel's way into programs takes.
    Empty(&'static [&'static CStr]),
    /// Conntracer with these `--events`.
    Own(&'static str),
    Peer(Peer),
}

impl Subject {
    /// Each gives two pairs.
    pub(super) fn lives(self) -> usize {
        self.pairs / 2
    }
}

impl Kind {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Empty(_) => "empty programs, the same hooks".to_owned(),
            Self::Own(events) => format!("conntracer `--events {events}`"),
            Self::Peer(peer) => peer.name().to_owned(),
        }
    }

    /// Whether it is a program that tells what it sees.
    pub(crate) fn traces(self) -> bool {
        matches!(self, Self::Own(_) | Self::Peer(_))
    }

    pub(crate) fn yardstick(self) -> Option<Yardstick> {
        match self {
            Self::Own("all") => Some(Yardstick {
                // The client's; a server's socket is of interest once something happens to it.
                marker: r#""event":"established""#,
                each: 1,
            }),
            Self::Nothing | Self::Empty(_) | Self::Own(_) => None,
            Self::Peer(peer) => Some(peer.yardstick()),
        }
    }

    /// Whether there is anything for it to see.
    pub(super) fn concerns(self, work: Work) -> bool {
        self != Self::Peer(Peer::Conntrack) || work.place == Place::Redirected
    }

    /// Part of a line that shows that it traces.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Nothing | Self::Empty(_) | Self::Own(_) => r#""type":"hello""#,
            Self::Peer(peer) => peer.yardstick().marker,
        }
    }

    /// Whether it opens its output by itself.
    pub(super) fn writes_itself(self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Adds it to a command that runs its arguments.
    pub(super) fn add_to(self, command: &mut Command, output: &Path, server: u32) {
        match self {
            Self::Nothing | Self::Empty(_) => {}
            Self::Own(events) => {
                command
                    .arg(env!("CARGO_BIN_EXE_conntracer"))
                    // The time is a bound, should the bench be killed.
                    .args(["trace", "--json", "--events", events, "--for", "2m", "-o"])
                    .arg(output);
            }
            Self::Peer(peer) => peer.add_to(command, server),
        }
    }
}
