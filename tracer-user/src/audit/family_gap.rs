//! `address-family-gap`: a port that is redirected in one address family only, and served in the other.

use super::way::ordinary;
use super::{Looked, Stolen, redirect};
use crate::inspect::socket::Socket;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Finding, RuleRole, Severity};
use crate::model::inspected::Inspected;
use crate::model::rules::{Effect, End, Fact, Family, Hook, Journey, RuleId, Walk};
use crate::model::translation::Translation;
use crate::model::tuple::Endpoint;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One for each rule, with the first port that is served.
pub(super) fn find(looked: &Looked<'_>) -> Vec<Finding> {
    let mut told: BTreeSet<RuleId> = BTreeSet::new();
    let mut findings = Vec::new();
    for stolen in &looked.stolen {
        if let Some(rule) = stolen.rule
            && !told.contains(&rule)
            && let Some(finding) = finding(looked, rule, stolen)
        {
            told.insert(rule);
            findings.push(finding);
        }
    }
    findings
}

fn finding(looked: &Looked<'_>, rule: RuleId, stolen: &Stolen) -> Option<Finding> {
    let own = &stolen.translation;
    let (address, socket, confidence) = unguarded(looked, rule, own)?;
    let mut finding = looked.finding(Cause::AddressFamilyGap, Severity::Warning, confidence);
    let located = looked.locate(rule, Some(own))?;
    finding.culprits.push(looked.culprit(located, RuleRole::Translates));
    finding.evidence.push(looked.evidence(redirect(own)));
    let port = socket.tuple.source.port;
    finding
        .evidence
        .push(looked.evidence(Inspected::Unguarded { address, port }));
    let (at, listener) = (looked.facts.snapshot.at, socket.listener(None));
    finding.evidence.push(Evidence::Listener { at, listener });
    Some(finding)
}

/// The address of the other family on which a redirected port is served, by whom, and how surely packets get there.
fn unguarded<'a>(looked: &Looked<'a>, rule: RuleId, own: &Translation) -> Option<(IpAddr, &'a Socket, Confidence)> {
    let six = match own.family {
        Family::Ip => true,
        Family::Ip6 => false,
        Family::Inet | Family::Bridge | Family::Netdev | Family::Arp => return None,
    };
    // Broad redirects are made to the measure of a mesh, which decides which families it takes.
    let ports: usize = own.ports.iter().map(ExactSizeIterator::len).sum();
    if own.protocol != Some(TCP) || ports > PORTS_MAX {
        return None;
    }
    let others: Vec<IpAddr> = match own.hook? {
        Hook::Prerouting => {
            let addresses = looked.facts.snapshot.network.addresses.iter().map(|own| own.address);
            let others = addresses.filter(|address| address.is_ipv6() == six);
            others.filter(|address| is_reachable(*address)).collect()
        }
        Hook::Output => vec![loopback(six)],
        Hook::Ingress | Hook::Input | Hook::Forward | Hook::Postrouting | Hook::Egress => return None,
    };
    let sockets = looked.facts.listeners.tcp.iter().flatten();
    let taken = sockets.filter(|socket| {
        let port = socket.tuple.source.port;
        own.ports.iter().any(|ports| ports.contains(&port)) && !is_redirected(looked, own, port)
    });
    let mut served = taken.filter_map(|socket| {
        let port = socket.tuple.source.port;
        let mut others = others.iter().copied();
        let address = others.find(|&address| socket.serves(Endpoint::new(address, port)))?;
        // In OUTPUT it may be other hosts' ports that are taken.
        if address.is_loopback() && !is_met(looked, rule, loopback(!six), port) {
            return None;
        }
        Some((address, socket, arrives(looked, address, port)?))
    });
    served.next()
}

/// How surely a first packet gets to the port as it is; `None`: it does not.
fn arrives(looked: &Looked<'_>, address: IpAddr, port: u16) -> Option<Confidence> {
    let walk = lead(looked, address, port);
    let mut arrived = walk.outcomes.iter().filter(|outcome| {
        let stays = outcome.packet.destination == address && outcome.packet.destination_port == Fact::Known(port);
        let taken = outcome.steps.iter().any(|step| step.effect == Effect::Taken);
        outcome.end == End::Delivered && stays && !taken
    });
    let certain = arrived.next()?.certain && !walk.truncated && walk.outcomes.len() == 1;
    Some(if certain {
        Confidence::Proved
    } else {
        Confidence::Likely
    })
}

/// Whether the rule takes packets to this address and port for certain.
fn is_met(looked: &Looked<'_>, rule: RuleId, address: IpAddr, port: u16) -> bool {
    let walk = lead(looked, address, port);
    !walk.truncated
        && walk
            .outcomes
            .iter()
            .all(|outcome| outcome.steps.iter().any(|step| step.rule == Some(rule)))
}

fn lead(looked: &Looked<'_>, address: IpAddr, port: u16) -> Walk {
    let network = &looked.facts.snapshot.network;
    let packet = ordinary(address, port);
    let journey = if address.is_loopback() {
        Journey::Output {
            device: network.loopback().map(|link| link.index).into(),
        }
    } else {
        let own = network.addresses.iter().find(|own| own.address == address);
        Journey::Arrival {
            device: own.map(|own| own.link).into(),
            leaves_by: Fact::Absent,
        }
    };
    looked.walker.walk(&packet, journey)
}

fn loopback(six: bool) -> IpAddr {
    if six {
        Ipv6Addr::LOCALHOST.into()
    } else {
        Ipv4Addr::LOCALHOST.into()
    }
}

/// Whether some rule takes the port in the other family, too.
fn is_redirected(looked: &Looked<'_>, own: &Translation, port: u16) -> bool {
    looked.stolen.iter().any(|stolen| {
        let other = &stolen.translation;
        other.family != own.family
            && other.hook == own.hook
            && matches!(other.protocol, None | Some(TCP))
            && other.ports.iter().any(|ports| ports.contains(&port))
    })
}

/// Other hosts can send to it.
fn is_reachable(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !address.is_loopback() && !is_link_local
}

const TCP: u8 = 6;
/// Ports of one rule that somebody chose one by one.
const PORTS_MAX: usize = 64;
