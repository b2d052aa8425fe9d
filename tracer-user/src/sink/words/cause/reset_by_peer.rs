//! Reset from outside this host.

use super::Words;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::Fix;
use crate::sink::words::{count, seconds};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks: |_| Vec::new(),
};

fn summary(facts: Facts<'_>) -> String {
    if let Some((resets, opened, within)) = facts.recurring() {
        return format!(
            "{} resets connections of {} again and again: {resets} within {}, where {} been opened at all",
            facts.peer(),
            facts.who(),
            seconds(within),
            if opened == 1 {
                "1 connection has".to_owned()
            } else {
                format!("{} have", count(opened, "connection"))
            }
        );
    }
    format!(
        "{} reset an established connection of {}: the RST came from outside this host",
        facts.peer(),
        facts.who()
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let mut text = vec![format!(
        "A RST arrived while the connection was established, and nothing on this host made it: it came from {} or from \
         something on the path.",
        facts.peer()
    )];
    if facts.recurring().is_some() {
        text.push("Most connections that were opened meanwhile ended so: it does not serve them.".to_owned());
    }
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    vec![Fix::setting(format!(
        "Look at {} (its log, its restarts) and at load balancers and firewalls on the path, not at this node.",
        facts.peer()
    ))]
}
