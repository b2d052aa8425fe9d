//! The words for what inspection found, without a connection.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "one piece of evidence is picked out of many"
)]

use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Finding, RuleRole};
use crate::model::identity::Netns;
use crate::model::inspected::{ChainName, Inspected, Unserved};
use crate::model::rules::{Backend, Family, Located, Target};
use crate::sink::text::Shown;
use crate::sink::words::phrase::capitalised;
use crate::sink::words::{Fix, PortRange, command, count, netns, ports_text, removal};
use std::ops::RangeInclusive;

/// One sentence without its full stop.
pub(super) fn summary(finding: &Finding) -> String {
    let place = place(finding).map_or(String::new(), |of| format!(" in {}", netns(finding, of)));
    let named = owned(rule_of(finding));
    match finding.cause {
        Cause::DeadRedirect => format!(
            "{named}{place} redirects {} to {}, where nobody listens",
            taken(finding),
            target(finding)
        ),
        Cause::LeftoverChain => format!(
            "Chains of {}{place} {}",
            component(finding),
            if finding.confidence == Confidence::Possible {
                "may be left over: no such agent was seen"
            } else {
                "are left over: no such agent is alive"
            }
        ),
        Cause::DuplicateJump => {
            let chain = rule_of(finding).map_or("a chain".to_owned(), |rule| format!("chain {}", shown(&rule.chain)));
            format!("The same jump is twice in {chain}{place}, harmless by itself")
        }
        Cause::MarkOverlap => mark_overlap(finding, &place),
        Cause::MixedBackends => format!("Rules of iptables-legacy and of nf_tables meet the same packets{place}"),
        Cause::AddressFamilyGap => format!("{named}{place} redirects {} in one address family only", taken(finding)),
        Cause::BypassedRedirect => {
            let redirect = owned(rule(finding, Some(RuleRole::Translates)));
            let reach = match led(finding) {
                Some((_, 0, _)) | None => "no packet that it is for",
                Some(_) => "only some of the packets that it is for",
            };
            format!("{redirect}{place} redirects {reach}: an earlier rule ends their way")
        }
        Cause::StaleEntries => format!(
            "{}{place} still redirect to {}, which no rule explains and where nobody listens",
            count(finding.count, "conntrack entry").replace("entrys", "entries"),
            target(finding)
        ),
        _ => finding.cause.name().to_owned(),
    }
}

/// A few short sentences.
pub(super) fn why(finding: &Finding) -> String {
    match finding.cause {
        Cause::DeadRedirect => dead_why(finding),
        Cause::LeftoverChain => {
            "Its agent makes these chains when it starts and removes them when it ends; one that was killed leaves them."
                .to_owned()
        }
        Cause::DuplicateJump => {
            "A packet that comes back from the first jump goes through the same rules again, and comes back again: \
             without the second jump no packet ends differently."
                .to_owned()
        }
        Cause::MarkOverlap => match bits(finding) {
            Some((_, _, true)) => "The rule writes the whole mark, and with it the bits that the other component keeps there.".to_owned(),
            _ => "With its mask applied, the match fits what the other component sets: it acts on packets that are not meant.".to_owned(),
        },
        Cause::MixedBackends => mixed_why(finding),
        Cause::AddressFamilyGap => {
            "Clients of the other family go past the redirect, to the program that listens on the port itself.".to_owned()
        }
        Cause::BypassedRedirect => {
            "Packets that fit the rule were led through the rules as they are now: they end earlier.".to_owned()
        }
        Cause::StaleEntries if tracks(finding) == Some(false) => {
            "No rule needs conntrack in this namespace, so the entries do not act any more.".to_owned()
        }
        Cause::StaleEntries => {
            "An entry outlives its rule. A client that uses the same source port again is sent where the entry says.".to_owned()
        }
        _ => String::new(),
    }
}

pub(super) fn fixes(finding: &Finding) -> Vec<Fix> {
    match finding.cause {
        Cause::DeadRedirect => dead(finding),
        Cause::LeftoverChain => leftover(finding),
        Cause::DuplicateJump => later(finding).into_iter().collect(),
        Cause::MarkOverlap => vec![Fix::setting(
            "Give one of the two other bits, and masks to both: (mark & ~mask) | value leaves other bits alone.",
        )],
        Cause::MixedBackends => vec![Fix::setting(
            "Let all programs use one back end (update-alternatives --set iptables), and remove the rules of the other.",
        )],
        Cause::AddressFamilyGap => vec![Fix::setting(
            "Redirect the port in both families, or let the program listen in the redirected family only.",
        )],
        Cause::BypassedRedirect => vec![Fix::setting(
            "Move the redirect ahead of the rule that ends the way, or narrow that rule.",
        )],
        Cause::StaleEntries => stale(finding),
        _ => Vec::new(),
    }
}

/// What is read out of rules, in one sentence without its full stop.
pub(super) fn sentence(what: &Inspected) -> String {
    match what {
        Inspected::Redirect {
            hook,
            family,
            protocol,
            ports,
            target,
            unserved: _,
            others_served: _,
        } => {
            let to = target
                .as_ref()
                .map_or("the same port".to_owned(), |ports| format!("port {}", PortRange(ports)));
            let hook = hook.map_or(String::new(), |hook| format!(" at {}", hook.name()));
            format!(
                "{} packets to {} are redirected to {to}{hook} ({})",
                protocol_name(*protocol),
                list(ports),
                family_name(*family)
            )
        }
        Inspected::NoAgent {
            component,
            processes,
            chains,
        } => {
            let names: Vec<_> = chains.iter().map(|chain| shown(&chain.chain)).collect();
            let looked = processes.map_or("processes were not read".to_owned(), |number| {
                format!(
                    "{} looked at",
                    count(number.into(), "process").replace("processs", "processes")
                )
            });
            format!(
                "no {} agent ({looked}), and its chains: {}",
                component.name(),
                names.join(", ")
            )
        }
        Inspected::Bits { mark, bits, erases } => {
            let what = if *erases {
                "erased"
            } else {
                "set by one and matched by the other"
            };
            format!("bits {bits:#x} of {} are {what}", mark_name(*mark))
        }
        Inspected::BackEnds {
            family,
            hooks,
            legacy,
            nft,
            ..
        } => {
            let hooks: Vec<_> = hooks.iter().map(|hook| hook.name()).collect();
            format!(
                "{} at {}: {} of iptables-legacy, {nft} of nf_tables in the hooked chains",
                family_name(*family),
                hooks.join(", "),
                count((*legacy).into(), "rule")
            )
        }
        Inspected::Unguarded { address, port } => format!("{address} port {port} is not redirected"),
        Inspected::Led {
            packets,
            arrived,
            missed,
        } => {
            let missed: Vec<_> = missed.iter().map(u16::to_string).collect();
            format!(
                "{} led through the rules, {arrived} met the redirect, those to {} did not",
                count((*packets).into(), "packet"),
                missed.join(", ")
            )
        }
        Inspected::Tracking { on: true } => "rules need conntrack here: entries act".to_owned(),
        Inspected::Tracking { on: false } => "no rule needs conntrack here: entries do not act".to_owned(),
    }
}

/// A culprit rule in one line: where, and its text.
pub fn rule_line(rule: &Located, role: RuleRole) -> String {
    let place = rule.handle.map_or_else(
        || rule.index.map_or("policy".to_owned(), |index| format!("rule {index}")),
        |handle| format!("handle {handle}"),
    );
    let owner = rule.owner.map_or(String::new(), |owner| format!(", {}", owner.name()));
    let packets = rule
        .packets
        .map_or(String::new(), |packets| format!(", {}", count(packets, "packet")));
    format!(
        "{}: {} {} {} {}, {place}{owner}{packets}: {}",
        role.name(),
        rule.backend.name(),
        rule.family.name(),
        shown(&rule.table),
        shown(&rule.chain),
        shown(&rule.text)
    )
}

fn mark_overlap(finding: &Finding, place: &str) -> String {
    let name = |role| rule(finding, Some(role)).map_or("another rule".to_owned(), whose);
    let (setter, matcher) = (name(RuleRole::SetsMark), name(RuleRole::MatchesMark));
    let (mark, bits) = bits(finding).map_or(("a mark".to_owned(), 0), |(mark, bits, _)| {
        (mark_name(mark).to_owned(), bits)
    });
    let verb = match self::bits(finding) {
        Some((_, _, true)) => "erases",
        _ => "sets",
    };
    format!(
        "{} {verb} bits {bits:#x} of {mark} that {matcher} matches{place}",
        capitalised(&setter)
    )
}

fn dead_why(finding: &Finding) -> String {
    let listener = finding.evidence.iter().find_map(|evidence| match evidence {
        Evidence::Listener { listener, .. } => Some(listener),
        _ => None,
    });
    let served = listener.map_or(String::new(), |listener| {
        format!(" {} is served by nobody while the rule is there.", listener.address)
    });
    match unserved(finding).map(|(unserved, _)| unserved) {
        Some(Unserved::Passed) => "A tproxy rule that finds no socket does nothing: connections go past the proxy, to \
             whoever listens on the port itself."
            .to_owned(),
        Some(Unserved::Dropped) => format!(
            "A TPROXY rule that finds no socket drops the packet: connections to these ports hang until they time out.{served}"
        ),
        Some(Unserved::Refused) | None => {
            format!("Connections to the redirected ports are refused by this host, whoever listens on them.{served}")
        }
    }
}

fn dead(finding: &Finding) -> Vec<Fix> {
    if unserved(finding).is_some_and(|(_, others_served)| others_served) {
        return vec![Fix::setting(
            "Restart the program that should listen there, or take the element out of the rule's map: its others are served.",
        )];
    }
    let restart = "Restart the program that should listen there, or remove the rule if it is a leftover.";
    let delete = delete_rule(finding, None, "Remove the rule.");
    std::iter::once(Fix::setting(restart)).chain(delete).collect()
}

fn unserved(finding: &Finding) -> Option<(Unserved, bool)> {
    inspected(finding, |what| match what {
        Inspected::Redirect {
            unserved,
            others_served,
            ..
        } => Some((*unserved, *others_served)),
        _ => None,
    })
}

fn mixed_why(finding: &Finding) -> String {
    let order = "Both act: at each hook packets meet the chains in the order of their priorities";
    let translates = inspected(finding, |what| match what {
        Inspected::BackEnds { translates, .. } => Some(*translates),
        _ => None,
    });
    match translates.flatten() {
        Some(Some(first)) => format!(
            "{order}. Of rules that translate, those of {} come first and decide.",
            first.name()
        ),
        Some(None) => format!(
            "{order}. Of rules that translate the first decides; theirs have one priority, so whichever was hooked first."
        ),
        None => format!("{order}, and what one drops the other cannot save."),
    }
}

/// Deletes the last rule of that role.
fn delete_rule(finding: &Finding, role: Option<RuleRole>, why: &str) -> Option<Fix> {
    let rules = finding.culprits.iter().rev().filter_map(as_rule);
    let (of, rule) = rules
        .filter(|(_, _, own)| role.is_none_or(|role| role == *own))
        .map(|(of, rule, _)| (of, rule))
        .next()?;
    Some(Fix::command(finding, of, &removal::rule(rule)?, why))
}

/// Deletes the second of two equal jumps: its words would name the first.
fn later(finding: &Finding) -> Option<Fix> {
    let (of, rule, _) = finding.culprits.iter().rev().find_map(as_rule)?;
    let why = "Remove the second jump. The rules behind it move up by one number.";
    Some(Fix::command(finding, of, &removal::by_number(rule)?, why))
}

fn leftover(finding: &Finding) -> Vec<Fix> {
    // To remove the chains of an agent that is alive breaks what it does.
    if finding.confidence == Confidence::Possible {
        return vec![Fix::setting(
            "Look whether the agent runs (from the host's pid namespace); if it does not, remove the chains.",
        )];
    }
    let mut fixes = Vec::new();
    for (of, rule, role) in finding.culprits.iter().filter_map(as_rule) {
        if role == RuleRole::Jumps
            && let Some(command) = removal::rule(rule)
        {
            fixes.push(Fix::command(finding, of, &command, "Remove the jump."));
        }
    }
    let chains = inspected(finding, |what| match what {
        Inspected::NoAgent { chains, .. } => Some(chains.as_slice()),
        _ => None,
    });
    let Some(of) = place(finding) else {
        return fixes;
    };
    let chains: &[ChainName] = chains.unwrap_or_default();
    fixes.extend(
        chains
            .iter()
            .map(|chain| Fix::command(finding, of, &removal::flush(chain), "Empty the chain.")),
    );
    fixes.extend(
        chains
            .iter()
            .map(|chain| Fix::command(finding, of, &removal::chain(chain), "Remove the chain.")),
    );
    fixes
}

fn stale(finding: &Finding) -> Vec<Fix> {
    let Some(of) = place(finding) else {
        return Vec::new();
    };
    let entries = finding.culprits.iter().filter_map(|culprit| match culprit {
        Culprit::ConntrackEntry(entry) => Some(entry),
        _ => None,
    });
    entries
        .map(|entry| Fix::command(finding, of, &command::delete(entry), "Forget the entry."))
        .collect()
}

fn place(finding: &Finding) -> Option<Netns> {
    let culprit = finding.culprits.iter().find_map(as_rule).map(|(of, ..)| of);
    culprit.or_else(|| {
        finding.evidence.iter().find_map(|evidence| match evidence {
            Evidence::Inspected { netns, .. } => Some(*netns),
            _ => None,
        })
    })
}

fn as_rule(culprit: &Culprit) -> Option<(Netns, &Located, RuleRole)> {
    match culprit {
        Culprit::Rule {
            netns,
            rule: Some(rule),
            role,
            ..
        } => Some((*netns, rule, *role)),
        _ => None,
    }
}

fn rule(finding: &Finding, role: Option<RuleRole>) -> Option<&Located> {
    let rules = finding.culprits.iter().rev().filter_map(as_rule);
    rules
        .filter(|(_, _, own)| role.is_none_or(|role| role == *own))
        .map(|(_, rule, _)| rule)
        .next()
}

fn rule_of(finding: &Finding) -> Option<&Located> {
    rule(finding, None)
}

/// `A rule of mirrord`.
fn owned(rule: Option<&Located>) -> String {
    match rule.and_then(|rule| rule.owner) {
        Some(owner) => format!("A rule of {}", owner.name()),
        None => "A rule".to_owned(),
    }
}

/// `mirrord`, or the chain; of native rules the table is somebody's.
fn whose(rule: &Located) -> String {
    match rule.owner {
        Some(owner) => owner.name().to_owned(),
        None if rule.backend == Backend::Nft => format!("table {} {}", rule.family.name(), shown(&rule.table)),
        None => format!("chain {}", shown(&rule.chain)),
    }
}

fn component(finding: &Finding) -> &'static str {
    let found = inspected(finding, |what| match what {
        Inspected::NoAgent { component, .. } => Some(component.name()),
        _ => None,
    });
    found.unwrap_or("an agent")
}

fn led(finding: &Finding) -> Option<(u32, u32, &[u16])> {
    inspected(finding, |what| match what {
        Inspected::Led {
            packets,
            arrived,
            missed,
        } => Some((*packets, *arrived, missed.as_slice())),
        _ => None,
    })
}

fn bits(finding: &Finding) -> Option<(Target, u32, bool)> {
    inspected(finding, |what| match what {
        Inspected::Bits { mark, bits, erases } => Some((*mark, *bits, *erases)),
        _ => None,
    })
}

fn tracks(finding: &Finding) -> Option<bool> {
    inspected(finding, |what| match what {
        Inspected::Tracking { on } => Some(*on),
        _ => None,
    })
}

fn inspected<'a, T>(finding: &'a Finding, pick: impl FnMut(&'a Inspected) -> Option<T>) -> Option<T> {
    let mut all = finding.evidence.iter().filter_map(|evidence| match evidence {
        Evidence::Inspected { what, .. } => Some(what),
        _ => None,
    });
    all.find_map(pick)
}

/// `TCP port 80`.
fn taken(finding: &Finding) -> String {
    let found = inspected(finding, |what| match what {
        Inspected::Redirect { protocol, ports, .. } => Some(format!("{} {}", protocol_name(*protocol), list(ports))),
        _ => None,
    });
    found.unwrap_or_else(|| "connections".to_owned())
}

/// Where the redirect leads.
fn target(finding: &Finding) -> String {
    let port = finding.evidence.iter().find_map(|evidence| match evidence {
        Evidence::NoListener { endpoint, .. } => Some(format!("port {}", endpoint.port)),
        _ => None,
    });
    port.unwrap_or_else(|| "a local port".to_owned())
}

fn list(ports: &[RangeInclusive<u16>]) -> String {
    match ports {
        [] => "any port".to_owned(),
        [one] if one.start() == one.end() => format!("port {}", one.start()),
        several => match ports_text(several) {
            all if all == "all" => "any port".to_owned(),
            but if but.starts_with("all but") => format!("ports ({but})"),
            listed => format!("ports {listed}"),
        },
    }
}

fn protocol_name(protocol: Option<u8>) -> String {
    match protocol {
        None => "all".to_owned(),
        Some(6) => "TCP".to_owned(),
        Some(17) => "UDP".to_owned(),
        Some(number) => format!("protocol {number}"),
    }
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ip => "IPv4",
        Family::Ip6 => "IPv6",
        Family::Inet => "IPv4 and IPv6",
        Family::Bridge | Family::Netdev | Family::Arp => family.name(),
    }
}

fn mark_name(mark: Target) -> &'static str {
    match mark {
        Target::Mark => "the packet mark",
        Target::Connmark => "the connmark",
    }
}

fn shown(text: &str) -> String {
    Shown(text.as_bytes()).to_string()
}
