//! A translation of the inventory: where, what, whereto, whose.

use crate::model::rules::{Backend, Located};
use crate::model::translation::{AddressRange, Destinations, Listening, Space, Translation};
use crate::model::who::Runtime;
use crate::sink::text::Shown;
use crate::sink::words::{PortRange, listed, pod_name, ports_text, process};
use std::net::IpAddr;

/// A name for people: of its pod, of `ip netns`, of the container, or a process.
pub fn space(space: &Space) -> String {
    if let Some(pod) = space.pod.as_deref().filter(|pod| pod.name.is_some()) {
        return pod_name(pod);
    }
    if let Some(name) = space.names.first() {
        return Shown(name.as_bytes()).to_string();
    }
    if let Some(container) = &space.container {
        let id: String = container.id.chars().take(CONTAINER_ID).collect();
        let runtime = container.runtime.map_or("container", Runtime::name);
        return format!("{runtime} {}", Shown(id.as_bytes()));
    }
    match space.process {
        Some(own) => process(own.pid, own.comm),
        None => format!("net:[{}]", space.netns.inode),
    }
}

/// `80 of 10.0.0.1`: the original destinations.
pub fn original(row: &Translation) -> String {
    let list = |ranges: &[AddressRange]| listed(ranges.iter());
    let ports = ports_text(&row.ports);
    match &row.destinations {
        Destinations::Any => ports,
        Destinations::These(ranges) => format!("{ports} of {}", list(ranges)),
        Destinations::AllBut(ranges) => format!("{ports} not of {}", list(ranges)),
    }
}

/// `127.0.0.1:15001`.
pub fn target(row: &Translation) -> String {
    let target = &row.target;
    if let Some(unknown) = &target.unknown {
        return Shown(unknown.as_bytes()).to_string();
    }
    let address = target.addresses.as_ref().map(|range| {
        let (first, last) = (range.start(), range.end());
        let name = |address: &IpAddr| match address {
            IpAddr::V6(address) if target.ports.is_some() => format!("[{address}]"),
            IpAddr::V4(_) | IpAddr::V6(_) => address.to_string(),
        };
        if first == last {
            name(first)
        } else {
            format!("{}-{}", name(first), name(last))
        }
    });
    let port = target.ports.as_ref().map(|range| PortRange(range).to_string());
    match (address, port) {
        (Some(address), Some(port)) => format!("{address}:{port}"),
        (Some(address), None) => address,
        (None, Some(port)) => format!(":{port}"),
        (None, None) if target.local => "this host".to_owned(),
        (None, None) => "-".to_owned(),
    }
}

/// Who takes what is translated.
pub fn listening(listening: &Listening) -> String {
    match listening {
        Listening::By(listener) => match listener.process {
            Some(process) => format!("{} ({})", Shown(process.comm.as_bytes()), process.pid),
            None => "a socket".to_owned(),
        },
        Listening::Nobody => "NOBODY".to_owned(),
        Listening::Unknown(why) => format!("unknown: {why}"),
        Listening::Elsewhere => "-".to_owned(),
    }
}

/// The program that made the rule.
pub fn rule_owner(row: &Translation) -> &'static str {
    match (&row.rule, row.owner()) {
        (_, Some(owner)) => owner.name(),
        (Some(_), None) => "unknown",
        (None, None) => "no rule found",
    }
}

/// Where a person finds the rule.
pub fn rule_place(rule: &Located) -> String {
    let (backend, family) = (rule.backend.name(), rule.family.name());
    let (table, chain) = (Shown(rule.table.as_bytes()), Shown(rule.chain.as_bytes()));
    let number = match (rule.backend, rule.handle, rule.index) {
        (Backend::Nft, Some(handle), _) => format!(" handle {handle}"),
        (_, _, Some(index)) => format!(" rule {index}"),
        (_, _, None) => String::new(),
    };
    match rule.backend {
        Backend::Nft => format!("{backend} {family} {table} {chain}{number}"),
        Backend::IptablesNft | Backend::IptablesLegacy => format!("{backend} {family} -t {table} {chain}{number}"),
    }
}

/// As much of a container's id as tools show.
const CONTAINER_ID: usize = 12;
