//! Two connections that rules fail, in a namespace of their own: one meets a port where nobody listens, one is dropped.

use crate::floods::inode;
use crate::place::Place;
use crate::tracer::Tracer;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use serde_json::Value;
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

pub(crate) struct Innocent {
    place: Place,
}

/// What was found of it: how long after the connect, and the finding.
#[derive(Debug)]
pub(crate) struct Found {
    findings: Vec<(&'static str, Option<(Duration, Value)>)>,
}

impl Innocent {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        place.ip(&["address add 10.9.9.1/24 dev lo"]);
        for rule in [
            "-t nat -A OUTPUT -p tcp --dport 9001 -j REDIRECT --to-ports 19001",
            "-A OUTPUT -p tcp --dport 9000 -j DROP",
        ] {
            place.run(&format!("iptables-nft -w 20 {rule}"), "");
        }
        Self { place }
    }

    /// Connects, and waits for the findings, as long as they may take.
    pub(crate) fn fail(&self, tracer: &Tracer, patience: Duration) -> Found {
        let begun = Instant::now();
        let begin_all = || ([9_001, 9_000].map(|port| begin(([10, 9, 9, 2], port).into())), inode());
        let (sockets, inode) = self.place.spawn(begin_all).join().unwrap();
        let until = begun + patience;
        let findings = CAUSES.map(|cause| {
            let found = tracer.wait_for(cause, inode, until);
            (cause, found.map(|(at, finding)| (at.duration_since(begun), finding)))
        });
        drop(sockets);
        Found {
            findings: findings.into(),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (cause, found) in &self.findings {
            match found {
                Some((took, finding)) => {
                    let (confidence, lost) = (&finding["confidence"], &finding["lost"]);
                    write!(f, "{cause} after {took:.1?}, {confidence}, lost {lost}; ")?;
                }
                None => write!(f, "no {cause}; ")?,
            }
        }
        Ok(())
    }
}

impl Found {
    pub(crate) fn assert_complete(&self) {
        for (cause, found) in &self.findings {
            assert!(found.is_some(), "no {cause}: {self:#?}");
        }
    }

    pub(crate) fn assert_nothing_lost(&self) {
        for (cause, found) in &self.findings {
            let lost = found.as_ref().and_then(|(_, finding)| finding.get("lost"));
            assert_eq!(lost, None, "{cause}");
        }
    }
}

/// A connect that nobody waits for.
pub(crate) fn begin(to: SocketAddr) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    // It is on its way, or refused.
    let _: Result<(), _> = connect(&socket, &to);
    socket
}

const CAUSES: [&str; 2] = ["redirect-to-dead-port", "syn-dropped"];
