//! What a path does to packets beyond what a rule of the pod could.

use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::{Invocation, Rules, nft_rule};
use crate::lab::scenario::{Cure, KERNEL_PEER, Outcome, Scenario};
use crate::lab::wire::{Accepts, Command};
use crate::lab::world::World;
use crate::model::finding::Cause;

pub(super) const MTU_BLACKHOLE: Scenario = Scenario {
    name: "path-mtu-blackhole",
    summary: "behind a router the path takes 1400 bytes, and the ICMP errors that say so are dropped: a large request hangs",
    expected: Some(Cause::PathMtuBlackhole),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_routed()?;
        narrow(world)?;
        let rules = match world.options.family {
            Family::Ipv4 => &DROP_FRAGMENTATION_NEEDED,
            Family::Ipv6 => &DROP_PACKET_TOO_BIG,
        };
        world.add_rules("router", rules)?;
        world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        script.connect("app", 9000, Outcome::Works)?;
        script.request("app", 0, Outcome::Works)?;
        // Three segments of full size and a smaller one.
        let line = "x".repeat(5000);
        let send = Command::Send { slot: 0, line };
        script.step("app", "sends a request of 5000 bytes", &send, Outcome::Works)?;
        script.step(
            "app",
            "waits for the answer",
            &Command::Receive { slot: 0 },
            Outcome::Hangs,
        )
    },
    cure: Cure::Waiting("app"),
    conntrack_events: false,
};

fn narrow(world: &mut World) -> Result<(), LabError> {
    // A veth passes what a device cuts into segments as one packet, which is lost as a whole.
    world.run("pod", ip("link set eth0 gso_max_segs 1"))?;
    let peer = world.peer(9000).ip();
    world.run("router", ip(&format!("route add {peer} dev to-peer mtu lock 1400")))
}

fn ip(arguments: &str) -> Invocation {
    Invocation {
        program: "ip",
        arguments: arguments.split(' ').map(str::to_owned).collect(),
        input: String::new(),
    }
}

const DROP_FRAGMENTATION_NEEDED: Rules = Rules {
    iptables: &["-A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP"],
    nft: nft_rule!(
        "filter",
        "filter",
        "output",
        "filter",
        "icmp type destination-unreachable icmp code frag-needed drop"
    ),
};

const DROP_PACKET_TOO_BIG: Rules = Rules {
    iptables: &["-A OUTPUT -p icmpv6 --icmpv6-type packet-too-big -j DROP"],
    nft: nft_rule!(
        "filter",
        "filter",
        "output",
        "filter",
        "icmpv6 type packet-too-big drop"
    ),
};
