//! The words of each cause of a connection's trouble.

mod accept_queue_full;
mod conntrack_exhausted;
mod dropped_in_kernel;
mod invalid_packet_reset;
mod loopback_only_mismatch;
mod martian_redirect;
mod mechanism;
mod nat_binding_lost;
mod no_endpoints;
mod opening;
mod original_destination_lost;
mod path_mtu_blackhole;
mod port_exhausted;
mod redirect_fan_in;
mod redirect_loop;
mod redirect_target_blocked;
mod redirect_target_stalled;
mod redirect_to_dead_port;
mod rejected_by_rule;
mod remedy;
mod reply_rejected;
mod reset_by_peer;
mod reverse_path_filtered;
mod socket_destroyed;
mod stale_conntrack;
mod syn_dropped;
mod unanswered;
mod unreachable_target;

use crate::model::finding::Cause;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};

/// How a finding of one cause is told.
pub(super) struct Words {
    /// One sentence without its full stop, on one line.
    pub summary: fn(Facts<'_>) -> String,
    /// A few short sentences: the mechanism, what is seen and what is inferred.
    pub why: fn(Facts<'_>) -> Vec<String>,
    /// What to do, cures first.
    pub fixes: fn(Facts<'_>) -> Vec<Fix>,
    /// How to see it by hand.
    pub checks: fn(Facts<'_>) -> Vec<Check>,
}

/// `None`: it is found by inspection.
pub(super) fn of(cause: Cause) -> Option<&'static Words> {
    Some(match cause {
        Cause::AcceptQueueFull => &accept_queue_full::WORDS,
        Cause::ConntrackExhausted => &conntrack_exhausted::WORDS,
        Cause::InvalidPacketReset => &invalid_packet_reset::WORDS,
        Cause::LoopbackOnlyMismatch => &loopback_only_mismatch::WORDS,
        Cause::MartianRedirect => &martian_redirect::WORDS,
        Cause::NatBindingLost => &nat_binding_lost::WORDS,
        Cause::NoEndpoints => &no_endpoints::WORDS,
        Cause::OriginalDestinationLost => &original_destination_lost::WORDS,
        Cause::PathMtuBlackhole => &path_mtu_blackhole::WORDS,
        Cause::PortExhausted => &port_exhausted::WORDS,
        Cause::RedirectFanIn => &redirect_fan_in::WORDS,
        Cause::RedirectLoop => &redirect_loop::WORDS,
        Cause::RedirectTargetBlocked => &redirect_target_blocked::WORDS,
        Cause::RedirectTargetStalled => &redirect_target_stalled::WORDS,
        Cause::RedirectToDeadPort => &redirect_to_dead_port::WORDS,
        Cause::RejectedByRule => &rejected_by_rule::WORDS,
        Cause::ReplyRejected => &reply_rejected::WORDS,
        Cause::ResetByPeer => &reset_by_peer::WORDS,
        Cause::ReversePathFiltered => &reverse_path_filtered::WORDS,
        Cause::SocketDestroyed => &socket_destroyed::WORDS,
        Cause::StaleConntrack => &stale_conntrack::WORDS,
        Cause::SynDropped => &syn_dropped::WORDS,
        Cause::DroppedInKernel => &dropped_in_kernel::WORDS,
        Cause::Unanswered => &unanswered::WORDS,
        Cause::UnreachableTarget => &unreachable_target::WORDS,
        Cause::DeadRedirect
        | Cause::LeftoverChain
        | Cause::DuplicateJump
        | Cause::MarkOverlap
        | Cause::MixedBackends
        | Cause::AddressFamilyGap
        | Cause::BypassedRedirect
        | Cause::StaleEntries => return None,
    })
}
