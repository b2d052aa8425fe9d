//! The failures that can be made, and the controls: what a tracer must stay silent about.
//!
//! A scenario says what happens, never how it would be recognised.

mod attached;
mod binding;
mod control;
mod local;
mod path;
mod peer;
mod policy;
mod redirect;
mod reply;
mod routing;
mod service;
mod socket;
mod table;

use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family, Options, PeerKind};
use crate::lab::script::Script;
use crate::lab::world::World;
use crate::model::finding::Cause;
use std::fmt;

pub use reply::SIDECAR_AND_AGENT;

pub struct Scenario {
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The cause that a tracer should name; none for a control.
    pub expected: Option<Cause>,
    /// What the application sees in the end.
    pub client: Outcome,
    pub families: &'static [Family],
    pub backends: &'static [Backend],
    /// The first is the default.
    pub peers: &'static [PeerKind],
    pub(super) set_up: fn(&mut World) -> Result<(), LabError>,
    pub(super) drive: fn(&mut Script<'_>) -> Result<(), LabError>,
    pub(super) cure: Cure,
    /// Whether conntrack's changes are to be told for it, where the kernel's hooks cannot tell them by themselves.
    pub conntrack_events: bool,
}

/// How it shows that the command which a finding names first was right.
#[derive(Clone, Copy)]
pub(super) enum Cure {
    /// No command can help.
    None,
    /// A new application in the pod connects to the peer's port 9000 and gets its answer.
    Again,
    /// The application that hangs goes on.
    Waiting(&'static str),
    /// In its own way.
    By(fn(&mut Script<'_>) -> Result<(), LabError>),
}

impl Cure {
    pub(super) fn show(self, script: &mut Script<'_>) -> Result<(), LabError> {
        match self {
            Self::None => Ok(()),
            Self::Again => script.again("pod"),
            Self::Waiting(app) => script.goes_on(app),
            Self::By(show) => show(script),
        }
    }
}

impl Scenario {
    /// Whether a tracer must find nothing in it.
    pub fn control(&self) -> bool {
        self.expected.is_none()
    }

    /// The back end to use where none is chosen.
    pub fn usual_backend(&self) -> Backend {
        let usual = Options::default().backend;
        let first = self.backends.first().copied().unwrap_or(usual);
        if self.backends.contains(&usual) { usual } else { first }
    }

    /// Whether a command can end the failure.
    pub fn is_curable(&self) -> bool {
        !matches!(self.cure, Cure::None)
    }

    /// The sort of peer that a lab with these options has.
    pub(super) fn peer(&self, options: &Options) -> PeerKind {
        options
            .peer
            .or_else(|| self.peers.first().copied())
            .unwrap_or(PeerKind::Kernel)
    }

    pub(super) fn check(&self, options: &Options) -> Result<(), LabError> {
        let unsupported = |what| {
            Err(LabError::Unsupported {
                scenario: self.name,
                what,
            })
        };
        let peer = self.peer(options);
        if !self.families.contains(&options.family) {
            return unsupported(options.family.name());
        }
        if !self.backends.contains(&options.backend) {
            return unsupported(options.backend.name());
        }
        if !self.peers.contains(&peer) {
            return unsupported(match peer {
                PeerKind::Kernel => "a kernel peer",
                PeerKind::Phantom => "a phantom peer",
            });
        }
        Ok(())
    }
}

/// How a step of an application ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Works,
    Refused,
    Reset,
    /// The kernel has no free source port for it.
    NoPort,
    /// Somebody on this host destroyed the socket.
    Destroyed,
    /// The kernel found no way.
    Unreachable,
    /// By its own timeout.
    GivesUp,
    /// The kernel does not know it.
    Unknown,
    /// It goes on without an end.
    Hangs,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Works => "works",
            Self::Refused => "is refused",
            Self::Reset => "is reset",
            Self::NoPort => "finds no free port",
            Self::Destroyed => "is destroyed",
            Self::Unreachable => "finds no way",
            Self::GivesUp => "gives up",
            Self::Unknown => "is not known",
            Self::Hangs => "hangs",
        })
    }
}

/// All scenarios, failures first.
pub fn scenarios() -> &'static [Scenario] {
    SCENARIOS
}

pub fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

const EITHER_PEER: &[PeerKind] = &[PeerKind::Kernel, PeerKind::Phantom];
const KERNEL_PEER: &[PeerKind] = &[PeerKind::Kernel];
const PHANTOM_PEER: &[PeerKind] = &[PeerKind::Phantom];

static SCENARIOS: &[Scenario] = &[
    reply::POOLED,
    reply::NEW_CONNECT,
    redirect::DEAD_PORT,
    redirect::TARGET_BLOCKED,
    redirect::TARGET_STALLED,
    redirect::TARGET_STALLED_FULL,
    redirect::LOOP,
    policy::SYN_DROPPED,
    policy::SYN_DROPPED_FORWARD,
    policy::SYN_DROPPED_TWINS,
    policy::REJECTED,
    policy::REJECTED_ICMP,
    policy::REJECTED_FORWARD,
    service::NO_ENDPOINTS,
    service::NO_ENDPOINTS_FORWARD,
    service::NO_ENDPOINTS_LOCAL,
    binding::STALE,
    binding::STALE_UNREPLIED,
    binding::INVALID_PACKET,
    binding::BINDING_LOST,
    binding::ORIGINAL_DESTINATION_LOST,
    binding::FAN_IN,
    peer::ACCEPT_QUEUE_FULL,
    peer::ACCEPT_QUEUE_FULL_TRANSLATED,
    local::PORT_EXHAUSTED,
    local::LOOPBACK_DIALED,
    local::LOOPBACK_LISTENS,
    local::LOOPBACK_OF_OTHER_FAMILY,
    peer::RESET_BY_PEER,
    peer::RESET_BY_PEER_PATTERN,
    socket::DESTROYED,
    socket::DESTROYED_CONNECT,
    path::MTU_BLACKHOLE,
    peer::UNANSWERED,
    peer::UNANSWERED_DUPLICATE_JUMP,
    peer::UNANSWERED_HOOKS_OFF,
    peer::DROPPED_IN_KERNEL,
    attached::TC,
    routing::MARTIAN,
    routing::REVERSE_PATH,
    routing::REVERSE_PATH_MARK,
    routing::UNREACHABLE,
    routing::UNREACHABLE_DOCKER,
    table::EXHAUSTED,
    table::RAW_DROP,
    control::refusals::REFUSED_PORT,
    control::refusals::LOCAL_REFUSED_PORT,
    control::refusals::ONE_GIVE_UP,
    control::refusals::HAPPY_EYEBALLS,
    control::closes::GRACEFUL_CLOSE,
    control::closes::HALF_CLOSE,
    control::closes::RESET_AFTER_FIN,
    control::closes::LINGER_ZERO,
    control::closes::CLOSE_WITH_UNREAD_DATA,
    control::closes::HEALTH_CHECKS,
    control::slow::PEER_DOES_NOT_READ,
    control::slow::CLOSED_WINDOW,
    control::slow::SLOW_ACCEPT,
    control::slow::LOSSY_PATH,
    control::proxies::SIDECAR,
    control::proxies::SIDECAR_CALLS_ITSELF,
    control::proxies::SERVICE,
    control::rules::V6_LISTENER,
    control::rules::LATE_LISTENER,
    control::rules::UNUSED_MARK,
    control::rules::RULE_DELETED,
    control::rules::PORT_CLASH,
    control::rules::HOOKS_OFF,
    redirect::EXEMPT,
    local::FALLS_BACK,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sort_of_causes() {
        for (index, scenario) in SCENARIOS.iter().enumerate() {
            assert!(
                SCENARIOS
                    .iter()
                    .skip(index + 1)
                    .all(|other| other.name != scenario.name),
                "{}",
                scenario.name
            );
            if let Some(cause) = scenario.expected {
                assert!(scenario.name.starts_with(cause.name()), "{}", scenario.name);
            }
        }
    }

    #[test]
    fn every_cause_of_a_connection_has_a_scenario() {
        for &cause in Cause::ALL.iter().filter(|cause| !cause.is_inspected()) {
            assert!(
                SCENARIOS.iter().any(|scenario| scenario.expected == Some(cause)),
                "{}",
                cause.name()
            );
        }
    }
}
