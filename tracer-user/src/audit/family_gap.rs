//! `address-family-gap`: a port that is redirected in one address family only, and served in the other.

use super::{Looked, Stolen, redirect};
use crate::inspect::socket::Socket;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Finding, RuleRole, Severity};
use crate::model::inspected::Inspected;
use crate::model::rules::{Family, Hook, RuleId};
use crate::model::translation::Translation;
use crate::model::tuple::Endpoint;
use std::collections::BTreeSet;
use std::net::IpAddr;

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
    let (address, socket) = unguarded(looked, own)?;
    let mut finding = looked.finding(Cause::AddressFamilyGap, Severity::Warning, Confidence::Proved);
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

/// The address of the other family on which a redirected port is served, and by whom.
fn unguarded<'a>(looked: &Looked<'a>, own: &Translation) -> Option<(IpAddr, &'a Socket)> {
    let is_other = |address: &IpAddr| match own.family {
        Family::Ip => address.is_ipv6(),
        Family::Ip6 => address.is_ipv4(),
        Family::Inet | Family::Bridge | Family::Netdev | Family::Arp => false,
    };
    // Broad redirects are made to the measure of a mesh, which decides which families it takes.
    let ports: usize = own.ports.iter().map(ExactSizeIterator::len).sum();
    if own.hook != Some(Hook::Prerouting) || own.protocol != Some(TCP) || ports > PORTS_MAX {
        return None;
    }
    let addresses = looked.facts.snapshot.network.addresses.iter().map(|own| own.address);
    let others: Vec<_> = addresses
        .filter(is_other)
        .filter(|address| is_reachable(*address))
        .collect();
    let sockets = looked.facts.listeners.tcp.iter().flatten();
    let mut served = sockets.filter_map(|socket| {
        let port = socket.tuple.source.port;
        let address = others
            .iter()
            .find(|&&address| socket.serves(Endpoint::new(address, port)));
        let taken = own.ports.iter().any(|ports| ports.contains(&port));
        taken.then_some((*address?, socket))
    });
    served.find(|(_, socket)| !is_redirected(looked, own, socket.tuple.source.port))
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
