//! Connections that end in one of the ordinary ways.

use super::echo_pair;
use crate::lab::address::{self, Link, PEER, POD};
use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family, PeerKind};
use crate::lab::scenario::reply::ask_once;
use crate::lab::scenario::{Cure, EITHER_PEER, KERNEL_PEER, Outcome, Scenario};
use crate::lab::script::{Connect, Script};
use crate::lab::topology::POD_HARDWARE;
use crate::lab::wire::{Accepts, Command, Manner};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

pub(in crate::lab::scenario) const GRACEFUL_CLOSE: Scenario = Scenario {
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

pub(in crate::lab::scenario) const LINGER_ZERO: Scenario = Scenario {
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

pub(in crate::lab::scenario) const CLOSE_WITH_UNREAD_DATA: Scenario = Scenario {
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

pub(in crate::lab::scenario) const HALF_CLOSE: Scenario = Scenario {
    name: "half-close",
    summary: "control: the client closes its direction and waits; the answer comes four seconds later",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "peer", 9000, Accepts::EchoSlowly { ms: 4_000 }, 128)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        script.send("app", 0)?;
        script.act("app", "sends no more", &Command::HalfClose { slot: 0 })?;
        script.act("app", "waits for the answer", &Command::Receive { slot: 0 })?;
        script.act("app", "closes", &Command::Close { slot: 0 })
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const RESET_AFTER_FIN: Scenario = Scenario {
    name: "reset-after-fin",
    summary: "control: the client asks and closes without waiting; its kernel resets what is answered",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "peer", 9000, Accepts::EchoSlowly { ms: 300 }, 128)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        for slot in 0..3 {
            let to = script.world.peer(9000);
            script.connect_as(
                "app",
                Connect {
                    slot,
                    ..Connect::to(to)
                },
                Outcome::Works,
            )?;
            script.send("app", slot)?;
            script.act("app", "closes", &Command::Close { slot })?;
        }
        thread::sleep(Duration::from_millis(600));
        Ok(())
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const HEALTH_CHECKS: Scenario = Scenario {
    name: "health-checks",
    summary: "control: once a second the peer connects to a server of the pod and resets the connection",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "pod", 9000, Accepts::Echo, 128)?;
        if world.is_phantom("peer") {
            return world.start_phantom(Manner::Echo);
        }
        world.add_app("checker", "peer", 0)
    },
    drive: |script| {
        for check in 0..6 {
            health_check(script, 50_000 + check)?;
            thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    },
    cure: Cure::None,
    conntrack_events: false,
};

fn health_check(script: &mut Script<'_>, from_port: u16) -> Result<(), LabError> {
    let family = script.world.options.family;
    let to: SocketAddr = (address::address(family, Link::Near, POD), 9000).into();
    if script.world.peer_kind == PeerKind::Kernel {
        script.connect_as("checker", Connect::to(to), Outcome::Works)?;
        return script.act("checker", "closes with SO_LINGER 0", &Command::Abort { slot: 0 });
    }
    script.say(&format!("the peer connects to {to} and resets the connection"));
    let probe = Command::PhantomProbe {
        hardware: POD_HARDWARE,
        from: (address::address(family, Link::Near, PEER), from_port).into(),
        to,
    };
    script.world.ask_host("peer", &probe).map(drop)
}
