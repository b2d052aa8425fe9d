//! Sockets that somebody destroys under the application that holds them.

use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::Invocation;
use crate::lab::scenario::{Cure, EITHER_PEER, Outcome, PHANTOM_PEER, Scenario};
use crate::lab::script::Script;
use crate::lab::wire::{Accepts, Command, Manner};
use crate::model::finding::Cause;

pub(super) const DESTROYED: Scenario = Scenario {
    name: "socket-destroyed",
    summary: "somebody in the pod runs `ss -K`: the established connections to the peer's port are destroyed",
    expected: Some(Cause::SocketDestroyed),
    client: Outcome::Destroyed,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        script.request("app", 0, Outcome::Works)?;
        destroy(script)?;
        script.step(
            "app",
            "waits for more",
            &Command::Receive { slot: 0 },
            Outcome::Destroyed,
        )
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const DESTROYED_CONNECT: Scenario = Scenario {
    name: "socket-destroyed-connect",
    summary: "somebody in the pod runs `ss -K` while a connect still waits for its answer",
    expected: Some(Cause::SocketDestroyed),
    client: Outcome::Destroyed,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: PHANTOM_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.start_phantom(Manner::Silent)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        script.connect("app", 9000, Outcome::Hangs)?;
        destroy(script)?;
        script.ends("app", Outcome::Destroyed)
    },
    cure: Cure::None,
    conntrack_events: false,
};

fn destroy(script: &mut Script<'_>) -> Result<(), LabError> {
    let peer = script.world.peer(9000).to_string();
    let words = ["-K", "--tcp", "dst", &peer];
    script.run(
        "pod",
        Invocation {
            program: "ss",
            arguments: words.map(str::to_owned).to_vec(),
            input: String::new(),
        },
    )
}
