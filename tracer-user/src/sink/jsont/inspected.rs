//! `inspected`: evidence that was read out of rules.

use crate::model::inspected::{ChainName, Inspected};
use crate::model::rules::{Backend, Component, Family, Hook, Target};
use crate::sink::jsont::{Limits, Spelled};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::RangeInclusive;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum InspectedLine<'a> {
    Redirect {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hook: Option<Spelled<Hook>>,
        family: Spelled<Family>,
        /// The number of the protocol.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        protocol: Option<u8>,
        ports: Vec<Ports>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<Ports>,
    },
    NoAgent {
        owner: Spelled<Component>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        processes: Option<u32>,
        #[serde(borrow)]
        chains: Vec<ChainLine<'a>>,
    },
    Bits {
        mark: Spelled<Target>,
        bits: u32,
        erases: bool,
    },
    BackEnds {
        family: Spelled<Family>,
        hooks: Vec<Spelled<Hook>>,
        legacy: u32,
        nft: u32,
        translates: bool,
        /// Whose rules translate first; absent where that is not told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<Spelled<Backend>>,
    },
    Unguarded {
        address: IpAddr,
        port: u16,
    },
    Led {
        packets: u32,
        arrived: u32,
        missed: Vec<u16>,
    },
    Tracking {
        on: bool,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ports {
    pub first: u16,
    pub last: u16,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChainLine<'a> {
    pub backend: Spelled<Backend>,
    pub family: Spelled<Family>,
    #[serde(borrow)]
    pub table: Cow<'a, str>,
    #[serde(borrow)]
    pub chain: Cow<'a, str>,
}

impl<'a> InspectedLine<'a> {
    pub fn new(what: &'a Inspected, limits: Limits) -> Self {
        match what {
            Inspected::Redirect {
                hook,
                family,
                protocol,
                ports,
                target,
                unserved: _,
                others_served: _,
            } => Self::Redirect {
                hook: hook.map(Spelled),
                family: Spelled(*family),
                protocol: *protocol,
                ports: limits.list(ports).iter().map(Ports::from).collect(),
                target: target.as_ref().map(Ports::from),
            },
            Inspected::NoAgent {
                component,
                processes,
                chains,
            } => Self::NoAgent {
                owner: Spelled(*component),
                processes: *processes,
                chains: limits
                    .list(chains)
                    .iter()
                    .map(|chain| ChainLine::new(chain, limits))
                    .collect(),
            },
            Inspected::Bits { mark, bits, erases } => Self::Bits {
                mark: Spelled(*mark),
                bits: *bits,
                erases: *erases,
            },
            Inspected::BackEnds {
                family,
                hooks,
                legacy,
                nft,
                translates,
            } => Self::BackEnds {
                family: Spelled(*family),
                hooks: hooks.iter().copied().map(Spelled).collect(),
                legacy: *legacy,
                nft: *nft,
                translates: translates.is_some(),
                first: translates.flatten().map(Spelled),
            },
            Inspected::Unguarded { address, port } => Self::Unguarded {
                address: *address,
                port: *port,
            },
            Inspected::Led {
                packets,
                arrived,
                missed,
            } => Self::Led {
                packets: *packets,
                arrived: *arrived,
                missed: limits.list(missed).to_vec(),
            },
            Inspected::Tracking { on } => Self::Tracking { on: *on },
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

impl<'a> ChainLine<'a> {
    fn new(name: &'a ChainName, limits: Limits) -> Self {
        Self {
            backend: Spelled(name.backend),
            family: Spelled(name.family),
            table: limits.text(&name.table),
            chain: limits.text(&name.chain),
        }
    }
}
