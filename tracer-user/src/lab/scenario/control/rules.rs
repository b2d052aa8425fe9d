//! Rules and conntrack entries that look guilty and are not.

use super::echo_pair;
use crate::lab::address;
use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::{Rules, nft_rule};
use crate::lab::scenario::redirect::{AGENT_PORT, REDIRECT};
use crate::lab::scenario::reply::{ask_once, set_up_pooled};
use crate::lab::scenario::{Cure, EITHER_PEER, Outcome, Scenario};
use crate::lab::script::{Connect, Script};
use crate::lab::wire::{Accepts, Command, Server};
use std::net::{Ipv6Addr, SocketAddr};

pub(in crate::lab::scenario) const V6_LISTENER: Scenario = Scenario {
    name: "v6-listener",
    summary: "control: IPv4 connections are redirected to a listener on [::], which serves them",
    expected: None,
    client: Outcome::Works,
    families: &[Family::Ipv4],
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        echo_pair(world)?;
        world.add_app("agent", "pod", 0)?;
        let listen = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), AGENT_PORT);
        world.ask_app(
            "agent",
            &Command::Serve(Server {
                listen,
                backlog: 128,
                accepts: Accepts::Echo,
            }),
        )?;
        world.made.push(format!("agent in pod listens on {listen}"));
        world.add_rules("pod", &REDIRECT)
    },
    drive: |script| ask_once(script, 0),
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const LATE_LISTENER: Scenario = Scenario {
    name: "late-listener",
    summary: "control: a proxy begins to listen a moment after its rules; whoever tries in between is refused once",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        echo_pair(world)?;
        world.add_app("agent", "pod", 0)?;
        world.add_rules("pod", &REDIRECT)
    },
    drive: |script| {
        script.connect("app", 9000, Outcome::Refused)?;
        let listen = address::any(script.world.options.family, AGENT_PORT);
        let serve = Command::Serve(Server {
            listen,
            backlog: 128,
            accepts: Accepts::Echo,
        });
        script.act("agent", "begins to listen", &serve)?;
        ask_once(script, 0)
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const UNUSED_MARK: Scenario = Scenario {
    name: "unused-mark",
    summary: "control: Istio's and mirrord's rules side by side, with the mark that mirrord rejects set on nothing",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: set_up_pooled,
    drive: |script| {
        ask_once(script, 0)?;
        ask_once(script, 1)
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const RULE_DELETED: Scenario = Scenario {
    name: "rule-deleted",
    summary: "control: a redirect is deleted; the connection that it took goes on to the agent, the next one does not",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        echo_pair(world)?;
        world.add_server("agent", "pod", AGENT_PORT, Accepts::Echo, 128)?;
        world.add_rules("pod", &REDIRECT)
    },
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        script.request("app", 0, Outcome::Works)?;
        script.rules("pod", &NO_REDIRECT)?;
        script.request("app", 0, Outcome::Works)?;
        ask_once(script, 1)?;
        script.request("app", 0, Outcome::Works)
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const PORT_CLASH: Scenario = Scenario {
    name: "port-clash",
    summary: "control: two connections from one port are redirected to one listener; conntrack gives the second another \
              port",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        echo_pair(world)?;
        world.add_server("agent", "pod", AGENT_PORT, Accepts::Echo, 128)?;
        world.add_rules("pod", &REDIRECT_BOTH)
    },
    drive: |script| {
        for (slot, port) in [(0, 9000), (1, 9100)] {
            let connect = Connect {
                slot,
                from_port: Some(address::own_port()),
                ..Connect::to(script.world.peer(port))
            };
            script.connect_as("app", connect, Outcome::Works)?;
        }
        script.request("app", 0, Outcome::Works)?;
        script.request("app", 1, Outcome::Works)
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const HOOKS_OFF: Scenario = Scenario {
    name: "hooks-off",
    summary: "control: the last rules are gone, and conntrack with them; an entry that is left over acts on nothing",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    // iptables leaves base chains behind, and its legacy form tables, that keep conntrack's hooks.
    backends: &[Backend::Nft],
    peers: EITHER_PEER,
    set_up: |world| {
        echo_pair(world)?;
        world.add_server("agent", "pod", AGENT_PORT, Accepts::Echo, 128)?;
        world.add_rules("pod", &REDIRECT)
    },
    drive: |script| {
        leave_an_entry_behind(script, 9000)?;
        let from_there = Connect {
            from_port: Some(address::own_port()),
            ..Connect::to(script.world.peer(9000))
        };
        script.connect_as("app", from_there, Outcome::Works)?;
        script.request("app", 0, Outcome::Works)
    },
    cure: Cure::None,
    conntrack_events: false,
};

/// A connection from a known port is redirected to the agent, and the rules go before it does.
pub(in crate::lab::scenario) fn leave_an_entry_behind(script: &mut Script<'_>, port: u16) -> Result<(), LabError> {
    let connect = Connect {
        from_port: Some(address::own_port()),
        ..Connect::to(script.world.peer(port))
    };
    script.connect_as("app", connect, Outcome::Works)?;
    script.request("app", 0, Outcome::Works)?;
    script.rules("pod", &NO_RULES)?;
    script.act("app", "closes with SO_LINGER 0", &Command::Abort { slot: 0 })
}

const NO_REDIRECT: Rules = Rules {
    iptables: &["-t nat -D OUTPUT -p tcp --dport 9000 -j REDIRECT --to-ports 37673"],
    nft: "flush chain inet nat output",
};

const REDIRECT_BOTH: Rules = Rules {
    iptables: &[
        "-t nat -A OUTPUT -p tcp --dport 9000 -j REDIRECT --to-ports 37673",
        "-t nat -A OUTPUT -p tcp --dport 9100 -j REDIRECT --to-ports 37673",
    ],
    nft: nft_rule!(
        "nat",
        "nat",
        "output",
        "-100",
        "tcp dport { 9000, 9100 } redirect to :37673"
    ),
};

const NO_RULES: Rules = Rules {
    iptables: &[],
    nft: "flush ruleset",
};
