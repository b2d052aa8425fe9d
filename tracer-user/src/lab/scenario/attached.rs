//! Packets that something attached to a device drops.

use crate::lab::options::{Backend, Family};
use crate::lab::rules::Invocation;
use crate::lab::scenario::{Cure, EITHER_PEER, Outcome, Scenario};
use crate::lab::wire::Accepts;
use crate::lab::world::World;
use crate::lab::error::LabError;
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
        let protocol = match world.options.family {
            Family::Ipv4 => "ip",
            Family::Ipv6 => "ipv6",
        };
        tc(world, "qdisc add dev eth0 clsact")?;
        tc(
            world,
            &format!("filter add dev eth0 egress protocol {protocol} flower ip_proto tcp dst_port 9000 action drop"),
        )
    },
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::Again,
};

fn tc(world: &mut World, line: &str) -> Result<(), LabError> {
    let arguments = line.split_whitespace().map(str::to_owned).collect();
    world.run(
        "pod",
        Invocation {
            program: "tc",
            arguments,
            input: String::new(),
        },
    )
}
