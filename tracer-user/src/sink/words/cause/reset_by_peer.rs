//! Reset from outside this host.

use super::Words;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::Fix;

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks: |_| Vec::new(),
};

fn summary(facts: Facts<'_>) -> String {
    format!(
        "{} reset an established connection of {}: the RST came from outside this host",
        facts.peer(),
        facts.who()
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    vec![format!(
        "A RST arrived while the connection was established, and nothing on this host made it: it came from {} or from \
         something on the path.",
        facts.peer()
    )]
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    vec![Fix::setting(format!(
        "Look at {} (its log, its restarts) and at load balancers and firewalls on the path, not at this node.",
        facts.peer()
    ))]
}
