//! Translations that work: a sidecar's, and a service's.

use crate::lab::address::{self, Link, POD};
use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::Rules;
use crate::lab::scenario::reply::{ISTIO, ask_once};
use crate::lab::scenario::{Cure, EITHER_PEER, Outcome, Scenario};
use crate::lab::script::Connect;
use crate::lab::wire::{Accepts, Command, Proxy};
use crate::lab::world::World;
use std::net::{IpAddr, SocketAddr};

pub(in crate::lab::scenario) const SIDECAR: Scenario = Scenario {
    name: "sidecar",
    summary: "control: an Istio sidecar forwards what its rules redirect to it, and serves what comes in",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: set_up_sidecar,
    drive: |script| {
        for slot in 0..3 {
            ask_once(script, slot)?;
        }
        Ok(())
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const SIDECAR_CALLS_ITSELF: Scenario = Scenario {
    name: "sidecar-calls-itself",
    summary: "control: a pod behind a sidecar calls a service whose endpoint it is itself: the sidecar's own connection \
              is redirected back to it, once",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: set_up_sidecar,
    drive: |script| {
        let to: SocketAddr = (address::service(script.world.options.family), 80).into();
        for slot in 0..3 {
            script.connect_as(
                "app",
                Connect {
                    slot,
                    ..Connect::to(to)
                },
                Outcome::Works,
            )?;
            script.request("app", slot, Outcome::Works)?;
            script.act("app", "closes", &Command::Close { slot })?;
        }
        Ok(())
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const SERVICE: Scenario = Scenario {
    name: "service",
    summary: "control: kube-proxy's rules lead a service's address to its one endpoint, which lives",
    expected: None,
    client: Outcome::Works,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        super::echo_pair(world)?;
        route_service(world)?;
        world.add_rules("pod", &KUBE_PROXY)
    },
    drive: |script| {
        let to: SocketAddr = (address::service(script.world.options.family), 80).into();
        for slot in 0..3 {
            script.connect_as(
                "app",
                Connect {
                    slot,
                    ..Connect::to(to)
                },
                Outcome::Works,
            )?;
            script.request("app", slot, Outcome::Works)?;
            script.act("app", "closes", &Command::Close { slot })?;
        }
        Ok(())
    },
    cure: Cure::None,
    conntrack_events: false,
};

/// Istio's rules, and a proxy for both directions: the service of the pod itself has the pod as its endpoint, and what
/// comes in goes on from an address that the rules leave alone.
fn set_up_sidecar(world: &mut World) -> Result<(), LabError> {
    super::echo_pair(world)?;
    route_service(world)?;
    world.add_server("own-server", "pod", 9000, Accepts::Echo, 128)?;
    world.add_app("envoy", "pod", 1337)?;
    let family = world.options.family;
    let itself: SocketAddr = (address::address(family, Link::Near, POD), 9000).into();
    let service: SocketAddr = (address::service(family), 80).into();
    let source = address::sidecar(family);
    if family == Family::Ipv6 {
        // IPv4 has all of 127.0.0.0/8 there.
        world.ip("pod", &[format!("address add {source}/128 dev lo nodad")])?;
    }
    add_listener(world, 15_001, None, vec![(service, itself)])?;
    add_listener(world, 15_006, Some(source), Vec::new())?;
    world.add_rules("pod", &ISTIO)
}

fn add_listener(
    world: &mut World,
    port: u16,
    source: Option<IpAddr>,
    routes: Vec<(SocketAddr, SocketAddr)>,
) -> Result<(), LabError> {
    let listen = address::any(world.options.family, port);
    world.made.push(format!("envoy in pod listens on {listen}"));
    let proxy = Proxy { listen, source, routes };
    world.ask_app("envoy", &Command::Proxy(proxy)).map(drop)
}

/// The services' addresses have a way out, which a translation replaces.
fn route_service(world: &mut World) -> Result<(), LabError> {
    let vip = address::service(world.options.family);
    world.ip("pod", &[format!("route add {vip} dev eth0")])
}

/// As kube-proxy 1.30 leaves them for one service with one endpoint, in its modes iptables and nftables.
const KUBE_PROXY: Rules = Rules {
    iptables: &[
        "-t nat -N KUBE-SERVICES",
        "-t nat -N KUBE-POSTROUTING",
        "-t nat -N KUBE-MARK-MASQ",
        "-t nat -N KUBE-SVC-HHYQK5SHX3ZXGGMZ",
        "-t nat -N KUBE-SEP-ZX5IDPTZLKN3RSY2",
        "-t nat -A PREROUTING -m comment --comment kubernetes-service-portals -j KUBE-SERVICES",
        "-t nat -A OUTPUT -m comment --comment kubernetes-service-portals -j KUBE-SERVICES",
        "-t nat -A POSTROUTING -m comment --comment kubernetes-postrouting-rules -j KUBE-POSTROUTING",
        "-t nat -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
        "-t nat -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-t nat -A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
        "-t nat -A KUBE-POSTROUTING -j MASQUERADE --random-fully",
        "-t nat -A KUBE-SERVICES -d {vip}/{mask} -p tcp -m comment --comment default/echo:http -m tcp --dport 80 \
         -j KUBE-SVC-HHYQK5SHX3ZXGGMZ",
        "-t nat -A KUBE-SERVICES -m comment --comment nodeports -m addrtype --dst-type LOCAL -j RETURN",
        "-t nat -A KUBE-SVC-HHYQK5SHX3ZXGGMZ ! -s {peer}/{mask} -d {vip}/{mask} -p tcp -m comment \
         --comment default/echo:http -m tcp --dport 80 -j KUBE-MARK-MASQ",
        "-t nat -A KUBE-SVC-HHYQK5SHX3ZXGGMZ -m comment --comment default/echo:http -j KUBE-SEP-ZX5IDPTZLKN3RSY2",
        "-t nat -A KUBE-SEP-ZX5IDPTZLKN3RSY2 -s {peer}/{mask} -m comment --comment default/echo:http -j KUBE-MARK-MASQ",
        "-t nat -A KUBE-SEP-ZX5IDPTZLKN3RSY2 -p tcp -m comment --comment default/echo:http -m tcp \
         -j DNAT --to-destination {at-peer}:9000",
    ],
    nft: "table {ip} kube-proxy {
        map service-ips {
            type {ip-type} . inet_proto . inet_service : verdict
        }
        chain mark-for-masquerade {
            mark set mark or 0x4000
        }
        chain masquerading {
            mark and 0x4000 == 0 return
            mark set mark xor 0x4000
            masquerade fully-random
        }
        chain endpoint-5OJB2KTY-default/echo/tcp/http__{peer-in-name}/9000 {
            {ip} saddr {peer} jump mark-for-masquerade
            meta l4proto tcp dnat to {at-peer}:9000
        }
        chain service-ULMVA6XW-default/echo/tcp/http {
            {ip} daddr {vip} tcp dport 80 {ip} saddr != {peer} jump mark-for-masquerade
            numgen random mod 1 vmap { 0 : goto endpoint-5OJB2KTY-default/echo/tcp/http__{peer-in-name}/9000 }
        }
        chain services {
            {ip} daddr . meta l4proto . th dport vmap @service-ips
        }
        chain nat-prerouting {
            type nat hook prerouting priority dstnat;
            jump services
        }
        chain nat-output {
            type nat hook output priority -100;
            jump services
        }
        chain nat-postrouting {
            type nat hook postrouting priority srcnat;
            jump masquerading
        }
    }
    add element {ip} kube-proxy service-ips { {vip} . tcp . 80 : goto service-ULMVA6XW-default/echo/tcp/http }",
};
