//! A node, a pod behind a sidecar, and the peer that both talk to.

use crate::place::Place;
use crate::{proxy, server};
use std::net::{IpAddr, SocketAddr};

pub(crate) struct World {
    pub(crate) node: Place,
    pub(crate) mesh: Place,
    pub(crate) peer: Place,
}

/// Answers lines.
pub(crate) const ECHO: u16 = 8000;
/// Answers a tenth of a second after the client has closed its direction.
pub(crate) const PATIENT: u16 = 8001;
/// Answers once and then resets, as a load balancer does with idle connections.
pub(crate) const IMPATIENT: u16 = 8002;
/// Goes and comes back, again and again.
pub(crate) const RESTARTING: u16 = 8003;
/// Sends half a megabyte.
pub(crate) const DOWNLOAD: u16 = 8004;

const PEER: &str = "10.78.0.3";
const PEER_V6: &str = "fd78::3";
const PEER_OF_MESH: &str = "10.79.0.3";
const NODE: &str = "10.78.0.2";
const MESH: &str = "10.79.0.2";

pub(crate) fn peer(port: u16) -> SocketAddr {
    at(PEER, port)
}

pub(crate) fn peer_v6(port: u16) -> SocketAddr {
    at(PEER_V6, port)
}

pub(crate) fn peer_of_mesh(port: u16) -> SocketAddr {
    at(PEER_OF_MESH, port)
}

pub(crate) fn node(port: u16) -> SocketAddr {
    at(NODE, port)
}

pub(crate) fn mesh(port: u16) -> SocketAddr {
    at(MESH, port)
}

pub(crate) fn service() -> SocketAddr {
    at("10.96.0.10", 80)
}

/// One of many addresses that answer nothing.
pub(crate) fn silent(number: usize) -> SocketAddr {
    let [.., high, low] = number.to_be_bytes();
    ([10, 200, high, low], 443).into()
}

pub(crate) fn silent_v6() -> SocketAddr {
    at("fd78::9", 443)
}

fn at(address: &str, port: u16) -> SocketAddr {
    (address.parse::<IpAddr>().unwrap(), port).into()
}

impl World {
    pub(crate) fn new() -> Self {
        let [node, mesh, peer] = [Place::new(), Place::new(), Place::new()];
        for place in [&node, &mesh, &peer] {
            place.set("ipv6/conf/default/accept_dad", "0");
        }
        let other = peer.pid();
        node.ip(&[
            &format!("link add eth0 type veth peer name to-node netns {other}"),
            "link set eth0 up",
            "address add 10.78.0.2/24 dev eth0",
            "address add fd78::2/64 dev eth0 nodad",
            "route add 10.96.0.0/12 dev eth0",
            // Nobody has this hardware address: what is sent there is lost without a word.
            "neighbour replace 10.78.0.66 lladdr 02:78:00:00:00:66 dev eth0 nud permanent",
            "neighbour replace fd78::9 lladdr 02:78:00:00:00:66 dev eth0 nud permanent",
            "route add 10.200.0.0/16 via 10.78.0.66",
        ]);
        mesh.ip(&[
            &format!("link add eth0 type veth peer name to-mesh netns {other}"),
            "link set eth0 up",
            "address add 10.79.0.2/24 dev eth0",
        ]);
        peer.ip(&[
            "link set to-node up",
            "address add 10.78.0.3/24 dev to-node",
            "address add fd78::3/64 dev to-node nodad",
            "link set to-mesh up",
            "address add 10.79.0.3/24 dev to-mesh",
        ]);
        for rule in KUBE_PROXY {
            node.run(&format!("iptables-nft -w 20 -t nat {rule}"), "");
        }
        for rule in ISTIO {
            mesh.run(&format!("iptables-nft -w 20 -t nat {rule}"), "");
        }
        for (place, port) in [(&peer, ECHO), (&node, ECHO), (&mesh, ECHO)] {
            server::echo(place, port);
        }
        server::patient(&peer, PATIENT);
        server::impatient(&peer, IMPATIENT);
        server::restarting(&peer, RESTARTING);
        server::download(&peer, DOWNLOAD);
        proxy::start(&mesh);
        Self { node, mesh, peer }
    }
}

/// One service with one endpoint that lives.
const KUBE_PROXY: &[&str] = &[
    "-N KUBE-SERVICES",
    "-N KUBE-POSTROUTING",
    "-N KUBE-MARK-MASQ",
    "-N KUBE-SVC-HHYQK5SHX3ZXGGMZ",
    "-N KUBE-SEP-ZX5IDPTZLKN3RSY2",
    "-A OUTPUT -j KUBE-SERVICES",
    "-A PREROUTING -j KUBE-SERVICES",
    "-A POSTROUTING -j KUBE-POSTROUTING",
    "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
    "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
    "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
    "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
    "-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-HHYQK5SHX3ZXGGMZ",
    "-A KUBE-SVC-HHYQK5SHX3ZXGGMZ ! -s 10.244.0.0/16 -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ",
    "-A KUBE-SVC-HHYQK5SHX3ZXGGMZ -j KUBE-SEP-ZX5IDPTZLKN3RSY2",
    "-A KUBE-SEP-ZX5IDPTZLKN3RSY2 -p tcp -m tcp -j DNAT --to-destination 10.78.0.3:8000",
];

const ISTIO: &[&str] = &[
    "-N ISTIO_INBOUND",
    "-N ISTIO_REDIRECT",
    "-N ISTIO_IN_REDIRECT",
    "-N ISTIO_OUTPUT",
    "-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN",
    "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
    "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
    "-A PREROUTING -p tcp -j ISTIO_INBOUND",
    "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
    "-A OUTPUT -j ISTIO_OUTPUT",
    "-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN",
    "-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT",
    "-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN",
    "-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN",
    "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN",
    "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
];
