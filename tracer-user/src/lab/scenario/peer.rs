//! Connections that no rule of this node spoils: the cause is the server, or lies beyond what can be seen.

use crate::lab::address::{self, Link};
use crate::lab::options::{Backend, Family};
use crate::lab::rules::{Rules, nft_rule};
use crate::lab::scenario::control::rules::{HOOKS_OFF, leave_an_entry_behind};
use crate::lab::scenario::redirect::{AGENT_PORT, REDIRECT, fill_queue_and_connect};
use crate::lab::scenario::reply::ISTIO;
use crate::lab::scenario::{Cure, KERNEL_PEER, Outcome, PHANTOM_PEER, Scenario};
use crate::lab::script::Connect;
use crate::lab::wire::{Accepts, Command, Manner};
use crate::model::finding::Cause;
use std::time::Duration;

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

pub(super) const ACCEPT_QUEUE_FULL_TRANSLATED: Scenario = Scenario {
    name: "accept-queue-full-translated",
    summary: "an innocent rule translates port 9000 to another port of the peer, whose server's queue is full",
    expected: Some(Cause::AcceptQueueFull),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "peer", 9100, Accepts::Never, 0)?;
        world.add_app("app", "pod", 0)?;
        world.add_rules("pod", &TO_PORT_9100)
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

pub(super) const RESET_BY_PEER_PATTERN: Scenario = Scenario {
    name: "reset-by-peer-pattern",
    summary: "the application tries again and again, and the peer resets each of its connections",
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
        for _ in 0..ATTEMPTS {
            script.connect("app", 9000, Outcome::Works)?;
            script.world.ask_host("peer", &Command::PhantomReset)?;
            script.step("app", "waits for more", &Command::Receive { slot: 0 }, Outcome::Reset)?;
            std::thread::sleep(BETWEEN_ATTEMPTS);
        }
        Ok(())
    },
    cure: Cure::None,
    conntrack_events: false,
};

/// As often, and as far apart, as an impatient client tries.
const ATTEMPTS: u32 = 14;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(300);

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

pub(super) const UNANSWERED_DUPLICATE_JUMP: Scenario = Scenario {
    name: "unanswered-duplicate-jump",
    summary: "the peer answers nothing, and a sidecar's connection passes the repeated jump of Istio's rules twice",
    expected: Some(Cause::Unanswered),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: PHANTOM_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.start_phantom(Manner::Silent)?;
        world.add_app("app", "pod", 1337)?;
        world.add_rules("pod", &ISTIO)
    },
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const UNANSWERED_HOOKS_OFF: Scenario = Scenario {
    name: "unanswered-hooks-off",
    summary: "the peer answers nothing; a conntrack entry that would lead elsewhere acts no more, the rules being gone",
    expected: Some(Cause::Unanswered),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: HOOKS_OFF.backends,
    peers: PHANTOM_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.start_phantom(Manner::Silent)?;
        world.add_server("agent", "pod", AGENT_PORT, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)?;
        world.add_rules("pod", &REDIRECT)
    },
    drive: |script| {
        leave_an_entry_behind(script, 9000)?;
        let from_there = Connect {
            from_port: Some(address::own_port()),
            ..Connect::to(script.world.peer(9000))
        };
        script.connect_as("app", from_there, Outcome::Hangs)
    },
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

const TO_PORT_9100: Rules = Rules {
    iptables: &[
        "-t nat -A OUTPUT -d {peer} -p tcp --dport 9000 -j DNAT --to-destination {at-peer}:9100",
        "-A OUTPUT -p tcp --dport 9100 -j ACCEPT",
    ],
    nft: nft_rule!(
        "nat",
        "nat",
        "output",
        "-100",
        "{ip} daddr {peer} tcp dport 9000 dnat {ip} to {at-peer}:9100"
    ),
};
