//! What happens on healthy nodes all day: a tracer must stay silent about it.

use crate::lab::address;
use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::scenario::redirect::{AGENT_PORT, REDIRECT};
use crate::lab::scenario::reply::{ask_once, set_up_pooled};
use crate::lab::scenario::{Cure, EITHER_PEER, KERNEL_PEER, Outcome, PHANTOM_PEER, Scenario};
use crate::lab::script::Connect;
use crate::lab::wire::{Accepts, Command, Manner, Server};
use crate::lab::world::World;
use std::net::{Ipv6Addr, SocketAddr};

pub(super) const REFUSED_PORT: Scenario = Scenario {
    name: "refused-port",
    summary: "control: an ordinary port where nobody listens",
    expected: None,
    client: Outcome::Refused,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: echo_pair,
    drive: |script| script.connect("app", 9999, Outcome::Refused),
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const GRACEFUL_CLOSE: Scenario = Scenario {
    name: "graceful-close",
    summary: "control: connect, request, answer, close",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: echo_pair,
    drive: |script| ask_once(script, 0),
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const LINGER_ZERO: Scenario = Scenario {
    name: "linger-zero",
    summary: "control: the application closes with SO_LINGER 0 and so resets its own connection",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: echo_pair,
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        script.request("app", 0, Outcome::Works)?;
        script.act("app", "closes with SO_LINGER 0", &Command::Abort { slot: 0 })
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const CLOSE_WITH_UNREAD_DATA: Scenario = Scenario {
    name: "close-with-unread-data",
    summary: "control: the application closes without reading the answer and so resets its own connection",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: echo_pair,
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        script.send("app", 0)?;
        script.act(
            "app",
            "sees that the answer is there",
            &Command::AwaitUnread { slot: 0 },
        )?;
        script.act("app", "closes without reading it", &Command::Close { slot: 0 })
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const ONE_GIVE_UP: Scenario = Scenario {
    name: "one-give-up",
    summary: "control: one connect without an answer, given up after a second",
    expected: None,
    client: Outcome::GivesUp,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: PHANTOM_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.start_phantom(Manner::Silent)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        let to = script.world.peer(9000);
        let connect = Connect {
            to,
            slot: 0,
            from_port: None,
            give_up_ms: Some(1000),
        };
        script.connect_as("app", connect, Outcome::GivesUp)
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const PEER_DOES_NOT_READ: Scenario = Scenario {
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

pub(super) const V6_LISTENER: Scenario = Scenario {
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

pub(super) const LATE_LISTENER: Scenario = Scenario {
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

pub(super) const UNUSED_MARK: Scenario = Scenario {
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

fn echo_pair(world: &mut World) -> Result<(), LabError> {
    world.wire_pair()?;
    world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
    world.add_app("app", "pod", 0)
}
