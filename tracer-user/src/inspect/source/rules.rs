//! Reads the rules of the namespace that the thread is in, with the network that they act in.
//!
//! Decodes nothing. What the kernel does not have is not there; what it does not tell is a gap.

use super::netlink::{Netlink, NetlinkError};
use super::probe::ProbeError;
use super::xt;
use crate::inspect::network;
use crate::inspect::rules::nft::{self, NftError, Reading, request};
use crate::inspect::rules::xt::{SetNames, rebase};
use crate::model::rules::{Bypass, Link, Network, Ruleset};
use rustix::io::Errno;
use std::fs;
use std::ops::ControlFlow;
use std::time::Instant;

/// The rules of nf_tables and of the legacy tables, and what leads around them.
pub(crate) fn read(deadline: Instant) -> Result<(Ruleset, Network), ProbeError> {
    let (network, bridges) = network(deadline).map_err(|error| ProbeError {
        what: "devices and addresses",
        error,
    })?;
    let names = xt::set_names();
    let mut ruleset = settled(&network.links, &names, deadline).map_err(|error| ProbeError {
        what: "nf_tables",
        error,
    })?;
    let (mut chains, gaps) = xt::read_with(&names);
    rebase(&mut chains, u32::try_from(ruleset.chains.len()).unwrap_or(u32::MAX));
    ruleset.chains.append(&mut chains);
    ruleset.gaps.extend(gaps);
    ruleset.bypasses.extend(bypasses(bridges));
    Ok((ruleset, network))
}

/// The generation of the namespace's nf_tables; `None`: the kernel has none.
pub(crate) fn generation(deadline: Instant) -> Result<Option<u32>, ProbeError> {
    let failed = |error| ProbeError {
        what: "generation of nf_tables",
        error,
    };
    let mut netlink = open(libc::NETLINK_NETFILTER, deadline).map_err(failed)?;
    ask_generation(&mut netlink).map_err(failed)
}

/// Reads again until nothing changed meanwhile.
fn settled(links: &[Link], names: &SetNames, deadline: Instant) -> Result<Ruleset, NetlinkError> {
    let mut netlink = open(libc::NETLINK_NETFILTER, deadline)?;
    let mut last = None;
    for _ in 0..ATTEMPTS_MAX {
        let Some(before) = ask_generation(&mut netlink)? else {
            return Ok(Ruleset::default());
        };
        let mut reading = Reading::new(links, names.clone());
        let whole = match everything(&mut netlink, &mut reading) {
            Ok(whole) => whole,
            // Something that was listed is gone.
            Err(NetlinkError::Refused(Errno::NOENT | Errno::INTR)) => false,
            Err(error) => return Err(error),
        };
        let after = ask_generation(&mut netlink)?;
        let ruleset = reading.finish(after);
        if whole && after == Some(before) {
            return Ok(ruleset);
        }
        last = Some(ruleset);
    }
    let mut ruleset = last.unwrap_or_default();
    ruleset
        .gaps
        .push("the rules of nf_tables changed while they were read".into());
    Ok(ruleset)
}

/// Whether it was told in one piece.
fn everything(netlink: &mut Netlink, reading: &mut Reading) -> Result<bool, NetlinkError> {
    let mut whole = dump(netlink, request::tables, |payload| reading.table(payload))?;
    whole &= dump(netlink, request::chains, |payload| reading.chain(payload))?;
    reading.chains_end();
    whole &= dump(netlink, request::sets, |payload| reading.set(payload))?;
    for (id, address) in reading.sets() {
        let told = dump(
            netlink,
            |sequence| request::elements(sequence, &address),
            |payload| reading.elements(id, payload),
        );
        reading.elements_end(id, matches!(told, Ok(true)));
        whole &= told?;
    }
    whole &= dump(netlink, request::rules, |payload| reading.rule(payload))?;
    if reading.misjudged() {
        whole &= dump(netlink, request::rules, |payload| reading.rule(payload))?;
    }
    match dump(netlink, request::flowtables, |payload| reading.flowtable(payload)) {
        Ok(told) => whole &= told,
        // Not in this kernel.
        Err(NetlinkError::Refused(Errno::OPNOTSUPP | Errno::INVAL)) => {}
        Err(error) => return Err(error),
    }
    Ok(whole)
}

/// Whether nothing changed during the dump.
fn dump(
    netlink: &mut Netlink,
    request: impl FnOnce(u32) -> Vec<u8>,
    mut each: impl FnMut(&[u8]) -> Result<(), NftError>,
) -> Result<bool, NetlinkError> {
    netlink.ask(request, |payload| each(payload).map(ControlFlow::Continue))?;
    Ok(!netlink.interrupted())
}

fn ask_generation(netlink: &mut Netlink) -> Result<Option<u32>, NetlinkError> {
    let mut generation = None;
    let answer = netlink.ask(request::generation, |payload| {
        generation = Some(nft::generation(payload)?);
        Ok::<_, NftError>(ControlFlow::Continue(()))
    });
    match answer {
        Ok(()) => Ok(generation),
        // What a kernel without nf_tables says.
        Err(NetlinkError::Refused(Errno::INVAL | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// And whether there are bridges.
fn network(deadline: Instant) -> Result<(Network, bool), NetlinkError> {
    let mut netlink = open(libc::NETLINK_ROUTE, deadline)?;
    let mut network = Network::default();
    let mut bridges = false;
    netlink.ask(network::links, |payload| {
        if network.links.len() < LINKS_MAX {
            network.links.extend(network::link(payload)?);
        }
        bridges |= network::is_bridge(payload)?;
        Ok::<_, network::NetworkError>(ControlFlow::Continue(()))
    })?;
    netlink.ask(network::addresses, |payload| {
        if network.addresses.len() < ADDRESSES_MAX {
            network.addresses.extend(network::address(payload)?);
        }
        Ok::<_, network::NetworkError>(ControlFlow::Continue(()))
    })?;
    netlink.filter()?;
    for ipv6 in [false, true] {
        let answer = netlink.ask(
            |sequence| network::local_routes(sequence, ipv6),
            |payload| {
                if network.locals.len() < LOCALS_MAX {
                    network.locals.extend(network::local_route(payload)?);
                }
                Ok::<_, network::NetworkError>(ControlFlow::Continue(()))
            },
        );
        match answer {
            // The table is made with its first route.
            Ok(()) | Err(NetlinkError::Refused(Errno::NOENT)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((network, bridges))
}

fn bypasses(bridges: bool) -> Vec<Bypass> {
    let mut all = Vec::new();
    let calls = |name: &str| fs::read_to_string(format!("{BRIDGE}/{name}")).is_ok_and(|text| text.trim() == "1");
    if bridges
        && ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"]
            .into_iter()
            .any(calls)
    {
        all.push(Bypass::BridgeNetfilter);
    }
    // Three lines of heading, then the services.
    if fs::read_to_string(IPVS).is_ok_and(|text| text.lines().nth(3).is_some()) {
        all.push(Bypass::Ipvs);
    }
    all
}

fn open(protocol: i32, deadline: Instant) -> Result<Netlink, NetlinkError> {
    Netlink::open(isize::try_from(protocol).unwrap_or_default(), deadline)
}

/// How often rules that keep changing are read.
const ATTEMPTS_MAX: usize = 5;
const LINKS_MAX: usize = 16_384;
const ADDRESSES_MAX: usize = 65_536;
const LOCALS_MAX: usize = 4_096;
/// The settings of the namespace that the reading thread is in.
const BRIDGE: &str = "/proc/sys/net/bridge";
const IPVS: &str = "/proc/thread-self/net/ip_vs";
