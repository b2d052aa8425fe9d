//! The conntrack table is full.

use super::Words;
use crate::model::aspect::Seen;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::{netns, thousands};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    let place = facts
        .drop()
        .map_or(String::new(), |drop| format!(" of {}", netns(facts.0, drop.netns)));
    format!(
        "The conntrack table{place} is full{}: the SYNs of {} to {} get no entry and are dropped",
        filling(facts),
        facts.who(),
        facts.1.tuple.destination
    )
}

/// ` (262,144 entries, nf_conntrack_max is 262144)`.
fn filling(facts: Facts<'_>) -> String {
    let entries = facts.seen().find_map(|seen| {
        let Seen::ConntrackCount(entries) = seen else {
            return None;
        };
        Some(*entries)
    });
    match (entries, facts.settings().next()) {
        (Some(entries), Some((max, _))) => format!(
            " ({} entries, nf_conntrack_max is {})",
            thousands(u64::from(entries)),
            max.value
        ),
        _ => String::new(),
    }
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let mut text = vec![
        "A new connection needs an entry. Where there are nf_conntrack_max already and none that was not answered can make \
         room, the packet is dropped, before any rule is asked but those of raw."
            .to_owned(),
        "No rule that was read drops it.".to_owned(),
    ];
    if let Some(counted) = facts.seen().find_map(|seen| {
        let Seen::ConntrackStatistics(counted) = seen else {
            return None;
        };
        Some(counted)
    }) {
        text.push(format!(
            "conntrack counted {} such drops in this namespace.",
            thousands(u64::from(counted.drop))
        ));
    }
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let limit = facts
        .settings()
        .next()
        .map_or(String::new(), |(max, _)| format!(", now {}", max.value));
    vec![
        Fix::setting(format!(
            "Raise net.netfilter.nf_conntrack_max{limit}, on the host: it acts in every namespace and can only be written \
             there. Each entry costs about 320 bytes; raise nf_conntrack_buckets with it."
        )),
        Fix::setting(
            "Find who makes so many connections, and whether they need to be tracked (raw, CT --notrack). Shorter \
             nf_conntrack_tcp_timeout_established lets idle ones go sooner.",
        ),
    ]
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let of = facts.drop().map_or(facts.1.netns, |drop| drop.netns);
    let biggest =
        "sh -c \"conntrack -L 2>/dev/null | grep -o 'src=[^ ]* dst=[^ ]*' | sort | uniq -c | sort -rn | head\"";
    vec![
        Check::new(facts.0, of, "conntrack -C", "How many entries there are."),
        Check::new(
            facts.0,
            of,
            "conntrack -S",
            "`drop` rises with each packet that gets no entry.",
        ),
        Check::new(facts.0, of, biggest, "Between whom most entries are."),
    ]
}
