//! Connections that a rule on their own way out drops or rejects: here and on a router in between.

use crate::lab::address;
use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::{Rules, nft_rule};
use crate::lab::scenario::{Cure, EITHER_PEER, KERNEL_PEER, Outcome, Scenario};
use crate::lab::script::Connect;
use crate::lab::wire::Accepts;
use crate::lab::world::World;
use crate::model::finding::Cause;

pub(super) const SYN_DROPPED: Scenario = Scenario {
    name: "syn-dropped",
    summary: "a rule in OUTPUT drops every SYN to port 9000: connect hangs and nothing leaves",
    expected: Some(Cause::SynDropped),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| pair(world, &DROP_OUTPUT),
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const SYN_DROPPED_FORWARD: Scenario = Scenario {
    name: "syn-dropped-forward",
    summary: "a router's FORWARD rule drops every SYN to port 9000, outside the application's namespace",
    expected: Some(Cause::SynDropped),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| routed(world, &DROP_FORWARD),
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const SYN_DROPPED_TWINS: Scenario = Scenario {
    name: "syn-dropped-twins",
    summary: "two pods with the same addresses and ports connect through one router, which drops one of them",
    expected: Some(Cause::SynDropped),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_twins()?;
        world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
        world.add_server("twin-server", "twin-peer", 9000, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)?;
        world.add_app("twin-app", "twin", 0)?;
        world.add_rules("router", &DROP_FORWARD_OF_POD)
    },
    drive: |script| {
        let to = script.world.peer(9000);
        let connect = Connect {
            to,
            slot: 0,
            from_port: Some(address::own_port()),
            give_up_ms: None,
        };
        script.connect_as("twin-app", connect, Outcome::Works)?;
        script.request("twin-app", 0, Outcome::Works)?;
        script.connect_as("app", connect, Outcome::Hangs)
    },
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const REJECTED: Scenario = Scenario {
    name: "rejected-by-rule",
    summary: "a rule in OUTPUT rejects port 9000 with a reset: refused, and nothing leaves",
    expected: Some(Cause::RejectedByRule),
    client: Outcome::Refused,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| pair(world, &REJECT_OUTPUT),
    drive: |script| script.connect("app", 9000, Outcome::Refused),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const REJECTED_ICMP: Scenario = Scenario {
    name: "rejected-by-rule-icmp",
    summary: "a rule in OUTPUT rejects port 9000 with port-unreachable: refused without any reset",
    expected: Some(Cause::RejectedByRule),
    client: Outcome::Refused,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| pair(world, &REJECT_OUTPUT_ICMP),
    drive: |script| script.connect("app", 9000, Outcome::Refused),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const REJECTED_FORWARD: Scenario = Scenario {
    name: "rejected-by-rule-forward",
    summary: "a router's FORWARD rule rejects port 9000 with a reset: refused, as if by the remote",
    expected: Some(Cause::RejectedByRule),
    client: Outcome::Refused,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| routed(world, &REJECT_FORWARD),
    drive: |script| script.connect("app", 9000, Outcome::Refused),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) fn pair(world: &mut World, rules: &Rules) -> Result<(), LabError> {
    world.wire_pair()?;
    world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
    world.add_app("app", "pod", 0)?;
    world.add_rules("pod", rules)
}

pub(super) fn routed(world: &mut World, rules: &Rules) -> Result<(), LabError> {
    world.wire_routed()?;
    world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
    world.add_app("app", "pod", 0)?;
    world.add_rules("router", rules)
}

const DROP_OUTPUT: Rules = Rules {
    iptables: &["-A OUTPUT -p tcp --dport 9000 -j DROP"],
    nft: nft_rule!("filter", "filter", "output", "filter", "tcp dport 9000 drop"),
};

const DROP_FORWARD: Rules = Rules {
    iptables: &["-A FORWARD -p tcp --dport 9000 -j DROP"],
    nft: nft_rule!("filter", "filter", "forward", "filter", "tcp dport 9000 drop"),
};

const DROP_FORWARD_OF_POD: Rules = Rules {
    iptables: &["-A FORWARD -i to-pod -p tcp --dport 9000 -j DROP"],
    nft: nft_rule!(
        "filter",
        "filter",
        "forward",
        "filter",
        "iifname to-pod tcp dport 9000 drop"
    ),
};

const REJECT_OUTPUT: Rules = Rules {
    iptables: &["-A OUTPUT -p tcp --dport 9000 -j REJECT --reject-with tcp-reset"],
    nft: nft_rule!(
        "filter",
        "filter",
        "output",
        "filter",
        "tcp dport 9000 reject with tcp reset"
    ),
};

const REJECT_OUTPUT_ICMP: Rules = Rules {
    iptables: &["-A OUTPUT -p tcp --dport 9000 -j REJECT --reject-with {icmp}"],
    nft: nft_rule!(
        "filter",
        "filter",
        "output",
        "filter",
        "tcp dport 9000 reject with icmpx port-unreachable"
    ),
};

const REJECT_FORWARD: Rules = Rules {
    iptables: &["-A FORWARD -p tcp --dport 9000 -j REJECT --reject-with tcp-reset"],
    nft: nft_rule!(
        "filter",
        "filter",
        "forward",
        "filter",
        "tcp dport 9000 reject with tcp reset"
    ),
};
