//! Connections whose translation is not what the rules would make of them, or is gone.

use crate::lab::address;
use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::{Invocation, Rules, nft_rule};
use crate::lab::scenario::redirect::{AGENT_PORT, REDIRECT};
use crate::lab::scenario::{Cure, EITHER_PEER, Outcome, PHANTOM_PEER, Scenario};
use crate::lab::script::{Connect, Script};
use crate::lab::wire::{Accepts, Command};
use crate::lab::world::World;
use crate::model::finding::Cause;
use std::thread;
use std::time::Duration;

pub(super) const STALE: Scenario = Scenario {
    name: "stale-conntrack",
    summary: "a translation was deleted and its target is gone, but an old entry still sends this source port there: \
              connect hangs",
    expected: Some(Cause::StaleConntrack),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: PHANTOM_PEER,
    set_up: |world| translated(world),
    drive: |script| {
        connect(script, 0, Outcome::Works)?;
        script.request("app", 0, Outcome::Works)?;
        script.say("the translation's target goes away, and so does app, without a word to it");
        forget_target(script)?;
        script.apply("pod", &MUTE)?;
        script.act("app", "aborts", &Command::Abort { slot: 0 })?;
        script.apply("pod", &UNMUTE)?;
        script.apply("pod", &NO_TRANSLATION)?;
        connect(script, 1, Outcome::Hangs)
    },
    cure: Cure::Waiting("app"),
    conntrack_events: false,
};

pub(super) const STALE_UNREPLIED: Scenario = Scenario {
    name: "stale-conntrack-unreplied",
    summary: "a connect was given up, then its translation deleted, but the entry of its SYN still sends this source port \
              to the dead target: connect hangs",
    expected: Some(Cause::StaleConntrack),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: PHANTOM_PEER,
    set_up: |world| translated(world),
    drive: |script| {
        forget_target(script)?;
        let to = script.world.peer(9000);
        let first = Connect {
            to,
            slot: 0,
            from_port: Some(address::own_port()),
            give_up_ms: Some(300),
        };
        script.connect_as("app", first, Outcome::GivesUp)?;
        script.apply("pod", &NO_TRANSLATION)?;
        connect(script, 1, Outcome::Hangs)
    },
    cure: Cure::Waiting("app"),
    conntrack_events: false,
};

pub(super) const INVALID_PACKET: Scenario = Scenario {
    name: "invalid-packet-reset",
    summary: "a segment far out of the window is not translated back, and this host itself resets the connection",
    expected: Some(Cause::InvalidPacketReset),
    client: Outcome::Reset,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: PHANTOM_PEER,
    set_up: |world| translated(world),
    drive: |script| {
        connect(script, 0, Outcome::Works)?;
        script.request("app", 0, Outcome::Works)?;
        forge(script)?;
        // The server forgot the connection; who looks at once still finds the client's end.
        thread::sleep(Duration::from_secs(1));
        script.request("app", 0, Outcome::Reset)
    },
    cure: Cure::By(|script| {
        let to = script.world.peer(9000);
        let again = Connect {
            to,
            slot: 1,
            from_port: None,
            give_up_ms: None,
        };
        script.connect_as("app", again, Outcome::Works)?;
        forge(script)?;
        script.request("app", 1, Outcome::Works)
    }),
    conntrack_events: false,
};

pub(super) const BINDING_LOST: Scenario = Scenario {
    name: "nat-binding-lost",
    summary: "the entry of a redirected connection is deleted while it is idle: what the agent sends next meets no socket, \
              and the application waits for ever",
    expected: Some(Cause::NatBindingLost),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| redirected(world),
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        accept(script, 0)?;
        delete_entries(script)?;
        script.say("a second later the agent has something to say");
        thread::sleep(Duration::from_secs(1));
        script.send("agent", 0)?;
        script.step("app", "waits for it", &Command::Receive { slot: 0 }, Outcome::Hangs)
    },
    cure: Cure::By(reconnect),
    conntrack_events: true,
};

pub(super) const ORIGINAL_DESTINATION_LOST: Scenario = Scenario {
    name: "original-destination-lost",
    summary: "the entry of a redirected connection is deleted before the proxy accepts it: the proxy cannot tell where it \
              was meant to go, and drops it",
    expected: Some(Cause::OriginalDestinationLost),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| redirected(world),
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        delete_entries(script)?;
        script.say("a second later the agent gets to it");
        thread::sleep(Duration::from_secs(1));
        let step = "accepts, and asks for the original destination";
        let command = Command::Accept { slot: 0, proxy: true };
        script.step("agent", step, &command, Outcome::Unknown)?;
        script.step("app", "waits for it", &Command::Receive { slot: 0 }, Outcome::Hangs)
    },
    cure: Cure::By(reconnect),
    conntrack_events: true,
};

pub(super) const FAN_IN: Scenario = Scenario {
    name: "redirect-fan-in",
    summary: "an application aborts its redirected connection, and a rule drops the RST: the agent keeps its socket, and the \
              next connect from that port meets it, not the listener",
    expected: Some(Cause::RedirectFanIn),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
        world.add_server("agent", "pod", AGENT_PORT, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)?;
        world.add_rules("pod", &REDIRECT)?;
        world.add_rules("pod", &DROP_RESETS)
    },
    drive: |script| {
        connect(script, 0, Outcome::Works)?;
        script.request("app", 0, Outcome::Works)?;
        script.act("app", "aborts", &Command::Abort { slot: 0 })?;
        connect(script, 1, Outcome::Hangs)
    },
    cure: Cure::Waiting("app"),
    conntrack_events: false,
};

fn translated(world: &mut World) -> Result<(), LabError> {
    world.wire_pair()?;
    world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
    world.add_app("app", "pod", 0)?;
    world.add_rules("pod", &TRANSLATION)
}

/// To a listener that accepts when it is told to.
fn redirected(world: &mut World) -> Result<(), LabError> {
    world.wire_pair()?;
    world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
    world.add_app("agent", "pod", 0)?;
    let listen = address::any(world.options.family, AGENT_PORT);
    world.made.push(format!("agent in pod listens on {listen}"));
    world.ask_app("agent", &Command::Listen { listen })?;
    world.add_app("app", "pod", 0)?;
    world.add_rules("pod", &REDIRECT)
}

fn connect(script: &mut Script<'_>, slot: u8, expected: Outcome) -> Result<(), LabError> {
    let to = script.world.peer(9000);
    let connect = Connect {
        to,
        slot,
        from_port: Some(address::own_port()),
        give_up_ms: None,
    };
    script.connect_as("app", connect, expected)
}

fn forget_target(script: &mut Script<'_>) -> Result<(), LabError> {
    let command = Command::PhantomDeaf { port: 9100 };
    script.world.ask_host("peer", &command).map(drop)
}

fn forge(script: &mut Script<'_>) -> Result<(), LabError> {
    script.say("a segment far out of the window comes from the server");
    script.world.ask_host("peer", &Command::PhantomForge).map(drop)
}

fn accept(script: &mut Script<'_>, slot: u8) -> Result<(), LabError> {
    script.act("agent", "accepts it", &Command::Accept { slot, proxy: false })
}

fn delete_entries(script: &mut Script<'_>) -> Result<(), LabError> {
    let family = script.world.options.family.name();
    let words = ["-D", "-f", family, "-p", "tcp", "--dport", "9000"];
    let invocation = Invocation {
        program: "conntrack",
        arguments: words.iter().map(|&word| word.to_owned()).collect(),
        input: String::new(),
    };
    script.run("pod", invocation)
}

/// The application is told, connects again, and gets what the agent sends.
fn reconnect(script: &mut Script<'_>) -> Result<(), LabError> {
    script.is_told("app")?;
    let to = script.world.peer(9000);
    let again = Connect {
        to,
        slot: 1,
        from_port: None,
        give_up_ms: None,
    };
    script.connect_as("app", again, Outcome::Works)?;
    accept(script, 1)?;
    script.send("agent", 1)?;
    script.act("app", "receives", &Command::Receive { slot: 1 })
}

const TRANSLATION: Rules = Rules {
    iptables: &["-t nat -A OUTPUT -p tcp -d {peer} --dport 9000 -j DNAT --to-destination {other}:9100"],
    nft: nft_rule!(
        "nat",
        "nat",
        "output",
        "-100",
        "{ip} daddr {peer} tcp dport 9000 dnat {ip} to {other}:9100"
    ),
};

const NO_TRANSLATION: Rules = Rules {
    iptables: &["-t nat -D OUTPUT -p tcp -d {peer} --dport 9000 -j DNAT --to-destination {other}:9100"],
    // Without any chain for it NAT is off, and the entry does not act.
    nft: "flush table inet nat",
};

/// Ahead of conntrack, which then does not learn of the end.
const MUTE: Rules = Rules {
    iptables: &["-t raw -A OUTPUT -p tcp --sport {sport} -j DROP"],
    nft: nft_rule!("raw", "filter", "output", "raw", "tcp sport {sport} drop"),
};

const UNMUTE: Rules = Rules {
    iptables: &["-t raw -D OUTPUT -p tcp --sport {sport} -j DROP"],
    nft: "delete table inet raw",
};

/// As it is advised where a program of its own answers on raw sockets.
const DROP_RESETS: Rules = Rules {
    iptables: &["-A OUTPUT -p tcp --tcp-flags RST RST -j DROP"],
    nft: nft_rule!("filter", "filter", "output", "filter", "tcp flags & rst == rst drop"),
};
