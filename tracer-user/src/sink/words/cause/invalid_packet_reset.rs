//! A packet out of the window met no socket, and the local stack reset its connection.

use super::Words;
use super::mechanism::untranslated;
use crate::model::finding::Culprit;
use crate::sink::words::command;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    format!(
        "This host resets the connection of {} to {} itself: conntrack took a packet of {} for invalid and did not \
         translate it back",
        facts.who(),
        facts.1.tuple.destination,
        facts.end()
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    vec![
        format!(
            "{}, although conntrack has the connection's entry: it does so with packets out of the TCP window, and leaves \
             them to the rules, of which none dropped this one.",
            untranslated(facts)
        ),
        format!(
            "No socket has these addresses, so this host's own TCP answers with a RST, and {} ends a connection that {} \
             still uses.",
            facts.end(),
            facts.who()
        ),
    ]
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes = Vec::new();
    if !is_liberal(facts) {
        fixes.push(Fix::command(
            facts.0,
            facts.1.netns,
            "sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1",
            "Let conntrack translate packets out of the window, too: the connection's own TCP then throws them away.",
        ));
    }
    fixes.push(Fix::setting(
        "Or drop what conntrack calls invalid ahead of TCP, in INPUT and FORWARD: -m conntrack --ctstate INVALID -j DROP.",
    ));
    fixes
}

fn is_liberal(facts: Facts<'_>) -> bool {
    facts.0.culprits.iter().any(|culprit| {
        matches!(culprit, Culprit::Sysctl { setting, .. }
            if setting.path.ends_with("be_liberal") && &*setting.value == "1")
    })
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let netns = facts.1.netns;
    let counts = "See how many packets conntrack called invalid (invalid=).";
    let mut checks = vec![Check::new(facts.0, netns, "conntrack -S", counts)];
    if let Some((entry, netns)) = facts.entry() {
        let why = "The entry is there: the packet had the addresses of its second half.";
        checks.push(Check::new(facts.0, netns, &command::show(entry), why));
    }
    checks
}
