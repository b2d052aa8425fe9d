//! Which tests a cell runs. A form of a scenario is a back end, a family and a kind of peer.

use std::collections::BTreeMap;

use super::cell::Plan;

/// One form of each scenario, another one in the next cell, so that a few cells see many forms.
pub(super) fn one_form_each(tests: &[String], cell: usize) -> Vec<String> {
    let mut scenarios = BTreeMap::<_, Vec<&String>>::new();
    for test in tests.iter().filter(|test| !is_too_quick(test)) {
        scenarios.entry(scenario(test)).or_default().push(test);
    }
    let form = |(number, forms): (usize, &Vec<&String>)| {
        // A step that no number of forms divides by: neighbours differ in all of back end, family and peer.
        let form = (number + cell * STEP) % forms.len();
        forms.get(form).map(|&test| test.clone())
    };
    scenarios.values().enumerate().filter_map(form).collect()
}

/// The part of these tests that one of several cells runs.
pub(super) fn share(tests: Vec<String>, cell: usize, cells: usize) -> Vec<String> {
    let mine = |(number, test): (usize, String)| (number % cells == cell).then_some(test);
    tests.into_iter().enumerate().filter_map(mine).collect()
}

/// What runs on another architecture: every recording, and a few scenarios that reach most of the program's parts.
pub(super) fn foreign(words: &[String]) -> Plan {
    let all = |tests: &[&str]| matching(&tests.iter().map(|&test| test.to_owned()).collect::<Vec<_>>(), words);
    Plan::from([
        ("replay".to_owned(), all(&REPLAY)),
        ("scenarios".to_owned(), all(&SCENARIOS)),
    ])
}

/// Whether what it makes is over sooner than an emulated machine can follow: a tenth of a second.
fn is_too_quick(test: &str) -> bool {
    TOO_QUICK.iter().any(|name| scenario(test).ends_with(name))
}

/// A test's name without back end and form, the last two of `table::SCENARIO::BACKEND::FORM`.
fn scenario(test: &str) -> &str {
    let mut ends = test.rmatch_indices("::").map(|(end, _)| end);
    let end = ends.nth(1).filter(|_| ends.next().is_some());
    end.map_or(test, |end| test.split_at(end).0)
}

/// The tests whose names contain one of these words; all without any.
pub(super) fn matching(tests: &[String], words: &[String]) -> Vec<String> {
    let wanted = |test: &&String| words.is_empty() || words.iter().any(|word| test.contains(word));
    tests.iter().filter(wanted).cloned().collect()
}

const STEP: usize = 5;
/// It is a matter of the Tracker alone, which is the same on every kernel.
const TOO_QUICK: [&str; 1] = ["late_listener"];
const REPLAY: [&str; 3] = [
    "every_scenario_has_a_recording",
    "every_recording_replays_into_the_findings_that_were_made_with_it",
    "a_recording_that_is_cut_anywhere_is_replayed_as_far_as_it_goes",
];
const SCENARIOS: [&str; 3] = [
    "table::reply_rejected::nft::ipv4",
    "table::syn_dropped::iptables_nft::ipv6",
    "table::graceful_close::iptables_nft::ipv4",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn tests() -> Vec<String> {
        let names = [
            "table::every_scenario_is_in_the_table",
            "table::refused::nft::ipv4",
            "table::refused::nft::ipv6",
            "table::reply::legacy::ipv4",
            "table::reply::legacy::ipv6",
            "table::reply::nft::ipv4",
            "table::reply::nft::ipv6",
        ];
        names.map(str::to_owned).into()
    }

    #[test]
    fn a_cell_has_each_scenario_once_and_the_next_cell_has_another_form() {
        let (first, second) = (one_form_each(&tests(), 0), one_form_each(&tests(), 1));
        assert_eq!(first.len(), 3);
        let scenario = |test: &String| scenario(test).to_owned();
        assert_eq!(
            first.iter().map(scenario).collect::<Vec<_>>(),
            second.iter().map(scenario).collect::<Vec<_>>()
        );
        assert_ne!(first[1], second[1]);
        assert_ne!(first[2], second[2]);
    }

    #[test]
    fn cells_that_share_run_each_test_once() {
        let all = |cell| share(tests(), cell, 3);
        let mut together: Vec<_> = (0..3).flat_map(all).collect();
        together.sort();
        assert_eq!(together, tests());
        assert_eq!(all(1).len(), 2);
    }

    #[test]
    fn what_is_over_too_quickly_is_left_to_real_machines() {
        let tests = ["table::late_listener::nft::ipv4", "table::refused::nft::ipv4"].map(str::to_owned);
        assert_eq!(one_form_each(&tests, 0), ["table::refused::nft::ipv4"]);
    }

    #[test]
    fn words_choose_tests_and_no_words_choose_all() {
        assert_eq!(matching(&tests(), &["legacy".to_owned()]).len(), 2);
        assert_eq!(matching(&tests(), &[]).len(), 7);
    }
}
