//! Addresses, ports and network namespaces.

use crate::model::{identity, tuple};
use crate::sink::jsont::{Decimal, Invalid};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;

/// `source` or `destination`, as OpenTelemetry spells them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Endpoint {
    pub address: IpAddr,
    /// Absent before the socket is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl From<tuple::Endpoint> for Endpoint {
    fn from(endpoint: tuple::Endpoint) -> Self {
        Self {
            address: endpoint.address.to_canonical(),
            port: (endpoint.port != 0).then_some(endpoint.port),
        }
    }
}

impl From<Endpoint> for tuple::Endpoint {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(endpoint.address, endpoint.port.unwrap_or(0))
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tuple {
    pub source: Endpoint,
    pub destination: Endpoint,
}

impl Tuple {
    /// The tuple of two ends that are both there or both absent.
    pub fn of(source: Option<Endpoint>, destination: Option<Endpoint>) -> Result<Option<tuple::Tuple>, Invalid> {
        match (source, destination) {
            (Some(source), Some(destination)) => Ok(Some(Self { source, destination }.into())),
            (None, None) => Ok(None),
            _ => Err(Invalid::Half("source", "destination")),
        }
    }
}

impl From<tuple::Tuple> for Tuple {
    fn from(tuple: tuple::Tuple) -> Self {
        Self {
            source: tuple.source.into(),
            destination: tuple.destination.into(),
        }
    }
}

impl From<Tuple> for tuple::Tuple {
    fn from(tuple: Tuple) -> Self {
        Self::new(tuple.source.into(), tuple.destination.into())
    }
}

/// `network.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Network {
    #[serde(rename = "type")]
    pub kind: NetworkType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum NetworkType {
    Ipv4,
    Ipv6,
}

impl From<tuple::Tuple> for Network {
    fn from(tuple: tuple::Tuple) -> Self {
        let kind = match tuple.destination.address.to_canonical() {
            IpAddr::V4(_) => NetworkType::Ipv4,
            IpAddr::V6(_) => NetworkType::Ipv6,
        };
        Self { kind }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Netns<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<Decimal>,
    /// As `ip netns` lists it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub name: Option<Cow<'a, str>>,
}

impl<'a> Netns<'a> {
    pub fn new(netns: identity::Netns, enter: Option<&'a str>) -> Self {
        Self {
            inode: (netns.inode != 0).then_some(netns.inode),
            cookie: Decimal::known(netns.cookie),
            name: enter.and_then(crate::sink::words::netns_name).map(Cow::Borrowed),
        }
    }
}

impl From<Netns<'_>> for identity::Netns {
    fn from(netns: Netns<'_>) -> Self {
        Self {
            cookie: netns.cookie.map_or(0, |cookie| cookie.0),
            inode: netns.inode.unwrap_or(0),
        }
    }
}
