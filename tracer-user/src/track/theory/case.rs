//! One connection when it is judged, and what the theories ask of it.

use super::super::flow::{Certainty, DropSeen, Flow, Phase, ResetSeen};
use super::super::giveup::GiveUps;
use super::super::locals::Locals;
use super::super::losses::Losses;
use super::super::recurring::{Before, Recurring, Resetter};
use super::super::resets::Resets;
use super::super::sweep::Sweeps;
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::event::RstMaker;
use crate::model::evidence::Place;
use crate::model::finding::{Confidence, Culprit, RuleRole};
use crate::model::identity::Netns;
use crate::model::inquiry::{Examined, Listener};
use crate::model::reason::DropReason;
use crate::model::time::Timestamp;
use crate::model::tuple::Endpoint;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// errno of a connection whose retransmits were never answered.
const ETIMEDOUT: u32 = 110;

#[derive(Clone, Copy, Debug)]
pub(in crate::track) struct Case<'a> {
    pub(in crate::track) flow: &'a Flow,
    pub(in crate::track) around: &'a Surroundings<'a>,
}

/// What the Tracker knows beside the flow itself.
#[derive(Debug)]
pub(in crate::track) struct Surroundings<'a> {
    pub(in crate::track) now: Timestamp,
    /// How far apart events of one connection come.
    pub(in crate::track) settle: Duration,
    pub(in crate::track) losses: &'a Losses,
    pub(in crate::track) resets: &'a Resets,
    pub(in crate::track) sweeps: &'a Sweeps,
    pub(in crate::track) recurring: &'a Recurring,
    pub(in crate::track) give_ups: &'a GiveUps,
    pub(in crate::track) locals: &'a Locals,
    /// How a person enters a namespace, by its identity.
    pub(in crate::track) entrances: &'a BTreeMap<u64, Arc<str>>,
}

impl<'a> Case<'a> {
    /// When the RST came that it received, else when it was first heard of.
    fn at(&self) -> Timestamp {
        let received = self.flow.signs().reset_received;
        received.map_or(self.flow.first_seen, |(at, _)| at)
    }

    /// Who on this host made the RST that it received.
    pub(in crate::track) fn reset_by(&self) -> Option<RstMaker> {
        let flow = self.flow;
        self.around
            .resets
            .sent_to(flow.tuple, flow.leaving(), self.at(), self.around.settle)
    }

    /// Records were lost while it was under suspicion.
    pub(super) fn is_lossy(&self) -> bool {
        self.around.losses.touches(self.flow.first_seen)
    }

    /// A listener of another namespace at its destination whose queue was full at the last sweep.
    pub(super) fn full_listener(&self) -> Option<(Timestamp, &'a Listener)> {
        self.around.sweeps.full_listener(self.leaving())
    }

    /// Connects to its destination were given up so often lately.
    pub(super) fn give_ups(&self) -> Option<u32> {
        let flow = self.flow;
        self.around.give_ups.pattern(flow.netns(), flow.tuple.destination)
    }

    /// A refusal by its destination was not looked at lately.
    pub(super) fn may_look(&self) -> bool {
        let (flow, around) = (self.flow, self.around);
        around
            .locals
            .allow(flow.netns().id(), flow.tuple.destination, around.now)
    }

    /// What came before its reset by the same peer.
    pub(super) fn resets(&self) -> Before {
        self.around.recurring.before(Resetter::of(self.flow), self.at())
    }

    /// It waits for an answer, or did until it ended.
    pub(super) fn hangs(&self) -> bool {
        match self.flow.phase {
            Phase::Connecting | Phase::Established => true,
            Phase::Ended {
                errno, connected: true, ..
            } => errno == ETIMEDOUT && self.flow.signs().reset_received.is_none(),
            Phase::Ended { errno, .. } => {
                let gave_up = errno == 0 && self.give_ups().is_some();
                self.drop().is_some() || errno == ETIMEDOUT || gave_up
            }
        }
    }

    /// It hangs, and none of its packets was seen to be dropped.
    pub(super) fn hangs_undropped(&self) -> bool {
        self.hangs() && self.drop().is_none()
    }

    /// That it waits follows from nothing else having been seen: neither its waiting socket nor the same drop again.
    pub(super) fn is_taken_to_wait(&self) -> bool {
        let seen_waiting = self.examined().is_some_and(|examined| examined.socket.is_some());
        let dropped_again = self.drop().is_some_and(|drop| drop.count() > 1);
        !self.flow.is_ended() && self.flow.signs().stray.is_none() && !seen_waiting && !dropped_again
    }

    /// The errno of a connect that failed.
    pub(super) fn failed(&self) -> Option<u32> {
        let Phase::Ended {
            errno,
            connected: false,
            ..
        } = self.flow.phase
        else {
            return None;
        };
        Some(errno)
    }

    /// The drop that decides.
    pub(super) fn drop(&self) -> Option<&'a DropSeen> {
        self.flow.main_drop()
    }

    /// The drop that decides, if netfilter did it.
    pub(super) fn dropped_by_rule(&self) -> Option<&'a DropSeen> {
        self.drop().filter(|drop| drop.reason == DropReason::Netfilter)
    }

    pub(in crate::track) fn examined(&self) -> Option<&'a Examined> {
        self.flow.examined()?.examined.ok()
    }

    /// Who listens where its packets go.
    pub(super) fn listener(&self) -> Option<&'a Listener> {
        self.examined()?.listeners.first()
    }

    pub(super) fn reset(&self) -> Option<&'a ResetSeen> {
        self.flow.signs().reset.as_deref()
    }

    /// A translation leads its own packets elsewhere.
    pub(super) fn is_redirected(&self) -> bool {
        let redirects = |entry: &Conntrack| entry.redirects() && entry.original == self.flow.tuple;
        self.flow.entry().is_some_and(redirects)
    }

    /// Where its packets go, as far as its entry tells.
    pub(super) fn leaving(&self) -> Endpoint {
        self.flow.leaving().destination
    }

    /// Where the dropped packet was to go.
    pub(super) fn target(&self, drop: &DropSeen) -> Endpoint {
        match drop.direction {
            Direction::Original => drop.packet.destination,
            Direction::Reply => self.leaving(),
        }
    }

    /// The rule answered (RST or ICMP error) instead of dropping in silence.
    pub(super) fn was_rejected(&self, drop: &DropSeen) -> bool {
        drop.rejected || self.was_told()
    }

    /// Neither the rule's RST nor its error was seen: conntrack was CLOSE, and no RST before is known.
    pub(super) fn is_taken_for_rejected(&self, drop: &DropSeen) -> bool {
        drop.rejected && drop.resets == 0 && !self.was_told()
    }

    /// The socket got an error.
    fn was_told(&self) -> bool {
        matches!(self.flow.phase, Phase::Ended { errno, .. } if errno != 0 && errno != ETIMEDOUT)
    }

    /// The packet was dropped on its way to the local port that a translation leads to.
    pub(super) fn is_blocked_at_target(drop: &DropSeen) -> bool {
        drop.conntrack.is_some_and(|entry| entry.redirects())
            && drop.place == Place::Input
            && drop.direction == Direction::Original
    }

    /// The rule that did it, without a name so far.
    pub(super) fn nameless_rule(&self, drop: &DropSeen) -> Culprit {
        Culprit::Rule {
            netns: drop.netns,
            enter: self.entrance(drop.netns),
            rule: None,
            role: if self.was_rejected(drop) {
                RuleRole::Rejects
            } else {
                RuleRole::Drops
            },
            evidence: Some(0),
        }
    }

    pub(super) fn entrance(&self, netns: Netns) -> Option<Arc<str>> {
        self.around.entrances.get(&netns.id()).cloned()
    }
}

/// How surely a drop says something of the connection.
pub(super) fn confidence(drop: &DropSeen) -> Confidence {
    match drop.certainty {
        Certainty::Ambiguous => Confidence::Possible,
        Certainty::OnlyCandidate => Confidence::Likely,
        Certainty::Certain => Confidence::Proved,
    }
}
