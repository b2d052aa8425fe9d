//! Nothing explains it.

use super::Words;
use crate::model::finding::Confidence;
use crate::model::tcp::TcpState;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::{command, count};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    let connection = facts.1;
    let (peer, who) = (facts.peer(), facts.who());
    let nothing = "and nothing seen on this node explains it";
    if let Some(times) = facts.gave_up() {
        let connects = count(u64::from(times), "connect");
        return format!("{peer} left {connects} of {who} unanswered, {nothing}");
    }
    if connection.state == Some(TcpState::SynSent) || connection.syn_retransmits > 0 && connection.retransmits == 0 {
        return format!("{peer} does not answer the SYNs of {who}, {nothing}");
    }
    match connection.unacked {
        0 => format!("{peer} does not answer {who}, {nothing}"),
        unacked => {
            let bytes = count(u64::from(unacked), "byte");
            format!("{peer} does not acknowledge {bytes} of {who}, {nothing}")
        }
    }
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let rules = match (facts.rules_read(), facts.0.confidence) {
        (false, _) => ", and rules were not read",
        (true, Confidence::Possible) => ", and the rules do not say for sure that they let its packets pass",
        (true, _) => "; the rules that were read let its packets and their answers pass",
    };
    let mut text = vec![format!(
        "No drop, no RST and no full queue was seen on this node. What is beyond it cannot be seen from here{rules}."
    )];
    if let Some(target) = facts.target() {
        text.push(format!("The packets are translated and go to {target}."));
    }
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    vec![Fix::setting(format!("Look at {} and at the path to it.", facts.peer()))]
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    vec![Check::new(
        facts.0,
        facts.1.netns,
        &command::capture(facts.1.tuple),
        "See whether the packets leave and whether an answer comes back.",
    )]
}
