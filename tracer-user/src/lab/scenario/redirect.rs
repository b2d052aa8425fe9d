//! Connections that a redirect leads to a local port where something is wrong.

use crate::lab::address;
use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::{Rules, nft_rule};
use crate::lab::scenario::reply::ask_once;
use crate::lab::scenario::{Cure, EITHER_PEER, Outcome, Scenario};
use crate::lab::script::{Connect, Script};
use crate::lab::wire::{Accepts, Command};
use crate::lab::world::World;
use crate::model::finding::Cause;

pub(super) const DEAD_PORT: Scenario = Scenario {
    name: "redirect-to-dead-port",
    summary: "port 9000 is redirected to a local port where nobody listens: refused, as if by the remote",
    expected: Some(Cause::RedirectToDeadPort),
    client: Outcome::Refused,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        pair_with_app(world)?;
        world.add_rules("pod", &REDIRECT)
    },
    drive: |script| script.connect("app", 9000, Outcome::Refused),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const TARGET_BLOCKED: Scenario = Scenario {
    name: "redirect-target-blocked",
    summary: "port 9000 is redirected to a live listener, and another rule drops what arrives there",
    expected: Some(Cause::RedirectTargetBlocked),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        pair_with_app(world)?;
        world.add_server("agent", "pod", AGENT_PORT, Accepts::Echo, 128)?;
        world.add_rules("pod", &REDIRECT)?;
        world.add_rules("pod", &BLOCK_TARGET)
    },
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const TARGET_STALLED: Scenario = Scenario {
    name: "redirect-target-stalled",
    summary: "port 9000 is redirected to a listener that never accepts: the request is acknowledged, never answered",
    expected: Some(Cause::RedirectTargetStalled),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        pair_with_app(world)?;
        world.add_server("agent", "pod", AGENT_PORT, Accepts::Never, 128)?;
        world.add_rules("pod", &REDIRECT)
    },
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        script.request("app", 0, Outcome::Hangs)
    },
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const TARGET_STALLED_FULL: Scenario = Scenario {
    name: "redirect-target-stalled-full",
    summary: "port 9000 is redirected to a listener that never accepts and whose queue is full: connect hangs",
    expected: Some(Cause::RedirectTargetStalled),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        pair_with_app(world)?;
        world.add_server("agent", "pod", AGENT_PORT, Accepts::Never, 0)?;
        world.add_rules("pod", &REDIRECT)
    },
    drive: fill_queue_and_connect,
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const LOOP: Scenario = Scenario {
    name: "redirect-loop",
    summary: "a sidecar's own connections are redirected back into it, for no rule exempts its user: connect works, the \
              answer never comes",
    expected: Some(Cause::RedirectLoop),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        pair_with_app(world)?;
        start_relay(world)?;
        world.add_rules("pod", &REDIRECT_TO_PROXY)
    },
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        script.request("app", 0, Outcome::Hangs)
    },
    cure: Cure::By(|script| {
        script.say("envoy in pod is started anew: what it holds is not given back");
        script.world.stop_app("envoy");
        start_relay(script.world)?;
        script.again("pod")
    }),
    conntrack_events: false,
};

pub(super) const EXEMPT: Scenario = Scenario {
    name: "exempt-proxy",
    summary: "control: the same sidecar, with its user exempted ahead of the redirect",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        pair_with_app(world)?;
        start_relay(world)?;
        world.add_rules("pod", &EXEMPTED_REDIRECT)
    },
    drive: |script| ask_once(script, 0),
    cure: Cure::None,
    conntrack_events: false,
};

fn start_relay(world: &mut World) -> Result<(), LabError> {
    world.add_app("envoy", "pod", 1337)?;
    let listen = address::any(world.options.family, 15001);
    world.made.push(format!(
        "envoy in pod listens on {listen} and passes on {RELAYED} connections at most"
    ));
    let relay = Command::Relay {
        listen,
        connections: RELAYED,
    };
    world.ask_app("envoy", &relay).map(drop)
}

/// The first connection takes the only place in the queue, the second finds none.
pub(super) fn fill_queue_and_connect(script: &mut Script<'_>) -> Result<(), LabError> {
    let to = script.world.peer(9000);
    script.connect("app", 9000, Outcome::Works)?;
    script.connect_as(
        "app",
        Connect {
            to,
            slot: 1,
            from_port: None,
            give_up_ms: None,
        },
        Outcome::Hangs,
    )
}

fn pair_with_app(world: &mut World) -> Result<(), LabError> {
    world.wire_pair()?;
    world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
    world.add_app("app", "pod", 0)
}

pub(super) const REDIRECT: Rules = Rules {
    iptables: &["-t nat -A OUTPUT -p tcp --dport 9000 -j REDIRECT --to-ports 37673"],
    nft: nft_rule!("nat", "nat", "output", "-100", "tcp dport 9000 redirect to :37673"),
};

const BLOCK_TARGET: Rules = Rules {
    iptables: &["-A INPUT -p tcp --dport 37673 -j DROP"],
    nft: nft_rule!("filter", "filter", "input", "filter", "tcp dport 37673 drop"),
};

const REDIRECT_TO_PROXY: Rules = Rules {
    iptables: &["-t nat -A OUTPUT -p tcp --dport 9000 -j REDIRECT --to-ports 15001"],
    nft: nft_rule!("nat", "nat", "output", "-100", "tcp dport 9000 redirect to :15001"),
};

const EXEMPTED_REDIRECT: Rules = Rules {
    iptables: &[
        "-t nat -A OUTPUT -m owner --uid-owner 1337 -j RETURN",
        "-t nat -A OUTPUT -p tcp --dport 9000 -j REDIRECT --to-ports 15001",
    ],
    nft: nft_rule!(
        "nat",
        "nat",
        "output",
        "-100",
        "meta skuid 1337 return\n  tcp dport 9000 redirect to :15001"
    ),
};

const RELAYED: usize = 30;

/// As random as the port of a mirrord agent.
pub(super) const AGENT_PORT: u16 = 37673;
