//! Packets that no rule drops: the kernel finds no way for them, or not the one they came by.

use crate::lab::address::{self, Link};
use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::{Invocation, Rules, nft_rule};
use crate::lab::scenario::{Cure, KERNEL_PEER, Outcome, Scenario};
use crate::lab::wire::Accepts;
use crate::lab::world::World;
use crate::model::finding::Cause;

pub(super) const MARTIAN: Scenario = Scenario {
    name: "martian-redirect",
    summary: "the peer translates its port 9000 to a program on its loopback, without route_localnet: connect hangs",
    expected: Some(Cause::MartianRedirect),
    client: Outcome::Hangs,
    // IPv6 has no such filter.
    families: &[Family::Ipv4],
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("agent", "peer", 37673, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)?;
        world.add_rules("peer", &TO_LOOPBACK)
    },
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const REVERSE_PATH: Scenario = Scenario {
    name: "reverse-path-filtered",
    summary: "answers come by a second device, by which there is no route back, and rp_filter is strict",
    expected: Some(Cause::ReversePathFiltered),
    client: Outcome::Hangs,
    families: &[Family::Ipv4],
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        asymmetric(world)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const REVERSE_PATH_MARK: Scenario = Scenario {
    name: "reverse-path-filtered-mark",
    summary: "a rule overwrites the mark by which the way back is chosen, and rp_filter drops the answers",
    expected: Some(Cause::ReversePathFiltered),
    client: Outcome::Hangs,
    families: &[Family::Ipv4],
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        asymmetric(world)?;
        world.set("pod", "ipv4/conf/eth1/src_valid_mark", "1")?;
        let peer = address::address(Family::Ipv4, Link::Near, address::PEER);
        let lines = [
            format!("route add {peer} dev eth1 table 107"),
            "rule add fwmark 0x7 table 107".to_owned(),
        ];
        world.run("pod", ip(&lines))?;
        world.add_app("app", "pod", 0)?;
        world.add_rules("pod", &ROUTE_BY_MARK)?;
        world.add_rules("pod", &OVERWRITE_MARK)
    },
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const UNREACHABLE: Scenario = Scenario {
    name: "unreachable-target",
    summary: "port 9000 is translated to a host that is gone: no route to host, after three seconds",
    expected: Some(Cause::UnreachableTarget),
    client: Outcome::Unreachable,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)?;
        world.add_rules("pod", &TO_NOBODY)
    },
    drive: |script| script.connect("app", 9000, Outcome::Unreachable),
    cure: Cure::Again,
    conntrack_events: false,
};

pub(super) const UNREACHABLE_DOCKER: Scenario = Scenario {
    name: "unreachable-target-docker",
    summary: "dockerd was killed on the peer with a container that published port 9000: its rule stays",
    expected: Some(Cause::UnreachableTarget),
    client: Outcome::Unreachable,
    families: &[Family::Ipv4],
    backends: &[Backend::IptablesNft, Backend::IptablesLegacy],
    peers: KERNEL_PEER,
    set_up: |world| {
        world.wire_pair()?;
        // What listens on the host itself is reached again once the rule is gone.
        world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
        world.add_app("app", "pod", 0)?;
        world.set("peer", "ipv4/ip_forward", "1")?;
        let lines = [
            "link add docker0 type bridge",
            "address add 172.17.0.1/16 dev docker0",
            "link set docker0 up",
        ];
        world.run("peer", ip(&lines.map(str::to_owned)))?;
        world.add_rules("peer", &PUBLISHED)
    },
    drive: |script| script.connect("app", 9000, Outcome::Unreachable),
    cure: Cure::Again,
    conntrack_events: false,
};

/// `pod` and `peer` with two links: the pod sends by eth0, the peer by eth1, and the pod insists on the same way.
fn asymmetric(world: &mut World) -> Result<(), LabError> {
    world.wire_pair()?;
    world.second_link()?;
    world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
    world.set("pod", "ipv4/conf/all/rp_filter", "0")?;
    world.set("pod", "ipv4/conf/eth1/rp_filter", "1")?;
    world.set("peer", "ipv4/conf/all/rp_filter", "0")?;
    world.set("peer", "ipv4/conf/eth0/rp_filter", "0")?;
    world.set("peer", "ipv4/conf/eth1/rp_filter", "0")
}

fn ip(lines: &[String]) -> Invocation {
    Invocation {
        program: "ip",
        arguments: vec!["-batch".to_owned(), "-".to_owned()],
        input: lines.join("\n"),
    }
}

const TO_LOOPBACK: Rules = Rules {
    iptables: &["-t nat -A PREROUTING -p tcp --dport 9000 -j DNAT --to-destination 127.0.0.1:37673"],
    nft: nft_rule!(
        "nat",
        "nat",
        "prerouting",
        "dstnat",
        "tcp dport 9000 dnat ip to 127.0.0.1:37673"
    ),
};

const TO_NOBODY: Rules = Rules {
    iptables: &["-t nat -A OUTPUT -p tcp --dport 9000 -j DNAT --to-destination {nobody}:9000"],
    nft: nft_rule!(
        "nat",
        "nat",
        "output",
        "-100",
        "tcp dport 9000 dnat {ip} to {nobody}:9000"
    ),
};

/// As dockerd writes it, its userland proxy's exemption included.
const PUBLISHED: Rules = Rules {
    iptables: &[
        "-t nat -N DOCKER",
        "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
        "-t nat -A DOCKER -i docker0 -j RETURN",
        "-t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 9000 -j DNAT --to-destination 172.17.0.2:80",
    ],
    nft: "",
};

const ROUTE_BY_MARK: Rules = Rules {
    iptables: &[
        "-t mangle -A OUTPUT -p tcp --dport 9000 -j MARK --set-mark 0x7",
        "-t mangle -A OUTPUT -p tcp --dport 9000 -j CONNMARK --save-mark",
        "-t mangle -A PREROUTING -j CONNMARK --restore-mark",
    ],
    nft: "table inet mangle {
 chain output {
  type route hook output priority mangle;
  tcp dport 9000 meta mark set 0x7 ct mark set meta mark
 }
 chain prerouting {
  type filter hook prerouting priority mangle;
  meta mark set ct mark
 }
}",
};

const OVERWRITE_MARK: Rules = Rules {
    iptables: &["-t mangle -A PREROUTING -p tcp --sport 9000 -j MARK --set-mark 0x1"],
    nft: "add rule inet mangle prerouting tcp sport 9000 meta mark set 0x1",
};
