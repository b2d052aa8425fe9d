use super::*;
use crate::model::rules::{Base, ChainKind, Component, Counters, Family};

#[test]
fn a_rule_is_told_with_all_that_finds_it() {
    let ruleset = ruleset(Backend::IptablesNft, "KUBE-SERVICES", Verdict::Accept);
    let id = RuleId {
        chain: ChainId(0),
        index: 1,
    };
    let located = locate(&ruleset, id, None).unwrap();
    assert_eq!(
        (located.index, located.handle, located.packets),
        (Some(2), Some(8), Some(3))
    );
    assert_eq!((&*located.text, located.hook), ("rule 8", Some(Hook::Input)));
    assert_eq!(located.owner, Some(Component::KubeProxy));
    assert_eq!(
        locate(&ruleset, id, Some(Hook::Forward)).unwrap().hook,
        Some(Hook::Forward)
    );
    assert_eq!(locate(&ruleset, RuleId { index: 2, ..id }, None), None);
}

#[test]
fn a_policy_is_told_in_the_words_of_its_tool() {
    let text = |backend, policy| {
        let ruleset = ruleset(backend, "INPUT", policy);
        locate_policy(&ruleset, ChainId(0)).unwrap().text
    };
    assert_eq!(&*text(Backend::Nft, Verdict::Drop), "policy drop");
    assert_eq!(&*text(Backend::Nft, Verdict::Accept), "policy accept");
    assert_eq!(&*text(Backend::IptablesNft, Verdict::Drop), "-P INPUT DROP");
    assert_eq!(&*text(Backend::IptablesLegacy, Verdict::Accept), "-P INPUT ACCEPT");
}

#[test]
fn a_chain_that_is_not_hooked_has_no_policy() {
    let mut ruleset = ruleset(Backend::Nft, "x", Verdict::Drop);
    let policy = locate_policy(&ruleset, ChainId(0)).unwrap();
    assert_eq!(
        (policy.index, policy.hook, policy.packets),
        (None, Some(Hook::Input), Some(9))
    );
    ruleset.chains[0].base = None;
    assert_eq!(locate_policy(&ruleset, ChainId(0)), None);
    assert_eq!(locate_policy(&ruleset, ChainId(1)), None);
}

fn ruleset(backend: Backend, name: &str, policy: Verdict) -> Ruleset {
    let rule = |handle| Rule {
        handle: Some(handle),
        items: Vec::new(),
        counters: Some(Counters { packets: 3, bytes: 4 }),
        comment: None,
        text: format!("rule {handle}").into(),
    };
    let chain = Chain {
        backend,
        family: Family::Ip,
        table: "filter".into(),
        name: name.into(),
        base: Some(Base {
            kind: ChainKind::Filter,
            hook: Hook::Input,
            priority: 0,
            policy,
            devices: Vec::new(),
        }),
        rules: vec![rule(7), rule(8)],
        dormant: false,
        counters: Some(Counters { packets: 9, bytes: 1 }),
    };
    Ruleset {
        chains: vec![chain],
        ..Ruleset::default()
    }
}
