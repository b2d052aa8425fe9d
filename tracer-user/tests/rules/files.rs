//! Whole rule sets as programs make them.

use crate::space::Space;
use std::fs;
use std::path::PathBuf;
use tracer_user::model::rules::{Backend, Item, Ruleset};

/// Files of the folder whose names end so, with their names.
fn files(ending: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rules/data");
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| name.ends_with(ending))
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
        .collect();
    all.sort();
    assert!(!all.is_empty(), "no file ends in {ending}");
    all
}

fn assert_understood(name: &str, ruleset: &Ruleset) {
    assert_eq!(ruleset.gaps, [], "{name}");
    for chain in &ruleset.chains {
        for rule in &chain.rules {
            let unknown = |item: &&Item| {
                let text = format!("{item:?}");
                // No field stands for IPv6's routing header.
                text.contains("Unknown") && !text.contains("-m rt ")
            };
            let found = rule.items.iter().find(unknown);
            assert_eq!(found, None, "{name}: {} {:?}", chain.name, rule.handle);
        }
    }
}

#[test]
fn native_rule_sets_of_known_programs_are_understood() {
    for (name, text) in files(".nft.txt") {
        let ruleset = Space::with_nft(&text).snapshot().ruleset;
        let rules = text.lines().filter(|line| line.contains("counter packets"));
        assert_eq!(ruleset.len(), rules.count().max(1), "{name}");
        assert_understood(&name, &ruleset);
    }
}

#[test]
fn rules_that_iptables_put_into_nf_tables_are_understood() {
    for (name, text) in files(".save") {
        let program = if name.contains("6.save") {
            "ip6tables-nft-restore"
        } else {
            "iptables-nft-restore"
        };
        let space = Space::new();
        space.run(&[program], &text);
        let ruleset = space.snapshot().ruleset;
        assert_eq!(
            ruleset.len(),
            text.lines().filter(|line| line.starts_with("-A")).count(),
            "{name}"
        );
        assert_understood(&name, &ruleset);
        for chain in &ruleset.chains {
            assert_eq!(chain.backend, Backend::IptablesNft, "{name}: {}", chain.table);
        }
    }
}
