//! An old conntrack entry decides where the packets go.

use super::Words;
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
    let end = if facts.errno().is_some() {
        "it is refused there"
    } else {
        "it hangs"
    };
    format!(
        "An old conntrack entry sends the connection of {} to {} to {}, where no current rule would: {end}",
        facts.who(),
        facts.1.tuple.destination,
        facts.end()
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let rules = if facts.rules_read() {
        "The rules that are there now send its first packet elsewhere."
    } else {
        "Conntrack counts the connection as established, and the socket still waits for the answer to its SYN: the entry \
         is an earlier connection's."
    };
    vec![
        format!(
            "NAT is decided once for a conntrack entry. The entry of these addresses and ports still says {}; each SYN \
             meets it, and keeps it alive.",
            facts.end()
        ),
        rules.to_owned(),
        "A connect from another source port is not caught by it.".to_owned(),
    ]
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes = Vec::new();
    if let Some((entry, netns)) = facts.entry() {
        let why = "Forget the entry: the next SYN is led by the rules that are there now.";
        fixes.push(Fix::command(facts.0, netns, &command::delete(entry), why));
    }
    fixes.push(Fix::setting(
        "Whoever deletes or changes a NAT rule has to delete the entries that it made, too.",
    ));
    fixes
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let Some((entry, netns)) = facts.entry() else {
        return Vec::new();
    };
    let entry_shown = "See the entry: its second half says where the packets go.";
    let rules = format!("No rule here leads to {}.", facts.end());
    let rules_of = command::rules(None, command::Family::of(facts.1.tuple));
    vec![
        Check::new(facts.0, netns, &command::show(entry), entry_shown),
        Check::new(facts.0, facts.1.netns, &rules_of, rules),
    ]
}
