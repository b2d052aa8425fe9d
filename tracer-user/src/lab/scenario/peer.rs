//! Connections that no rule of this node spoils: the cause is the server, or lies beyond what can be seen.

use crate::lab::address::{self, Link};
use crate::lab::options::{Backend, Family};
use crate::lab::scenario::redirect::fill_queue_and_connect;
use crate::lab::scenario::{Cure, KERNEL_PEER, Outcome, PHANTOM_PEER, Scenario};
use crate::lab::script::Connect;
use crate::lab::wire::{Accepts, Command, Manner};
use crate::model::finding::Cause;

pub(super) const ACCEPT_QUEUE_FULL: Scenario = Scenario {
    name: "accept-queue-full",
    summary: "the server accepts nobody and its queue is full: connect hangs, and no rule has a part in it",
    expected: Some(Cause::AcceptQueueFull),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "peer", 9000, Accepts::Never, 0)?;
        world.add_app("app", "pod", 0)
    },
    drive: fill_queue_and_connect,
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const RESET_BY_PEER: Scenario = Scenario {
    name: "reset-by-peer",
    summary: "an established connection is reset from outside this node",
    expected: Some(Cause::ResetByPeer),
    client: Outcome::Reset,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: PHANTOM_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.start_phantom(Manner::Echo)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        script.request("app", 0, Outcome::Works)?;
        script.say("the peer resets the connection");
        script.world.ask_host("peer", &Command::PhantomReset)?;
        script.step("app", "waits for more", &Command::Receive { slot: 0 }, Outcome::Reset)
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const UNANSWERED: Scenario = Scenario {
    name: "unanswered",
    summary: "the peer's address answers nothing: connect hangs, and nothing on this node explains it",
    expected: Some(Cause::Unanswered),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: PHANTOM_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.start_phantom(Manner::Silent)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const DROPPED_IN_KERNEL: Scenario = Scenario {
    name: "dropped-in-kernel",
    summary: "nobody has the address on the local link: the kernel drops the SYNs for want of a neighbour",
    expected: Some(Cause::DroppedInKernel),
    client: Outcome::Unreachable,
    // On 6.18 the kernel names NEIGH_FAILED in arp_error_report, and gives no reason in ndisc_error_report.
    families: &[Family::Ipv4],
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        let nobody = address::address(script.world.options.family, Link::Near, address::NOBODY);
        let connect = Connect {
            to: (nobody, 9000).into(),
            slot: 0,
            from_port: None,
            give_up_ms: None,
        };
        script.connect_as("app", connect, Outcome::Unreachable)
    },
    cure: Cure::None,
    conntrack_events: false,
};
