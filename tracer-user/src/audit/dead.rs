//! `dead-redirect`: a stolen port whose target nobody listens on.

use super::{Looked, Stolen, redirect};
use crate::inspect::socket::Socket;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Finding, RuleRole, Severity};
use crate::model::inspected::{Inspected, Unserved};
use crate::model::rules::{Family, Hook, Item, Match, RuleId, Ruleset};
use crate::model::translation::{Listening, Translation};
use crate::model::tuple::Endpoint;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One for each rule: what reaches it on several ways is one thing to repair. Where a map of the rule leads to others
/// that are served, one for each of its targets that is not.
pub(super) fn find(looked: &Looked<'_>) -> Vec<Finding> {
    let mut rules: BTreeMap<RuleId, Vec<&Stolen>> = BTreeMap::new();
    for stolen in &looked.stolen {
        if let Some(rule) = stolen.rule {
            rules.entry(rule).or_default().push(stolen);
        }
    }
    let mut findings = Vec::new();
    for (rule, ways) in rules {
        if are_dead(&ways) {
            findings.extend(finding(looked, rule, &ways, false));
            continue;
        }
        let mut targets: BTreeMap<_, Vec<&Stolen>> = BTreeMap::new();
        for way in ways {
            targets.entry(place(&way.translation)).or_default().push(way);
        }
        let dead = targets.into_values().filter(|ways| are_dead(ways));
        findings.extend(dead.filter_map(|ways| finding(looked, rule, &ways, true)));
    }
    findings
}

fn are_dead(ways: &[&Stolen]) -> bool {
    ways.iter().all(|way| way.translation.is_dead())
}

type Ends<T> = Option<(T, T)>;

/// Where it leads, whatever family and hook.
fn place(translation: &Translation) -> (Ends<IpAddr>, Ends<u16>) {
    let target = &translation.target;
    let addresses = target.addresses.as_ref().map(|all| (*all.start(), *all.end()));
    (addresses, target.ports.as_ref().map(|all| (*all.start(), *all.end())))
}

fn finding(looked: &Looked<'_>, rule: RuleId, ways: &[&Stolen], others: bool) -> Option<Finding> {
    let first = &ways.first()?.translation;
    let located = looked.locate(rule, Some(first))?;
    let listener = ways.iter().find_map(|way| original(looked, &way.translation));
    let mut what = redirect(first);
    let mut passes = false;
    if let Inspected::Redirect {
        unserved,
        others_served,
        ..
    } = &mut what
    {
        *others_served = others;
        passes = *unserved == Unserved::Passed;
    }
    // What the whole rule counted says nothing of one element.
    let counted = !others && located.packets.is_some_and(|packets| packets > 0);
    let severity = if !passes && (listener.is_some() || counted) {
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
    finding.evidence.push(looked.evidence(what));
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
