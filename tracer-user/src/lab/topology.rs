//! The three ways in which hosts are wired.
//!
//! Every host has both families' addresses, whichever one a scenario uses.

use crate::lab::address::{self, Link, OTHER_PEER, PEER, POD, ROUTER, TWIN_ROUTER, with_prefix};
use crate::lab::error::LabError;
use crate::lab::options::{Family, PeerKind};
use crate::lab::rules::{Invocation, KEEP_TRACKING};
use crate::lab::wire::Command;
use crate::lab::world::World;

impl World {
    /// `pod` and `peer` on one link.
    pub(super) fn wire_pair(&mut self) -> Result<(), LabError> {
        self.add_host("pod")?;
        self.add_host("peer")?;
        self.cable(("pod", "eth0"), ("peer", "eth0"))?;
        let hardware = spelled(POD_HARDWARE);
        self.ip("pod", &[format!("link set eth0 address {hardware}")])?;
        self.end("pod", Link::Near, &[POD], None)?;
        self.peer_end("peer", Link::Near, "pod", "eth0")?;
        self.add_rules("pod", &KEEP_TRACKING)
    }

    /// `pod` and `peer` on one link that loses every `lose_every`-th segment with data.
    pub(super) fn wire_lossy(&mut self, lose_every: u32) -> Result<(), LabError> {
        for name in ["pod", "wire", "peer"] {
            self.add_host(name)?;
        }
        let devices = ["to-pod", "to-peer"];
        for (host, device, at) in [("pod", devices[0], POD), ("peer", devices[1], PEER)] {
            self.cable((host, "eth0"), ("wire", device))?;
            self.set("wire", &format!("ipv6/conf/{device}/disable_ipv6"), "1")?;
            self.ip("wire", &[format!("link set {device} up")])?;
            self.end(host, Link::Near, &[at], None)?;
            // One segment a frame, so that what is lost is one.
            self.ip(host, &["link set eth0 gso_max_segs 1".to_owned()])?;
        }
        self.ask_host(
            "wire",
            &Command::LossyWire {
                devices: devices.map(str::to_owned),
                lose_every,
            },
        )?;
        self.made.push(format!(
            "wire: every {lose_every}th segment with data is lost, in each direction"
        ));
        self.add_rules("pod", &KEEP_TRACKING)
    }

    /// A second link between `pod` and `peer`, by which the peer sends to the pod; the pod has no route by it.
    pub(super) fn second_link(&mut self) -> Result<(), LabError> {
        self.cable(("pod", "eth1"), ("peer", "eth1"))?;
        let (pod, peer) = (
            address::address(Family::Ipv4, Link::Near, POD),
            address::address(Family::Ipv4, Link::Near, PEER),
        );
        // Who is asked for an address answers only where it would send to who asks.
        let known = |who, bytes| format!("neighbour replace {who} lladdr {bytes} dev eth1 nud permanent");
        let up = |bytes| format!("link set eth1 address {bytes} up");
        self.made.push(format!("peer: {pod} by eth1"));
        // Loose filtering is strict on a device without an address.
        let own = "address add 10.79.0.2/24 dev eth1".to_owned();
        self.ip("pod", &[up(POD_MAC), own, known(peer, PEER_MAC)])?;
        self.ip(
            "peer",
            &[
                up(PEER_MAC),
                format!("route add {pod} dev eth1 src {peer}"),
                known(pod, POD_MAC),
            ],
        )
    }

    /// `pod`, `router` and `peer` in a row, with connection tracking in pod and router.
    pub(super) fn wire_routed(&mut self) -> Result<(), LabError> {
        self.peer_link = Link::Far;
        for name in ["pod", "router", "peer"] {
            self.add_host(name)?;
        }
        self.cable(("pod", "eth0"), ("router", "to-pod"))?;
        self.cable(("peer", "eth0"), ("router", "to-peer"))?;
        self.router_ends(&[("to-pod", Link::Near, ROUTER), ("to-peer", Link::Far, ROUTER)])?;
        self.end("pod", Link::Near, &[POD], Some(ROUTER))?;
        self.peer_end("peer", Link::Far, "router", "to-peer")?;
        self.add_rules("pod", &KEEP_TRACKING)?;
        self.add_rules("router", &KEEP_TRACKING)
    }

    /// Two pods with the same addresses, `pod` and `twin`, behind one router, each with a peer of its own; the peers
    /// have the same addresses too. The router keeps them apart by the device that a packet came from.
    pub(super) fn wire_twins(&mut self) -> Result<(), LabError> {
        self.peer_link = Link::Far;
        for name in ["pod", "twin", "router", "peer", "twin-peer"] {
            self.add_host(name)?;
        }
        self.cable(("pod", "eth0"), ("router", "to-pod"))?;
        self.cable(("peer", "eth0"), ("router", "to-peer"))?;
        self.cable(("twin", "eth0"), ("router", "to-twin"))?;
        self.cable(("twin-peer", "eth0"), ("router", "to-twin-peer"))?;
        self.router_ends(&[
            ("to-pod", Link::Near, ROUTER),
            ("to-peer", Link::Far, ROUTER),
            ("to-twin", Link::Near, TWIN_ROUTER),
            ("to-twin-peer", Link::Far, TWIN_ROUTER),
        ])?;
        self.separate("to-pod", "to-peer", 101)?;
        self.separate("to-twin", "to-twin-peer", 102)?;
        for (pod, peer, gateway) in [("pod", "peer", ROUTER), ("twin", "twin-peer", TWIN_ROUTER)] {
            self.end(pod, Link::Near, &[POD], Some(gateway))?;
            self.end(peer, Link::Far, &[PEER], Some(gateway))?;
            self.add_rules(pod, &KEEP_TRACKING)?;
        }
        Ok(())
    }

    /// A veth pair between two hosts.
    fn cable(&mut self, from: (&'static str, &str), to: (&'static str, &str)) -> Result<(), LabError> {
        for host in [from.0, to.0] {
            // Also for link-local addresses, which a router needs to find its neighbours: usable at once.
            self.set(host, "ipv6/conf/default/accept_dad", "0")?;
        }
        let other = self.host(to.0)?.pid();
        self.ip(
            from.0,
            &[format!(
                "link add {} type veth peer name {} netns {other}",
                from.1, to.1
            )],
        )?;
        self.made
            .push(format!("veth pair: {} in {}, {} in {}", from.1, from.0, to.1, to.0));
        Ok(())
    }

    /// Addresses of a host with one device, and its way out.
    fn end(&mut self, host: &'static str, link: Link, hosts: &[u8], gateway: Option<u8>) -> Result<(), LabError> {
        let mut lines = vec!["link set lo up".to_owned()];
        lines.extend(addresses("eth0", link, hosts));
        for &family in Family::ALL {
            let via = gateway.map(|gateway| address::address(family, link, gateway));
            lines.extend(via.map(|via| format!("route add default via {via}")));
        }
        let list: Vec<String> = hosts
            .iter()
            .map(|&host| with_prefix(self.options.family, link, host))
            .collect();
        self.made.push(format!("{host}: {} on eth0", list.join(" and ")));
        self.ip(host, &lines)
    }

    /// The peer's end, or the phantom's: a device without addresses that `neighbour` is told to send to.
    fn peer_end(
        &mut self,
        peer: &'static str,
        link: Link,
        neighbour: &'static str,
        device: &str,
    ) -> Result<(), LabError> {
        let gateway = matches!(link, Link::Far).then_some(ROUTER);
        if self.peer_kind == PeerKind::Kernel {
            return self.end(peer, link, &[PEER, OTHER_PEER], gateway);
        }
        self.set(peer, "ipv6/conf/eth0/disable_ipv6", "1")?;
        self.ip(peer, &["link set eth0 up".to_owned()])?;
        let bytes = spelled(crate::lab::host::HARDWARE_ADDRESS);
        let entry = |family: Family, host| {
            let address = address::address(family, link, host);
            format!("neighbour replace {address} lladdr {bytes} dev {device} nud permanent")
        };
        let pairs = Family::ALL
            .iter()
            .flat_map(|&family| [PEER, OTHER_PEER].map(|host| (family, host)));
        let lines: Vec<String> = pairs.map(|(family, host)| entry(family, host)).collect();
        self.ip(neighbour, &lines)
    }

    fn router_ends(&mut self, ends: &[(&str, Link, u8)]) -> Result<(), LabError> {
        self.set("router", "ipv4/ip_forward", "1")?;
        self.set("router", "ipv6/conf/all/forwarding", "1")?;
        let mut lines = vec!["link set lo up".to_owned()];
        lines.extend(
            ends.iter()
                .flat_map(|(device, link, host)| addresses(device, *link, &[*host])),
        );
        self.ip("router", &lines)
    }

    /// Sends what comes from one of two devices only to the other.
    fn separate(&mut self, near: &str, far: &str, table: u32) -> Result<(), LabError> {
        let mut lines = Vec::new();
        for (&family, flag) in Family::ALL.iter().zip(["-4", "-6"]) {
            for (device, link) in [(near, Link::Near), (far, Link::Far)] {
                let mask = with_prefix(family, link, 0);
                lines.push(format!("route add {mask} dev {device} table {table}"));
                // `rule` alone is IPv4's.
                self.run_quietly(
                    "router",
                    ip(&[flag, "rule", "add", "iif", device, "table", &table.to_string()], ""),
                )?;
            }
        }
        self.ip("router", &lines)
    }

    pub(super) fn ip(&mut self, host: &'static str, lines: &[String]) -> Result<(), LabError> {
        self.run_quietly(host, ip(&["-batch", "-"], &lines.join("\n")))
    }
}

fn spelled(hardware: [u8; 6]) -> String {
    hardware.map(|byte| format!("{byte:02x}")).join(":")
}
/// Hardware addresses of the second link's ends.
const POD_MAC: &str = "02:77:00:00:01:02";
const PEER_MAC: &str = "02:77:00:00:01:03";

fn ip(arguments: &[&str], input: &str) -> Invocation {
    let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    Invocation {
        program: "ip",
        arguments,
        input: input.to_owned(),
    }
}

fn addresses(device: &str, link: Link, hosts: &[u8]) -> Vec<String> {
    let mut lines = vec![format!("link set {device} up")];
    for &host in hosts {
        lines.push(format!(
            "address add {} dev {device}",
            with_prefix(Family::Ipv4, link, host)
        ));
        lines.push(format!(
            "address add {} dev {device} nodad",
            with_prefix(Family::Ipv6, link, host)
        ));
    }
    lines
}

/// Of the pod on a link with the peer: a phantom does not ask for it.
pub(super) const POD_HARDWARE: [u8; 6] = [0x02, 0x77, 0, 0, 0, 0x02];
