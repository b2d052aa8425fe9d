//! No way back by the device that the packets came by, or no way at all.

use super::Words;
use super::remedy::{dropping_rule, marking_rules, set};
use crate::model::conntrack::Direction;
use crate::model::evidence::Evidence;
use crate::model::reason::DropReason;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::netns;
use crate::sink::words::rule::{quoted, rule_name};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    let tail = facts.remarking().map_or(String::new(), |rule| {
        format!(", because {} changed the mark that chooses it", quoted(rule))
    });
    let Some(drop) = facts.drop() else {
        return format!(
            "Packets of {} to {} have no way",
            facts.who(),
            facts.1.tuple.destination
        );
    };
    let of = netns(facts.0, drop.netns);
    if drop.reason == DropReason::IpOutNoRoutes {
        return format!(
            "Packets of {} to {} find no route in {of}{tail}",
            facts.who(),
            facts.1.tuple.destination
        );
    }
    let what = if is_answer(facts) {
        "The answers to"
    } else {
        "The packets of"
    };
    let filter = facts.settings().next().map_or_else(
        || "the reverse path filter".to_owned(),
        |(setting, _)| format!("the reverse path filter ({} = {})", setting.name(), setting.value),
    );
    format!(
        "{what} {} for {} are dropped in {of} by {filter}: the way back to {} does not lead by the device they came by{tail}",
        facts.who(),
        facts.1.tuple.destination,
        drop.packet.source.address
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let Some(drop) = facts.drop() else {
        return vec!["The kernel dropped its packets because of their route.".to_owned()];
    };
    let mut text = Vec::new();
    if drop.reason == DropReason::IpOutNoRoutes {
        text.push(format!("There is no route for {}.", drop.packet));
    } else {
        text.push(format!(
            "{} came by a device by which the kernel would not send to {}, and rp_filter has such packets dropped. Of the \
             device's value and that of `all` the greater one acts: 1 asks for the same device, 2 for any route.",
            drop.packet, drop.packet.source.address
        ));
    }
    if let Some(rule) = facts.remarking() {
        text.push(format!(
            "{} gives the packet another mark before it is routed, and a routing rule chooses by marks.",
            rule_name(rule)
        ));
    }
    text.push("Nothing is sent back: who waits sends again until it times out.".to_owned());
    text
}

fn is_answer(facts: Facts<'_>) -> bool {
    facts.0.evidence.iter().any(|evidence| {
        matches!(
            evidence,
            Evidence::Drop {
                direction: Some(Direction::Reply),
                ..
            }
        )
    })
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let strict = facts.settings().filter(|(setting, _)| &*setting.value == "1");
    let mut fixes: Vec<_> = strict
        .take(1)
        .map(|setting| {
            let why = "Take packets whose source has any route (loose mode); the greater of this and `all` acts.";
            set(facts, setting, 2, why.to_owned())
        })
        .collect();
    fixes.extend(marking_rules(facts));
    let address = facts.drop().map(|drop| drop.packet.source.address);
    fixes.push(Fix::setting(match (facts.remarking(), address) {
        (Some(_), _) => "Give the rule a mask that spares the bits which the routing rule looks at.".to_owned(),
        (None, Some(address)) => format!("Or add the route to {address} that is missing by that device."),
        (None, None) => "Add the route that is missing.".to_owned(),
    }));
    fixes
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let mut checks: Vec<_> = dropping_rule(facts).into_iter().collect();
    if let Some(drop) = facts.drop() {
        let routes = format!("ip route get {}", drop.packet.source.address);
        let why = "See by which device the way back leads; `ip rule` shows which marks choose another table.";
        checks.push(Check::new(facts.0, drop.netns, &routes, why));
    }
    checks
}
