//! Packets that something attached to a device drops.

use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::Invocation;
use crate::lab::scenario::{Cure, EITHER_PEER, Outcome, Scenario};
use crate::lab::wire::Accepts;
use crate::lab::world::World;
use crate::model::finding::Cause;

pub(super) const TC: Scenario = Scenario {
    name: "dropped-in-kernel-tc",
    summary: "a filter of tc drops what leaves for port 9000: connect hangs, and no rule has a part in it",
    expected: Some(Cause::DroppedInKernel),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)?;
        let code = match world.options.family {
            Family::Ipv4 => DROP_V4,
            Family::Ipv6 => DROP_V6,
        };
        tc(world, &["qdisc", "add", "dev", "eth0", "clsact"])?;
        let filter = [
            "filter",
            "add",
            "dev",
            "eth0",
            "egress",
            "bpf",
            "direct-action",
            "bytecode",
            code,
        ];
        tc(world, &filter)
    },
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::Again,
    conntrack_events: false,
};

fn tc(world: &mut World, arguments: &[&str]) -> Result<(), LabError> {
    world.run(
        "pod",
        Invocation {
            program: "tc",
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            input: String::new(),
        },
    )
}

/// Classic BPF, as `tc` takes it: TC_ACT_SHOT (2) for frames of TCP to port 9000, TC_ACT_UNSPEC for others.
const DROP_V4: &str = "8,40 0 0 12,21 0 5 2048,48 0 0 23,21 0 3 6,40 0 0 36,21 0 1 9000,6 0 0 2,6 0 0 4294967295";
const DROP_V6: &str = "8,40 0 0 12,21 0 5 34525,48 0 0 20,21 0 3 6,40 0 0 56,21 0 1 9000,6 0 0 2,6 0 0 4294967295";
