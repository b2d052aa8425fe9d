//! `stolen-port`: one translation of the inventory.

use crate::model::rules::{Component, Family, Hook};
use crate::model::translation::{self, Class, Destinations, Listening, Manner};
use crate::sink::jsont::who::{Container, Kubernetes};
use crate::sink::jsont::{Limits, Name, Netns, Process, Rule, Spelled};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::RangeInclusive;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Port<'a> {
    #[serde(borrow)]
    pub netns: Netns<'a>,
    /// What runs in the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub container: Option<Container<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub k8s: Option<Kubernetes<'a>>,
    /// A process of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    pub class: Spelled<Class>,
    pub manner: Spelled<Manner>,
    /// `inet`: both.
    pub family: Spelled<Family>,
    /// Absent where no rule was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Spelled<Hook>>,
    /// `tcp`, `udp`, another one's number, or `any`.
    #[serde(borrow)]
    pub protocol: Cow<'a, str>,
    #[serde(borrow)]
    pub original: Original<'a>,
    #[serde(borrow)]
    pub target: Target<'a>,
    /// What else the rules on the way ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub conditions: Vec<Cow<'a, str>>,
    /// There are more conditions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_conditions: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Spelled<Component>>,
    /// Packets that the rule counted, where it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// Live entries that conntrack shows translated so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// Whether somebody listens at the target; absent where that is not known, or elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listening: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<Listener>,
    /// Absent: no rule was found that explains it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub rule: Option<Rule<'a>>,
}

/// Which connections: by their original destination. Lists that are absent ask for nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Original<'a> {
    /// Addresses, prefixes, or ranges as `first-last`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub addresses: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub except_addresses: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Ports>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PortRange"))]
pub struct Ports {
    pub first: u16,
    pub last: u16,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PortTarget"))]
pub struct Target<'a> {
    /// Absent: this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_address: Option<IpAddr>,
    /// Absent: the port stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_port: Option<u16>,
    pub local: bool,
    /// What was not understood.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub unknown: Option<Cow<'a, str>>,
}

/// Absent parts: no process was found that holds the socket.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PortListener"))]
pub struct Listener {
    pub address: IpAddr,
    pub port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
}

impl<'a> Port<'a> {
    pub fn new(port: &'a translation::Port, limits: Limits) -> Self {
        let (space, row) = (&*port.space, &port.translation);
        let mut netns = Netns::new(space.netns, space.enter.as_deref());
        if let Some(name) = space.names.first() {
            netns.name = Some(limits.text(name));
        }
        let (listening, listener) = match &row.listening {
            Listening::By(listener) => (Some(true), Some(listener.into())),
            Listening::Nobody => (Some(false), None),
            Listening::Unknown(_) | Listening::Elsewhere => (None, None),
        };
        let conditions = limits.list(&row.conditions);
        Self {
            netns,
            container: space
                .container
                .as_ref()
                .map(|container| Container::new(container, limits)),
            k8s: space.pod.as_deref().map(|pod| Kubernetes::new(pod, limits)),
            process: space.process.map(Into::into),
            class: Spelled(row.class),
            manner: Spelled(row.manner),
            family: Spelled(row.family),
            hook: row.hook.map(Spelled),
            protocol: protocol(row.protocol),
            original: Original::new(row, limits),
            target: Target::new(&row.target, limits),
            conditions: conditions.iter().map(|condition| limits.text(condition)).collect(),
            more_conditions: row.more_conditions || conditions.len() < row.conditions.len(),
            owner: row.owner().map(Spelled),
            packets: row.rule.as_ref().and_then(|rule| rule.packets),
            connections: row.connections,
            listening,
            listener,
            rule: row.rule.as_ref().map(|rule| Rule::new(rule, limits)),
        }
    }
}

impl Original<'_> {
    fn new(row: &translation::Translation, limits: Limits) -> Self {
        let texts = |ranges: &[translation::AddressRange]| {
            let ranges = limits.list(ranges).iter();
            ranges.map(|range| Cow::Owned(range.to_string())).collect()
        };
        let (addresses, except_addresses) = match &row.destinations {
            Destinations::Any => (Vec::new(), Vec::new()),
            Destinations::These(ranges) => (texts(ranges), Vec::new()),
            Destinations::AllBut(ranges) => (Vec::new(), texts(ranges)),
        };
        let all = row.ports == [0..=u16::MAX];
        let ports = limits.list(if all { &[] } else { &row.ports });
        Self {
            addresses,
            except_addresses,
            ports: ports.iter().map(Ports::from).collect(),
        }
    }
}

impl From<&RangeInclusive<u16>> for Ports {
    fn from(range: &RangeInclusive<u16>) -> Self {
        Self {
            first: *range.start(),
            last: *range.end(),
        }
    }
}

impl<'a> Target<'a> {
    fn new(target: &'a translation::Target, limits: Limits) -> Self {
        let (addresses, ports) = (target.addresses.as_ref(), target.ports.as_ref());
        Self {
            address: addresses.map(|range| *range.start()),
            last_address: addresses
                .filter(|range| range.start() != range.end())
                .map(|range| *range.end()),
            port: ports.map(|range| *range.start()),
            last_port: ports
                .filter(|range| range.start() != range.end())
                .map(|range| *range.end()),
            local: target.local,
            unknown: target.unknown.as_deref().map(|text| limits.text(text)),
        }
    }
}

impl From<&crate::model::inquiry::Listener> for Listener {
    fn from(listener: &crate::model::inquiry::Listener) -> Self {
        Self {
            address: listener.address.address,
            port: listener.address.port,
            pid: listener.process.map(|process| process.pid),
            name: listener.process.map(|process| Name(process.comm)),
        }
    }
}

/// The protocol's name, or its number.
pub fn protocol(number: Option<u8>) -> Cow<'static, str> {
    match number {
        None => Cow::Borrowed("any"),
        Some(6) => Cow::Borrowed("tcp"),
        Some(17) => Cow::Borrowed("udp"),
        Some(132) => Cow::Borrowed("sctp"),
        Some(number) => Cow::Owned(number.to_string()),
    }
}
