//! Commands that remove rules and chains, every untrusted word quoted.

use crate::model::inspected::ChainName;
use crate::model::rules::{Backend, Family, Hook, Located};
use crate::sink::text::{HIDDEN, quote, unescape};

/// Deletes one rule; `None` where it cannot be named.
pub(super) fn rule(rule: &Located) -> Option<String> {
    let Some(tool) = tool(rule.backend, rule.family) else {
        let handle = rule.handle?;
        return Some(format!(
            "nft delete rule {} {} {} handle {handle}",
            rule.family.name(),
            quote(&rule.table),
            quote(&rule.chain)
        ));
    };
    let words = words(&rule.text)?;
    let (append, rest) = words.split_first()?;
    if append != "-A" || rest.is_empty() {
        return None;
    }
    let table = quote(&rule.table);
    if rest.iter().any(|word| is_escaped(word) || word.contains(HIDDEN)) {
        let chain = Some(&rule.chain).filter(|chain| !is_escaped(chain))?;
        return Some(format!("{tool} -t {table} -D {} {}", quote(chain), rule.index?));
    }
    let rest: Vec<_> = rest.iter().map(|word| quote(word)).collect();
    Some(format!("{tool} -t {table} -D {}", rest.join(" ")))
}

/// Lets what a user's sockets send pass, ahead of the rule; `None` where that cannot be asked for.
pub(super) fn exempt(rule: &Located, uid: u32) -> Option<String> {
    let index = rule.index.filter(|_| rule.hook == Some(Hook::Output))?;
    let (table, chain) = (quote(&rule.table), quote(&rule.chain));
    if let Some(tool) = tool(rule.backend, rule.family) {
        return Some(format!(
            "{tool} -t {table} -I {chain} {index} -m owner --uid-owner {uid} -j RETURN"
        ));
    }
    let (family, handle) = (rule.family.name(), rule.handle?);
    Some(format!(
        "nft insert rule {family} {table} {chain} handle {handle} meta skuid {uid} return"
    ))
}

/// Whether it may stand for bytes that are not UTF-8, which a rule's text does not tell from a backslash.
fn is_escaped(word: &str) -> bool {
    unescape(word).ne(word.bytes())
}

/// Deletes the rule at this place, whatever others say the same.
pub(super) fn by_number(rule: &Located) -> Option<String> {
    let Some(tool) = tool(rule.backend, rule.family) else {
        return self::rule(rule);
    };
    let (table, chain) = (quote(&rule.table), quote(&rule.chain));
    Some(format!("{tool} -t {table} -D {chain} {}", rule.index?))
}

pub(super) fn flush(chain: &ChainName) -> String {
    on_chain(chain, "-F", "flush")
}

/// Deletes an empty chain.
pub(super) fn chain(chain: &ChainName) -> String {
    on_chain(chain, "-X", "delete")
}

fn on_chain(chain: &ChainName, option: &str, verb: &str) -> String {
    let (table, name) = (quote(&chain.table), quote(&chain.chain));
    match tool(chain.backend, chain.family) {
        Some(tool) => format!("{tool} -t {table} {option} {name}"),
        None => format!("nft {verb} chain {} {table} {name}", chain.family.name()),
    }
}

/// The program for rules of xtables.
pub(super) fn tool(backend: Backend, family: Family) -> Option<&'static str> {
    match (backend, family) {
        (Backend::IptablesLegacy, Family::Ip6) => Some("ip6tables-legacy"),
        (Backend::IptablesLegacy, _) => Some("iptables-legacy"),
        (Backend::IptablesNft, Family::Ip6) => Some("ip6tables-nft"),
        (Backend::IptablesNft, _) => Some("iptables-nft"),
        (Backend::Nft, _) => None,
    }
}

/// The words of a rule as `iptables-save` writes it: in double quotes a backslash keeps the next character. `None`: a
/// quote does not end.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().push(chars.next()?),
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    (!quoted).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(backend: Backend, text: &str) -> Located {
        Located {
            backend,
            family: Family::Ip,
            table: "nat".into(),
            chain: "x;$(id)".into(),
            hook: Some(Hook::Prerouting),
            index: Some(1),
            handle: Some(7),
            text: text.into(),
            comment: None,
            owner: None,
            packets: None,
        }
    }

    #[test]
    fn a_rule_is_deleted_by_what_it_says_with_every_word_quoted() {
        let text = r#"-A x;$(id) -m comment --comment "it's a \"b\" `id`" -j MIRRORD_INPUT_abcde"#;
        assert_eq!(
            rule(&located(Backend::IptablesLegacy, text)).unwrap(),
            r#"iptables-legacy -t nat -D 'x;$(id)' -m comment --comment 'it'\''s a "b" `id`' -j MIRRORD_INPUT_abcde"#
        );
        assert_eq!(
            rule(&located(Backend::Nft, "jump y")).unwrap(),
            "nft delete rule ip nat 'x;$(id)' handle 7"
        );
    }

    #[test]
    fn a_rule_with_bytes_that_are_not_utf8_is_deleted_by_its_number() {
        let text = r#"-A x;$(id) -m comment --comment "a\\xffb" -j DROP"#;
        let mut rule = located(Backend::IptablesNft, text);
        assert_eq!(super::rule(&rule).unwrap(), "iptables-nft -t nat -D 'x;$(id)' 1");
        rule.chain = r"x\xff".into();
        assert_eq!(super::rule(&rule), None);
    }

    #[test]
    fn a_rule_whose_comment_is_hidden_is_deleted_by_its_number() {
        let text = r#"-A x;$(id) -m comment --comment "***" -j DROP"#;
        let rule = located(Backend::IptablesNft, text);
        assert_eq!(super::rule(&rule).unwrap(), "iptables-nft -t nat -D 'x;$(id)' 1");
    }

    #[test]
    fn one_of_two_equal_rules_is_deleted_by_its_number() {
        let text = "-A x;$(id) -j y";
        assert_eq!(
            by_number(&located(Backend::IptablesNft, text)).unwrap(),
            "iptables-nft -t nat -D 'x;$(id)' 1"
        );
        assert_eq!(
            by_number(&located(Backend::Nft, "jump y")).unwrap(),
            "nft delete rule ip nat 'x;$(id)' handle 7"
        );
    }

    #[test]
    fn an_exemption_stands_ahead_of_the_rule() {
        let at = |backend, hook| Located {
            hook: Some(hook),
            ..located(backend, "")
        };
        assert_eq!(
            exempt(&at(Backend::IptablesLegacy, Hook::Output), 1337).unwrap(),
            "iptables-legacy -t nat -I 'x;$(id)' 1 -m owner --uid-owner 1337 -j RETURN"
        );
        assert_eq!(
            exempt(&at(Backend::Nft, Hook::Output), 1337).unwrap(),
            "nft insert rule ip nat 'x;$(id)' handle 7 meta skuid 1337 return"
        );
        assert_eq!(exempt(&at(Backend::Nft, Hook::Prerouting), 1337), None);
    }

    #[test]
    fn what_cannot_be_read_as_a_rule_gets_no_command() {
        for text in ["", "-A", "-P INPUT DROP", "-A x -m comment --comment \"open"] {
            assert_eq!(rule(&located(Backend::IptablesLegacy, text)), None, "{text}");
        }
    }
}
