//! Connections whose answers a rule rejects on their way in: the reset goes to the peer, the local socket never learns.

use crate::lab::address;
use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::{Invocation, Rules, nft_rule};
use crate::lab::scenario::redirect::AGENT_PORT;
use crate::lab::scenario::{Cure, EITHER_PEER, KERNEL_PEER, Outcome, Scenario};
use crate::lab::script::{Connect, Script};
use crate::lab::wire::{Accepts, Command, Proxy};
use crate::lab::world::World;
use crate::model::finding::Cause;

pub(super) const NEW_CONNECT: Scenario = Scenario {
    name: "reply-rejected",
    summary: "a rule rejects what comes back by its connmark, from the first packet on: connect hangs",
    expected: Some(Cause::ReplyRejected),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)?;
        world.add_rules("pod", &REJECT_MARKED)?;
        world.add_rules("pod", &MARK)
    },
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const POOLED: Scenario = Scenario {
    name: "reply-rejected-pooled",
    summary: "mirrord's flush marks the connection that an Istio sidecar keeps in its pool, its reject rule does the \
              rest: connect works, the answer never comes",
    expected: Some(Cause::ReplyRejected),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| set_up_pooled(world),
    drive: |script| {
        ask_once(script, 0)?;
        script.say("a mirrord agent begins to steal port 9000: it flushes what it takes for its connections");
        let mark = flush(script.world.options.family);
        script.run("pod", mark)?;
        let to = script.world.peer(9000);
        script.connect_as(
            "app",
            Connect {
                to,
                slot: 1,
                from_port: None,
                give_up_ms: None,
            },
            Outcome::Works,
        )?;
        script.request("app", 1, Outcome::Hangs)
    },
    cure: Cure::Waiting("app"),
    conntrack_events: false,
};

/// The pooled scenario's ground without its programs, for tests that bring a server, a sidecar (user 1337, port 15001)
/// and clients of their own.
pub static SIDECAR_AND_AGENT: Scenario = Scenario {
    name: "sidecar-and-agent",
    summary: "the rules of an Istio sidecar and of a mirrord agent up to 3.133, and nothing that uses them",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_pair()?;
        set_up_rules(world)
    },
    drive: |_| Ok(()),
    cure: Cure::None,
    conntrack_events: false,
};

/// Everything of the pooled scenario that is there before the mark is set.
pub(super) fn set_up_pooled(world: &mut World) -> Result<(), LabError> {
    world.wire_pair()?;
    world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
    world.add_app("envoy", "pod", 1337)?;
    let listen = address::any(world.options.family, 15001);
    world.made.push(format!(
        "envoy in pod listens on {listen}, with one pooled connection per destination"
    ));
    world.ask_app(
        "envoy",
        &Command::Proxy(Proxy {
            listen,
            source: None,
            routes: Vec::new(),
        }),
    )?;
    world.add_server("mirrord-agent", "pod", AGENT_PORT, Accepts::Echo, 128)?;
    world.add_app("app", "pod", 0)?;
    set_up_rules(world)
}

fn set_up_rules(world: &mut World) -> Result<(), LabError> {
    world.add_rules("pod", &ISTIO)?;
    world.add_rules("pod", &MIRRORD)?;
    // With the default of 10 s the hang heals by itself after half a minute.
    world.set("pod", "netfilter/nf_conntrack_tcp_timeout_close", "300")
}

/// One request on a connection of its own, which ends with it.
pub(super) fn ask_once(script: &mut Script<'_>, slot: u8) -> Result<(), LabError> {
    let to = script.world.peer(9000);
    script.connect_as(
        "app",
        Connect {
            to,
            slot,
            from_port: None,
            give_up_ms: None,
        },
        Outcome::Works,
    )?;
    script.request("app", slot, Outcome::Works)?;
    script.act("app", "closes", &Command::Close { slot })
}

/// What the agents before 3.134 did when a steal began. Without `-f` the kernel refuses it.
fn flush(family: Family) -> Invocation {
    let words = ["-f", family.name(), "-U", "-p", "tcp", "--dport", "9000", "-m", "0x1"];
    Invocation {
        program: "conntrack",
        arguments: words.iter().map(|&word| word.to_owned()).collect(),
        input: String::new(),
    }
}

const REJECT_MARKED: Rules = Rules {
    iptables: &["-A INPUT -p tcp -m connmark --mark 0x1 -j REJECT --reject-with tcp-reset"],
    nft: nft_rule!(
        "filter",
        "filter",
        "input",
        "filter",
        "meta l4proto tcp ct mark 0x1 reject with tcp reset"
    ),
};

const MARK: Rules = Rules {
    iptables: &["-t mangle -A OUTPUT -p tcp --dport 9000 -j CONNMARK --set-mark 1"],
    nft: nft_rule!("mangle", "filter", "output", "mangle", "tcp dport 9000 ct mark set 0x1"),
};

/// A sidecar's REDIRECT rules, with the OUTPUT jump twice as the report of the seed bug has it.
pub(super) const ISTIO: Rules = Rules {
    iptables: &[
        "-t nat -N ISTIO_INBOUND",
        "-t nat -N ISTIO_REDIRECT",
        "-t nat -N ISTIO_IN_REDIRECT",
        "-t nat -N ISTIO_OUTPUT",
        "-t nat -A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN",
        "-t nat -A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
        "-t nat -A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
        "-t nat -A PREROUTING -p tcp -j ISTIO_INBOUND",
        "-t nat -A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
        "-t nat -A OUTPUT -j ISTIO_OUTPUT",
        "-t nat -A OUTPUT -j ISTIO_OUTPUT",
        "-t nat -A ISTIO_OUTPUT -o lo -s {lo6} -j RETURN",
        "-t nat -A ISTIO_OUTPUT -o lo ! -d {lo} -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT",
        "-t nat -A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN",
        "-t nat -A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN",
        "-t nat -A ISTIO_OUTPUT -o lo ! -d {lo} -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT",
        "-t nat -A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN",
        "-t nat -A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN",
        "-t nat -A ISTIO_OUTPUT -d {lo} -j RETURN",
        "-t nat -A ISTIO_OUTPUT -j ISTIO_REDIRECT",
    ],
    nft: "table inet istio-proxy-nat {
        chain istio-redirect {
            meta l4proto tcp counter redirect to :15001
        }
        chain istio-in-redirect {
            meta l4proto tcp counter redirect to :15006
        }
        chain istio-inbound {
            tcp dport 15008 counter return
            meta l4proto tcp counter jump istio-in-redirect
        }
        chain istio-output {
            oifname lo {ip} saddr {lo6} counter return
            oifname lo {ip} daddr != {lo} tcp dport != 15008 meta skuid 1337 counter jump istio-in-redirect
            oifname lo meta skuid != 1337 counter return
            meta skuid 1337 counter return
            oifname lo {ip} daddr != {lo} tcp dport != 15008 meta skgid 1337 counter jump istio-in-redirect
            oifname lo meta skgid != 1337 counter return
            meta skgid 1337 counter return
            {ip} daddr {lo} counter return
            counter jump istio-redirect
        }
        chain prerouting {
            type nat hook prerouting priority dstnat;
            meta l4proto tcp counter jump istio-inbound
        }
        chain output {
            type nat hook output priority -100;
            counter jump istio-output
            counter jump istio-output
        }
    }",
};

/// What a mirrord agent up to 3.133 adds in an Istio CNI pod.
const MIRRORD: Rules = Rules {
    iptables: &[
        "-N MIRRORD_INPUT_RkDdj",
        "-A MIRRORD_INPUT_RkDdj -p tcp -m connmark --mark 0x1 -j REJECT --reject-with tcp-reset",
        "-A INPUT -j MIRRORD_INPUT_RkDdj",
        "-t nat -N MIRRORD_OUTPUT_hT2vq",
        "-t nat -A MIRRORD_OUTPUT_hT2vq -m owner --gid-owner 41337 -p tcp -j RETURN",
        "-t nat -A MIRRORD_OUTPUT_hT2vq -o lo -m tcp -p tcp --dport 9000 -j REDIRECT --to-ports 37673",
        "-t nat -A MIRRORD_OUTPUT_hT2vq -j RETURN",
        "-t nat -A OUTPUT -j MIRRORD_OUTPUT_hT2vq",
    ],
    nft: "table inet mirrord {
        chain MIRRORD_INPUT_RkDdj {
            meta l4proto tcp ct mark 0x1 counter reject with tcp reset
        }
        chain MIRRORD_OUTPUT_hT2vq {
            meta skgid 41337 meta l4proto tcp counter return
            oifname lo tcp dport 9000 counter redirect to :37673
            return
        }
        chain input {
            type filter hook input priority filter;
            counter jump MIRRORD_INPUT_RkDdj
        }
        chain output {
            type nat hook output priority -99;
            counter jump MIRRORD_OUTPUT_hT2vq
        }
    }",
};
