//! The judgement of one connection: which cause explains what was seen of it. Pure.

use super::config::Config;
use super::flow::{Certainty, DropSeen, Examination, Flow, Phase};
use super::proof;
use crate::model::conntrack::Direction;
use crate::model::event::RstMaker;
use crate::model::evidence::{Evidence, Place};
use crate::model::finding::{Cause, Confidence, Considered, Culprit, RuleRole};
use crate::model::identity::Netns;
use crate::model::inquiry::{Examined, Listener};
use crate::model::reason::{DropReason, RstReason};
use crate::model::tcp::{ConntrackState, TcpState};
use crate::model::time::Timestamp;
use crate::model::tuple::Endpoint;
use std::collections::BTreeMap;
use std::sync::Arc;

/// errno of a refused connect.
pub(super) const ECONNREFUSED: u32 = 111;
/// errno of a reset connection.
pub(super) const ECONNRESET: u32 = 104;
/// errno of a connection whose retransmits were never answered.
const ETIMEDOUT: u32 = 110;

#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing to say before this time, unless something else happens.
    Wait(Timestamp),
    /// Its examination is on its way.
    AwaitExamination,
    /// Look at it first; packets go to `target`, if an event told.
    Examine {
        target: Option<Endpoint>,
    },
    /// Nothing to report.
    Ordinary(Ordinary),
    Found(Box<Diagnosis>),
}

/// What an unremarkable end is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ordinary {
    Refused,
    Aborted,
    GaveUp,
    Failed,
    LateReset,
    Closed,
    /// It hung and then went on.
    Recovered,
}

#[derive(Clone, Debug)]
pub(super) struct Diagnosis {
    pub(super) cause: Cause,
    pub(super) confidence: Confidence,
    /// Where the packets really go.
    pub(super) target: Endpoint,
    pub(super) evidence: Vec<Evidence>,
    pub(super) culprits: Vec<Culprit>,
    pub(super) considered: Vec<Considered>,
}

/// What the Tracker knows beside the flow itself.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    /// Who on this host made the RST that it received.
    pub(super) reset_by: Option<RstMaker>,
    /// A listener of another namespace at the flow's destination whose queue was full at the last sweep.
    pub(super) full_listener: Option<(Timestamp, Listener)>,
    /// Connects to this destination were given up so often lately.
    pub(super) give_ups: Option<u32>,
    /// How a person enters a namespace, by its identity.
    pub(super) entrances: &'a BTreeMap<u64, Arc<str>>,
}

impl Surroundings<'_> {
    fn entrance(&self, netns: Netns) -> Option<Arc<str>> {
        self.entrances.get(&netns.id()).cloned()
    }
}

pub(super) fn judge(flow: &Flow, now: Timestamp, config: &Config, around: &Surroundings<'_>) -> Verdict {
    match flow.phase {
        Phase::Ended { at, errno, connected } => {
            let settled = at + config.settle;
            if now < settled {
                return Verdict::Wait(settled);
            }
            if connected {
                reset(flow, errno, around)
            } else {
                failed(flow, errno, around)
            }
        }
        Phase::Connecting => connecting(flow, now, config, around),
        Phase::Established => established(flow, now, config, around),
    }
}

/// A connect that ended without success.
fn failed(flow: &Flow, errno: u32, around: &Surroundings<'_>) -> Verdict {
    if flow.main_drop().is_some() {
        return hung(flow, around);
    }
    if let Some(target) = dead_port(flow) {
        return match &flow.examination {
            Examination::None => Verdict::Examine { target: Some(target) },
            Examination::Asked { .. } => Verdict::AwaitExamination,
            Examination::Done(_) => redirect_to_dead_port(flow, target),
        };
    }
    match errno {
        ECONNREFUSED => Verdict::Ordinary(Ordinary::Refused),
        ETIMEDOUT => hung(flow, around),
        0 if around.give_ups.is_some() => hung(flow, around),
        0 => Verdict::Ordinary(Ordinary::GaveUp),
        _ => Verdict::Ordinary(Ordinary::Failed),
    }
}

/// A connection that was established and ended, with a RST or without.
fn reset(flow: &Flow, errno: u32, around: &Surroundings<'_>) -> Verdict {
    let Some((_, state)) = flow.reset_received else {
        return if errno == ETIMEDOUT {
            hung(flow, around)
        } else {
            Verdict::Ordinary(Ordinary::Closed)
        };
    };
    if around.reset_by == Some(RstMaker::Socket) {
        return Verdict::Ordinary(Ordinary::Aborted);
    }
    if state != Some(TcpState::Established) || flow.reset.is_some() || around.reset_by.is_some() {
        return Verdict::Ordinary(Ordinary::LateReset);
    }
    let destination = flow.tuple.destination;
    let culprits = vec![Culprit::Peer {
        endpoint: destination,
        maker: RstMaker::Remote,
    }];
    found(
        flow,
        Cause::ResetByPeer,
        Confidence::Likely,
        destination,
        culprits,
        Vec::new(),
    )
}

fn connecting(flow: &Flow, now: Timestamp, config: &Config, around: &Surroundings<'_>) -> Verdict {
    let due = flow.stalled_since.or(flow.started()).unwrap_or(flow.first_seen) + config.hang_after;
    // One drop may be a coincidence; the same one again at the next SYN is not.
    let dropped_again = flow.drops.iter().any(|drop| drop.count() > 1);
    if now < due && !dropped_again {
        return Verdict::Wait(due);
    }
    examine_then(flow, around)
}

fn established(flow: &Flow, now: Timestamp, config: &Config, around: &Surroundings<'_>) -> Verdict {
    // Where nothing was sent again yet, the first drop is where a hang would begin.
    let first_drop = flow.drops.iter().map(|drop| drop.at).min();
    let Some(since) = flow.stalled_since.or(first_drop) else {
        return Verdict::Ordinary(Ordinary::Recovered);
    };
    let due = since + config.hang_after;
    if now < due {
        return Verdict::Wait(due);
    }
    examine_then(flow, around)
}

fn examine_then(flow: &Flow, around: &Surroundings<'_>) -> Verdict {
    match &flow.examination {
        Examination::None => Verdict::Examine { target: None },
        Examination::Asked { .. } => Verdict::AwaitExamination,
        Examination::Done(result) => {
            let recovered = result
                .examined
                .as_ref()
                .is_ok_and(|examined| has_recovered(flow, examined));
            if recovered {
                Verdict::Ordinary(Ordinary::Recovered)
            } else {
                hung(flow, around)
            }
        }
    }
}

/// Whether the socket is gone, or everything it sent was acknowledged.
pub(super) fn has_recovered(flow: &Flow, examined: &Examined) -> bool {
    match &examined.socket {
        // A connect that is gone is told by its own event; here only its drops speak.
        None => flow.phase != Phase::Connecting || flow.drops.is_empty(),
        Some(socket) if flow.phase == Phase::Connecting => socket.state != Some(TcpState::SynSent),
        Some(socket) => socket.retransmits == 0 && socket.unacked.is_none_or(|unacked| unacked == 0),
    }
}

/// A connection that hangs, or hung until it ended: by the drops that were seen, else by who listens.
fn hung(flow: &Flow, around: &Surroundings<'_>) -> Verdict {
    match flow.main_drop() {
        Some(drop) => dropped(flow, drop, around),
        None => undropped(flow, around),
    }
}

fn dropped(flow: &Flow, drop: &DropSeen, around: &Surroundings<'_>) -> Verdict {
    let confidence = match drop.certainty {
        Certainty::Ambiguous => Confidence::Possible,
        Certainty::OnlyCandidate => Confidence::Likely,
        Certainty::Certain => Confidence::Proved,
    };
    let target = target(flow, drop);
    let listener = listener(flow);
    let redirected = drop.conntrack.is_some_and(|entry| entry.redirects()) && drop.place == Place::Input;
    let rule = || Culprit::Rule {
        netns: drop.netns,
        enter: around.entrance(drop.netns),
        rule: None,
        role: if was_rejected(flow, drop) {
            RuleRole::Rejects
        } else {
            RuleRole::Drops
        },
        evidence: Some(0),
    };
    let (cause, confidence, culprits) = match drop.reason {
        DropReason::Netfilter if drop.direction == Direction::Reply => (Cause::ReplyRejected, confidence, vec![rule()]),
        DropReason::Netfilter if redirected => match listener {
            Some(listener) => (
                Cause::RedirectTargetBlocked,
                confidence,
                vec![rule(), Culprit::Listener(listener.clone())],
            ),
            None => (
                Cause::RedirectTargetBlocked,
                confidence.min(Confidence::Likely),
                vec![rule()],
            ),
        },
        DropReason::Netfilter if was_rejected(flow, drop) => (Cause::RejectedByRule, confidence, vec![rule()]),
        DropReason::Netfilter => (Cause::SynDropped, confidence, vec![rule()]),
        DropReason::TcpListenOverflow => {
            let redirected = drop.conntrack.is_some_and(|entry| entry.redirects());
            let cause = if redirected {
                Cause::RedirectTargetStalled
            } else {
                Cause::AcceptQueueFull
            };
            (
                cause,
                confidence,
                listener.cloned().map(Culprit::Listener).into_iter().collect(),
            )
        }
        DropReason::IpLocalnet
        | DropReason::IpRpfilter
        | DropReason::IpOutNoRoutes
        | DropReason::NeighFailed
        | DropReason::TcIngress
        | DropReason::TcEgress
        | DropReason::Xdp
        | DropReason::BpfCgroupEgress
        | DropReason::SecurityHook
        | DropReason::SocketBacklog => (Cause::DroppedInKernel, confidence, Vec::new()),
    };
    found(flow, cause, confidence, target, culprits, Vec::new())
}

/// The rule answered (RST or ICMP error) instead of dropping in silence.
fn was_rejected(flow: &Flow, drop: &DropSeen) -> bool {
    let told = matches!(flow.phase, Phase::Ended { errno, .. } if errno != 0 && errno != ETIMEDOUT);
    drop.rejected || told
}

/// A hang without a drop of a packet: the listener does not accept, or nothing explains it.
fn undropped(flow: &Flow, around: &Surroundings<'_>) -> Verdict {
    let leaving = flow.leaving().destination;
    let examined = flow.examined().and_then(|result| result.examined.as_ref().ok());
    let redirected = flow
        .entry()
        .is_some_and(|entry| entry.redirects() && entry.original == flow.tuple);
    if let Some(listener) = listener(flow).filter(|listener| listener.is_full()) {
        let cause = if redirected {
            Cause::RedirectTargetStalled
        } else {
            Cause::AcceptQueueFull
        };
        let culprits = vec![Culprit::Listener(listener.clone())];
        return found(flow, cause, Confidence::Proved, leaving, culprits, Vec::new());
    }
    if let Some((at, listener)) = &around.full_listener {
        let culprits = vec![Culprit::Listener(listener.clone())];
        let extra = vec![Evidence::Listener {
            at: *at,
            listener: listener.clone(),
        }];
        return found(
            flow,
            Cause::AcceptQueueFull,
            Confidence::Likely,
            leaving,
            culprits,
            extra,
        );
    }
    // The decisive contradiction of a rejected reply whose drops were not seen: conntrack has closed the connection that
    // the socket still waits on.
    let closed = flow.entry().filter(|entry| entry.state == Some(ConntrackState::Close));
    let waits = examined
        .and_then(|examined| examined.socket.as_ref())
        .is_some_and(|socket| socket.retransmits > 0);
    if let Some(entry) = closed.filter(|_| waits && flow.reset_received.is_none()) {
        let culprits = vec![Culprit::ConntrackEntry(*entry)];
        return found(
            flow,
            Cause::ReplyRejected,
            Confidence::Likely,
            leaving,
            culprits,
            Vec::new(),
        );
    }
    let extra = around.give_ups.map(|count| Evidence::GaveUp {
        at: flow.first_seen,
        count,
    });
    found(
        flow,
        Cause::Unanswered,
        Confidence::Possible,
        leaving,
        Vec::new(),
        extra.into_iter().collect(),
    )
}

/// Where a refused packet went, if a translation led it to a port of its own namespace without a socket.
fn dead_port(flow: &Flow) -> Option<Endpoint> {
    let reset = flow.reset.as_deref()?;
    let entry = reset.conntrack.as_ref()?;
    let made_here = reset.maker == RstMaker::NoSocket && reset.netns == flow.netns;
    (made_here && entry.redirects() && reset.packet == entry.leaving()).then_some(reset.packet.destination)
}

fn redirect_to_dead_port(flow: &Flow, target: Endpoint) -> Verdict {
    let examined = flow.examined().and_then(|result| result.examined.as_ref().ok());
    let confidence = match examined {
        // Somebody listens by now: it came a moment after its rules.
        Some(examined) if !examined.listeners.is_empty() => return Verdict::Ordinary(Ordinary::Refused),
        Some(_) => Confidence::Proved,
        None => Confidence::Likely,
    };
    let entry = flow.reset.as_deref().and_then(|reset| reset.conntrack);
    let culprits = entry.map(Culprit::ConntrackEntry).into_iter().collect();
    found(
        flow,
        Cause::RedirectToDeadPort,
        confidence,
        target,
        culprits,
        Vec::new(),
    )
}

fn listener(flow: &Flow) -> Option<&Listener> {
    flow.examined()?.examined.as_ref().ok()?.listeners.first()
}

fn target(flow: &Flow, drop: &DropSeen) -> Endpoint {
    match drop.direction {
        Direction::Original => drop.packet.destination,
        Direction::Reply => flow.leaving().destination,
    }
}

fn found(
    flow: &Flow,
    cause: Cause,
    confidence: Confidence,
    target: Endpoint,
    culprits: Vec<Culprit>,
    extra: Vec<Evidence>,
) -> Verdict {
    let mut evidence = proof::evidence(flow, cause);
    evidence.extend(extra);
    let considered = proof::considered(cause);
    Verdict::Found(Box::new(Diagnosis {
        cause,
        confidence,
        target,
        evidence,
        culprits,
        considered,
    }))
}

/// Whether this host's TCP made the RST because no socket was there.
pub(super) fn is_no_socket(maker: RstMaker, reason: Option<RstReason>) -> bool {
    maker == RstMaker::NoSocket || reason == Some(RstReason::NoSocket)
}
