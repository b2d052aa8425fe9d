//! Rules are printed as their own tools print them: every line of what `nft` and `iptables-nft-save` say. Needs root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../space/mod.rs"]
mod space;

use space::Space;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use tracer_user::inspect::source::Reader;
use tracer_user::model::rules::{Backend, Chain, Family};

#[test]
fn native_rules_are_printed_as_nft_lists_them() {
    let mut lines = 0;
    let mut wrong = Vec::new();
    for (name, text) in data("nft") {
        let space = Space::new();
        space.run(&["nft", "-f", "-"], &text);
        let expected = listed(&space.run(&["nft", "list", "ruleset"], ""));
        let found = printed(&space, |chain| chain.backend == Backend::Nft);
        lines += compare(&name, &expected, &found, &mut wrong);
    }
    report(lines, &wrong, 400);
}

#[test]
fn rules_of_iptables_are_printed_as_it_saves_them() {
    let mut lines = 0;
    let mut wrong = Vec::new();
    for (folder, prefix, family) in [("ip", "iptables", Family::Ip), ("ip6", "ip6tables", Family::Ip6)] {
        for (name, text) in data(folder) {
            let space = Space::new();
            space.run(&[&format!("{prefix}-nft-restore")], &text);
            let expected = saved(&space.run(&[&format!("{prefix}-nft-save")], ""));
            let found = printed(&space, |chain| chain.family == family);
            lines += compare(&name, &expected, &found, &mut wrong);
        }
    }
    report(lines, &wrong, 300);
}

/// Rules by table and chain.
type Rules = BTreeMap<(String, String), Vec<String>>;

fn report(lines: usize, wrong: &[String], least: usize) {
    assert!(
        wrong.is_empty(),
        "{} of {lines} rules differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(lines >= least, "only {lines} rules");
}

fn compare(name: &str, expected: &Rules, found: &Rules, wrong: &mut Vec<String>) -> usize {
    let excuses = Excuses::listed();
    let nothing = Vec::new();
    for (place, lines) in expected {
        let own = found.get(place).unwrap_or(&nothing);
        if own.len() != lines.len() {
            wrong.push(format!(
                "{name} {place:?}: {} rules instead of {}",
                own.len(),
                lines.len()
            ));
        }
        for (line, own) in lines.iter().zip(own) {
            if line != own && !excuses.excuse(line, own) {
                wrong.push(format!("{name} {place:?}\n   tool {line}\n   ours {own}"));
            }
        }
    }
    expected.values().map(Vec::len).sum()
}

/// Lines that are printed otherwise, under headings `# class: why`.
struct Excuses {
    /// As the tool prints them; what is not understood of them is marked.
    marked: Vec<&'static str>,
    /// As the tool and as we print them: they mean the same.
    equal: Vec<(&'static str, &'static str)>,
}

impl Excuses {
    fn listed() -> Self {
        let mut class = None;
        let mut excuses = Self {
            marked: Vec::new(),
            equal: Vec::new(),
        };
        for line in include_str!("data/differences.txt").lines() {
            if let Some(heading) = line.strip_prefix("# ") {
                class = Some(heading.split_once(": ").unwrap().0);
            } else if class.unwrap() == "equal" {
                excuses.equal.push(line.split_once(" => ").unwrap());
            } else {
                excuses.marked.push(line);
            }
        }
        excuses
    }

    fn excuse(&self, line: &str, own: &str) -> bool {
        self.marked.contains(&line) && own.contains("[unknown: ") || self.equal.contains(&(line, own))
    }
}

fn printed(space: &Space, wanted: impl Fn(&Chain) -> bool) -> Rules {
    let mut reader = Reader::new().unwrap();
    let ruleset = reader.snapshot(space.netns).unwrap().ruleset;
    assert!(ruleset.gaps.is_empty(), "{:?}", ruleset.gaps);
    let mut rules = Rules::new();
    for chain in ruleset.chains.iter().filter(|chain| wanted(chain)) {
        let table = match chain.backend {
            Backend::Nft => format!("{} {}", chain.family.name(), chain.table),
            Backend::IptablesNft | Backend::IptablesLegacy => chain.table.to_string(),
        };
        let texts = chain.rules.iter().map(|rule| rule.text.to_string()).collect();
        rules.insert((table, chain.name.to_string()), texts);
    }
    rules
}

/// The rules in what `nft list ruleset` says; tables of arp are none of ours.
fn listed(text: &str) -> Rules {
    let mut rules = Rules::new();
    let mut place = None;
    let mut table = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("table ").and_then(|rest| rest.strip_suffix(" {")) {
            table = name;
        } else if let Some(name) = line.strip_prefix("\tchain ").and_then(|rest| rest.strip_suffix(" {")) {
            place = (!table.starts_with("arp ")).then(|| (table.to_owned(), name.to_owned()));
        } else if line == "\t}" {
            place = None;
        } else if let (Some(place), Some(rule)) = (&place, line.strip_prefix("\t\t"))
            && !rule.starts_with("type ")
        {
            rules.entry(place.clone()).or_default().push(rule.to_owned());
        }
    }
    rules
}

/// The rules in what `iptables-save` says.
fn saved(text: &str) -> Rules {
    let mut rules = Rules::new();
    let mut table = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(chain) = line.strip_prefix("-A ").and_then(|rest| rest.split(' ').next()) {
            let place = (table.to_owned(), chain.to_owned());
            rules.entry(place).or_default().push(line.to_owned());
        }
    }
    rules
}

/// The files of a folder, in the order of their names.
fn data(folder: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/ruletext/data")
        .join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}
