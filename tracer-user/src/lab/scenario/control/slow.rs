//! Connections that go on slowly, each for a good reason.

use crate::lab::address;
use crate::lab::options::{Backend, Family};
use crate::lab::scenario::redirect::{AGENT_PORT, REDIRECT};
use crate::lab::scenario::{Cure, EITHER_PEER, KERNEL_PEER, Outcome, PHANTOM_PEER, Scenario};
use crate::lab::script::Connect;
use crate::lab::wire::{Accepts, Command, Manner, Server};

pub(in crate::lab::scenario) const PEER_DOES_NOT_READ: Scenario = Scenario {
    name: "peer-does-not-read",
    summary: "control: the server accepts and does not read: megabytes wait in the send queue, nothing is lost",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "peer", 9000, Accepts::Unread, 128)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        script.act(
            "app",
            "sends until the socket takes no more",
            &Command::Fill {
                slot: 0,
                bytes: 8 << 20,
            },
        )
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const CLOSED_WINDOW: Scenario = Scenario {
    name: "closed-window",
    summary: "control: the peer acknowledges a request and closes its window; more waits in the send queue",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: PHANTOM_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.start_phantom(Manner::ShutsWindow)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        script.request("app", 0, Outcome::Works)?;
        script.send("app", 0)
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const SLOW_ACCEPT: Scenario = Scenario {
    name: "slow-accept",
    summary: "control: connections are redirected to a listener that takes two seconds before it accepts",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        super::echo_pair(world)?;
        world.add_app("agent", "pod", 0)?;
        world.add_rules("pod", &REDIRECT)
    },
    drive: |script| {
        let serve = Command::Serve(Server {
            listen: address::any(script.world.options.family, AGENT_PORT),
            backlog: 128,
            accepts: Accepts::EchoLate { ms: 2_000 },
        });
        script.act("agent", "listens, and accepts in two seconds", &serve)?;
        script.connect("app", 9000, Outcome::Works)?;
        script.request("app", 0, Outcome::Works)
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const LOSSY_PATH: Scenario = Scenario {
    name: "lossy-path",
    summary: "control: the path loses every tenth segment with data; TCP sends it again, and all arrives",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_lossy(10)?;
        world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        for slot in 0..2 {
            let to = script.world.peer(9000);
            script.connect_as(
                "app",
                Connect {
                    slot,
                    ..Connect::to(to)
                },
                Outcome::Works,
            )?;
            script.step(
                "app",
                "sends a line of 300,000 bytes",
                &Command::Send {
                    slot,
                    line: "x".repeat(300_000),
                },
                Outcome::Works,
            )?;
            script.step("app", "waits for its echo", &Command::Receive { slot }, Outcome::Works)?;
        }
        script.act(
            "app",
            "has lost segments and sent them again",
            &Command::HasRetransmitted,
        )
    },
    cure: Cure::None,
    conntrack_events: false,
};
