//! A rule, for a person and for a shell.

use crate::model::finding::{Culprit, Finding, RuleRole};
use crate::model::identity::Netns;
use crate::model::rules::{Backend, Located};
use crate::sink::text::{Shown, cut, quote};
use crate::sink::words::removal;

/// `nat OUTPUT rule 1 (mirrord)`, `inet filter input rule 2`, `filter INPUT's policy`.
pub fn rule_name(rule: &Located) -> String {
    let family = match rule.backend {
        Backend::Nft => format!("{} ", rule.family.name()),
        Backend::IptablesNft | Backend::IptablesLegacy => String::new(),
    };
    let (table, chain) = (Shown(rule.table.as_bytes()), Shown(rule.chain.as_bytes()));
    let owner = rule.owner.map_or(String::new(), |owner| format!(" ({})", owner.name()));
    match rule.index {
        Some(index) => format!("{family}{table} {chain} rule {index}{owner}"),
        None => format!("{family}{table} {chain}'s policy{owner}"),
    }
}

/// For the middle of a sentence.
pub(super) fn quoted(rule: &Located) -> String {
    format!("{} (`{}`)", rule_name(rule), text(rule, TEXT))
}

/// For the beginning of a sentence: what its tool calls it keeps its letters.
pub(super) fn opening(rule: Option<&Located>) -> String {
    rule.map_or_else(|| "A rule".to_owned(), quoted)
}

/// Deletes the rule, or has the policy accept; `None` where it cannot be named.
pub(super) fn delete(rule: &Located) -> Option<String> {
    if rule.index.is_some() {
        return removal::rule(rule);
    }
    let (table, chain) = (quote(&rule.table), quote(&rule.chain));
    if let Some(tool) = removal::tool(rule.backend, rule.family) {
        return Some(format!("{tool} -t {table} -P {chain} ACCEPT"));
    }
    let family = rule.family.name();
    Some(format!("nft chain {family} {table} {chain} '{{ policy accept; }}'"))
}

/// The rules of a finding that are known by name and do this, with their namespaces.
pub(super) fn named(finding: &Finding, does: impl Fn(RuleRole) -> bool) -> impl Iterator<Item = (&Located, Netns)> {
    finding.culprits.iter().filter_map(move |culprit| {
        let Culprit::Rule {
            netns,
            rule: Some(rule),
            role,
            ..
        } = culprit
        else {
            return None;
        };
        does(*role).then_some((&**rule, *netns))
    })
}

fn text(rule: &Located, limit: usize) -> String {
    let shown = Shown(rule.text.as_bytes()).to_string();
    match cut(&shown, limit) {
        whole if whole.len() == shown.len() => shown,
        part => format!("{part}..."),
    }
}

/// Bytes of a rule's text in a sentence.
const TEXT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rules::{Component, Family};

    fn located(backend: Backend, index: Option<u32>) -> Located {
        Located {
            backend,
            family: Family::Ip6,
            table: "nat".into(),
            chain: "x;$(id)".into(),
            hook: None,
            index,
            handle: Some(7),
            text: "-A x -j\u{1b} DROP".into(),
            comment: None,
            owner: Some(Component::Mirrord),
            packets: None,
        }
    }

    #[test]
    fn a_rule_is_named_by_its_place_and_owner_and_shown_harmless() {
        let text = quoted(&located(Backend::IptablesLegacy, Some(1)));
        assert_eq!(text, r"nat x;$(id) rule 1 (mirrord) (`-A x -j\x1b DROP`)");
        let text = rule_name(&located(Backend::Nft, None));
        assert_eq!(text, "ip6 nat x;$(id)'s policy (mirrord)");
    }

    #[test]
    fn a_policy_is_set_and_a_rule_is_deleted() {
        let command = |backend, index| delete(&located(backend, index)).unwrap();
        assert_eq!(
            [
                command(Backend::IptablesNft, None),
                command(Backend::Nft, Some(3)),
                command(Backend::Nft, None),
            ],
            [
                "ip6tables-nft -t nat -P 'x;$(id)' ACCEPT",
                "nft delete rule ip6 nat 'x;$(id)' handle 7",
                "nft chain ip6 nat 'x;$(id)' '{ policy accept; }'",
            ]
        );
    }

    #[test]
    fn a_rule_without_a_handle_is_not_deleted_blindly() {
        let rule = Located {
            handle: None,
            ..located(Backend::Nft, Some(3))
        };
        assert_eq!(delete(&rule), None);
    }
}
