//! `dead-redirect`: a stolen port whose target nobody listens on.

use super::{Looked, Stolen, redirect};
use crate::inspect::socket::Socket;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Finding, RuleRole, Severity};
use crate::model::rules::{Family, Hook, Item, Match, RuleId, Ruleset};
use crate::model::translation::{Listening, Translation};
use crate::model::tuple::Endpoint;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One for each rule: what reaches it on several ways is one thing to repair.
pub(super) fn find(looked: &Looked<'_>) -> Vec<Finding> {
    let mut rules: BTreeMap<RuleId, Vec<&Stolen>> = BTreeMap::new();
    for stolen in &looked.stolen {
        if let Some(rule) = stolen.rule {
            rules.entry(rule).or_default().push(stolen);
        }
    }
    let dead = rules
        .into_iter()
        .filter(|(_, ways)| ways.iter().all(|way| way.translation.is_dead()));
    dead.filter_map(|(rule, ways)| finding(looked, rule, &ways)).collect()
}

fn finding(looked: &Looked<'_>, rule: RuleId, ways: &[&Stolen]) -> Option<Finding> {
    let first = &ways.first()?.translation;
    let located = looked.locate(rule, Some(first))?;
    let listener = ways.iter().find_map(|way| original(looked, &way.translation));
    let severity = if listener.is_some() || located.packets.is_some_and(|packets| packets > 0) {
        Severity::Error
    } else {
        Severity::Warning
    };
    // Datagrams can be taken by a socket that is connected, or raw.
    let sure = ways.iter().any(|way| way.translation.protocol == Some(TCP))
        && !is_guarded(&looked.facts.snapshot.ruleset, rule);
    let confidence = if sure { Confidence::Proved } else { Confidence::Likely };
    let mut finding = looked.finding(Cause::DeadRedirect, severity, confidence);
    finding.culprits.push(looked.culprit(located, RuleRole::Translates));
    let at = looked.facts.snapshot.at;
    finding.evidence.push(looked.evidence(redirect(first)));
    if let Some(endpoint) = target(first) {
        finding.evidence.push(Evidence::NoListener { at, endpoint });
    }
    if let Some(socket) = listener {
        let listener = socket.listener(None);
        finding.evidence.push(Evidence::Listener { at, listener });
    }
    Some(finding)
}

/// Who listens on the port that is taken away.
fn original<'a>(looked: &Looked<'a>, translation: &Translation) -> Option<&'a Socket> {
    if translation.protocol != Some(TCP) {
        return None;
    }
    let sockets = looked.facts.listeners.tcp.iter().flatten();
    let mut taken = sockets.filter(|socket| {
        let port = socket.tuple.source.port;
        translation.ports.iter().any(|ports| ports.contains(&port))
    });
    // In OUTPUT it is other hosts' ports that are taken.
    taken.find(|_| translation.hook != Some(Hook::Output))
}

/// Where somebody should listen: the address is unspecified where the rule names none.
fn target(translation: &Translation) -> Option<Endpoint> {
    debug_assert!(translation.listening == Listening::Nobody, "only the dead are asked");
    let ports = translation.target.ports.as_ref().or(translation.ports.first())?;
    let address = translation
        .target
        .addresses
        .as_ref()
        .map(|addresses| *addresses.start());
    let local = if translation.family == Family::Ip6 {
        IpAddr::from(Ipv6Addr::UNSPECIFIED)
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    Some(Endpoint::new(address.unwrap_or(local), *ports.start()))
}

/// Whether something that is not understood decides which packets meet it.
fn is_guarded(ruleset: &Ruleset, rule: RuleId) -> bool {
    let items = ruleset.rule(rule).into_iter().flat_map(|rule| &rule.items);
    let mut matches = items.filter_map(|item| match item {
        Item::Match(asked) => Some(asked),
        Item::Action(_) => None,
    });
    matches.any(|asked| matches!(asked, Match::Unknown(_)))
}

const TCP: u8 = 6;
