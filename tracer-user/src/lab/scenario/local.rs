//! Connections that fail within their own namespace, without any rule.

use crate::lab::address::{self, Link};
use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::scenario::{Cure, EITHER_PEER, KERNEL_PEER, Outcome, Scenario};
use crate::lab::script::{Connect, Script};
use crate::lab::wire::{Accepts, Command, Server};
use crate::lab::world::World;
use crate::model::finding::Cause;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) const PORT_EXHAUSTED: Scenario = Scenario {
    name: "port-exhausted",
    summary: "every local port already has a connection to the destination: the next connect fails before any SYN",
    expected: Some(Cause::PortExhausted),
    client: Outcome::NoPort,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)?;
        let last = FIRST + u16::from(PORTS) - 1;
        world
            .made
            .push(format!("pod: net.ipv4.ip_local_port_range={FIRST} {last}"));
        world.set("pod", "ipv4/ip_local_port_range", &format!("{FIRST} {last}"))
    },
    drive: take_every_port,
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const LOOPBACK_DIALED: Scenario = Scenario {
    name: "loopback-only-mismatch",
    summary: "an application listens on the pod's address only, and 127.0.0.1 is dialed: refused",
    expected: Some(Cause::LoopbackOnlyMismatch),
    client: Outcome::Refused,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| listen_on(world, pod),
    drive: |script| dial(script, loopback, Outcome::Refused),
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const LOOPBACK_LISTENS: Scenario = Scenario {
    name: "loopback-only-mismatch-pod",
    summary: "an application listens on 127.0.0.1 only, and the pod's address is dialed: refused",
    expected: Some(Cause::LoopbackOnlyMismatch),
    client: Outcome::Refused,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| listen_on(world, loopback),
    drive: |script| dial(script, pod, Outcome::Refused),
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const LOOPBACK_OF_OTHER_FAMILY: Scenario = Scenario {
    name: "loopback-only-mismatch-family",
    summary: "an application listens on [::1] only, and 127.0.0.1 is dialed: refused",
    expected: Some(Cause::LoopbackOnlyMismatch),
    client: Outcome::Refused,
    families: &[Family::Ipv4],
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| listen_on(world, |_| Ipv6Addr::LOCALHOST.into()),
    drive: |script| dial(script, loopback, Outcome::Refused),
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const FALLS_BACK: Scenario = Scenario {
    name: "localhost-falls-back",
    summary: "control: localhost is tried as [::1] first, where nobody listens, and then as 127.0.0.1",
    expected: None,
    client: Outcome::Works,
    families: &[Family::Ipv4],
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| listen_on(world, loopback),
    drive: |script| {
        dial(script, |_| Ipv6Addr::LOCALHOST.into(), Outcome::Refused)?;
        dial(script, loopback, Outcome::Works)
    },
    cure: Cure::None,
    conntrack_events: false,
};

fn listen_on(world: &mut World, address: fn(Family) -> IpAddr) -> Result<(), LabError> {
    world.wire_pair()?;
    world.add_app("server", "pod", 0)?;
    world.add_app("app", "pod", 0)?;
    let listen = SocketAddr::new(address(world.options.family), 9000);
    world.made.push(format!("server in pod listens on {listen}"));
    let serve = Command::Serve(Server {
        listen,
        backlog: 128,
        accepts: Accepts::Echo,
    });
    world.ask_app("server", &serve).map(drop)
}

fn dial(script: &mut Script<'_>, address: fn(Family) -> IpAddr, expected: Outcome) -> Result<(), LabError> {
    let connect = Connect {
        to: SocketAddr::new(address(script.world.options.family), 9000),
        slot: 0,
        from_port: None,
        give_up_ms: None,
    };
    script.connect_as("app", connect, expected)
}

fn pod(family: Family) -> IpAddr {
    address::address(family, Link::Near, address::POD)
}

fn loopback(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
        Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
    }
}

fn take_every_port(script: &mut Script<'_>) -> Result<(), LabError> {
    let to = script.world.peer(9000);
    script.say(&format!("app in pod opens {PORTS} connections to {to} and keeps them"));
    for slot in 0..PORTS {
        let command = Command::Connect {
            slot,
            to,
            from_port: None,
            give_up_ms: None,
        };
        script.world.ask_app("app", &command)?;
    }
    let one_more = Connect {
        to,
        slot: PORTS,
        from_port: None,
        give_up_ms: None,
    };
    script.connect_as("app", one_more, Outcome::NoPort)
}

const FIRST: u16 = 40_000;
const PORTS: u8 = 20;
