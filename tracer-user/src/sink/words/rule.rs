//! A rule, for a person and for a shell.

use crate::model::finding::{Culprit, Finding, RuleRole};
use crate::model::identity::Netns;
use crate::model::rules::{Backend, Family, Located};
use crate::sink::text::{Shown, cut, quote};

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

/// Its name and its text, as much of that as fits into a sentence.
pub fn rule(rule: &Located) -> String {
    format!("{}: {}", rule_name(rule), text(rule, TEXT))
}

/// For the middle of a sentence.
pub(super) fn quoted(rule: &Located) -> String {
    format!("{} (`{}`)", rule_name(rule), text(rule, TEXT))
}

/// For the beginning of a sentence: what its tool calls it keeps its letters.
pub(super) fn opening(rule: Option<&Located>) -> String {
    rule.map_or_else(|| "A rule".to_owned(), quoted)
}

/// Which tool shows it, and where: `iptables-legacy, IPv4`.
pub fn rule_place(rule: &Located) -> String {
    let tool = match (rule.backend, rule.family) {
        (Backend::Nft, _) => "nft",
        (Backend::IptablesNft, Family::Ip6) => "ip6tables-nft",
        (Backend::IptablesNft, _) => "iptables-nft",
        (Backend::IptablesLegacy, Family::Ip6) => "ip6tables-legacy",
        (Backend::IptablesLegacy, _) => "iptables-legacy",
    };
    tool.to_owned()
}

/// Deletes the rule, or has the policy accept; `None` where nothing says which one it is.
pub(super) fn delete(rule: &Located) -> Option<String> {
    let (table, chain) = (quote(&rule.table), quote(&rule.chain));
    let tool = rule_place(rule);
    Some(match (rule.backend, rule.index) {
        (Backend::Nft, Some(_)) => {
            let family = rule.family.name();
            format!("nft delete rule {family} {table} {chain} handle {}", rule.handle?)
        }
        (Backend::Nft, None) => {
            let family = rule.family.name();
            format!("nft chain {family} {table} {chain} '{{ policy accept; }}'")
        }
        (Backend::IptablesNft | Backend::IptablesLegacy, Some(index)) => {
            format!("{tool} -t {table} -D {chain} {index}")
        }
        (Backend::IptablesNft | Backend::IptablesLegacy, None) => format!("{tool} -t {table} -P {chain} ACCEPT"),
    })
}

/// The rules of a finding that are known by name and do this, with their namespaces.
pub(super) fn named(finding: &Finding, does: impl Fn(RuleRole) -> bool) -> impl Iterator<Item = (&Located, Netns)> {
    finding.culprits.iter().filter_map(move |culprit| match culprit {
        Culprit::Rule {
            netns,
            rule: Some(rule),
            role,
            ..
        } if does(*role) => Some((&**rule, *netns)),
        Culprit::Rule { .. } | Culprit::ConntrackEntry(_) | Culprit::Listener(_) | Culprit::Peer { .. } => None,
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
    use crate::model::rules::Component;

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
        let text = rule(&located(Backend::IptablesLegacy, Some(1)));
        assert_eq!(text, r"nat x;$(id) rule 1 (mirrord): -A x -j\x1b DROP");
        let text = rule_name(&located(Backend::Nft, None));
        assert_eq!(text, "ip6 nat x;$(id)'s policy (mirrord)");
    }

    #[test]
    fn commands_are_complete_and_quoted() {
        let command = |backend, index| delete(&located(backend, index)).unwrap();
        assert_eq!(
            [
                command(Backend::IptablesLegacy, Some(3)),
                command(Backend::IptablesNft, None),
                command(Backend::Nft, Some(3)),
                command(Backend::Nft, None),
            ],
            [
                "ip6tables-legacy -t nat -D 'x;$(id)' 3",
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
