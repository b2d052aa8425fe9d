//! Outcomes and rules in words, for those who look into a difference.

use std::fmt::Write;
use tracer_user::model::rules::{Outcome, Snapshot};

pub(crate) fn tell(snapshot: &Snapshot, outcome: &Outcome) -> String {
    let mut all = format!(
        "- {:?}{} source {} {:?} destination {} {:?} mark {:?} connmark {:?}\n",
        outcome.end,
        if outcome.certain { ", certain" } else { "" },
        outcome.packet.source,
        outcome.packet.source_port,
        outcome.packet.destination,
        outcome.packet.destination_port,
        outcome.packet.mark,
        outcome.connmark
    );
    for step in &outcome.steps {
        let chain = snapshot.ruleset.chain(step.chain).unwrap();
        let rule = step.rule.and_then(|rule| snapshot.ruleset.rule(rule));
        let text = rule.map_or_else(
            || "policy".to_owned(),
            |rule| format!("{} {:?}", rule.text, rule.comment),
        );
        writeln!(
            all,
            "    {:?} {} {} {}: {text} {:?}{}",
            step.hook,
            chain.backend.name(),
            chain.table,
            chain.name,
            step.effect,
            if step.certain { "" } else { " (may)" }
        )
        .unwrap();
    }
    all
}

pub(crate) fn text(snapshot: &Snapshot, number: u32) -> String {
    let wanted = format!("r{number}");
    let mut rules = snapshot.ruleset.chains.iter().flat_map(|chain| &chain.rules);
    let found = rules.find(|rule| rule.comment.as_deref() == Some(&wanted));
    found
        .map(|rule| format!("{} {:?}", rule.text, rule.items))
        .unwrap_or_default()
}
