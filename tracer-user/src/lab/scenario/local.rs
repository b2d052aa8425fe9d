//! Connections that fail within their own namespace, without any rule.

use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::scenario::{Cure, EITHER_PEER, Outcome, Scenario};
use crate::lab::script::{Connect, Script};
use crate::lab::wire::{Accepts, Command};
use crate::model::finding::Cause;

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
};

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
