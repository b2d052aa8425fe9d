//! What a test program's output says of each test, against what it was asked to run.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Passed,
    Failed,
    /// Asked for, and not heard of again: the guest or the program ended before it, or it was ignored.
    Missing,
}

/// The verdict on each test that was asked for.
pub(super) fn verdicts(asked: &[String], output: &str) -> BTreeMap<String, Verdict> {
    let said = output.lines().filter_map(line).collect::<BTreeMap<_, _>>();
    let verdict = |name: &String| said.get(name.as_str()).copied().unwrap_or(Verdict::Missing);
    asked.iter().map(|name| (name.clone(), verdict(name))).collect()
}

/// The first line of what a failed test complained about.
pub(super) fn complaint(output: &str, name: &str) -> Option<String> {
    let heading = format!("---- {name} stdout ----");
    let mut lines = output.lines().skip_while(|line| *line != heading).skip(1);
    let mut own = lines.by_ref().take_while(|line| !line.starts_with("---- "));
    own.find(|line| line.contains("panicked at"))?;
    own.find(|line| !line.trim().is_empty())
        .map(|line| line.chars().take(WIDTH).collect())
}

fn line(line: &str) -> Option<(&str, Verdict)> {
    let (name, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let verdict = match verdict.trim() {
        "ok" => Verdict::Passed,
        "FAILED" => Verdict::Failed,
        _ => Verdict::Missing,
    };
    Some((name.trim_end_matches(" - should panic"), verdict))
}

const WIDTH: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "running 3 tests
test a::nft::ipv4 ... ok
test b::nft::ipv4 ... FAILED
test c ... ignored

failures:

---- b::nft::ipv4 stdout ----

thread 'b::nft::ipv4' panicked at tests/scenarios.rs:31:9:
no reply-rejected
exit code Some(0)
";

    #[test]
    fn every_test_that_was_asked_for_has_a_verdict() {
        let asked = ["a::nft::ipv4", "b::nft::ipv4", "c", "d"].map(str::to_owned);
        let verdicts = verdicts(&asked, OUTPUT);
        assert_eq!(
            verdicts.into_values().collect::<Vec<_>>(),
            [Verdict::Passed, Verdict::Failed, Verdict::Missing, Verdict::Missing]
        );
    }

    #[test]
    fn a_failure_is_told_by_its_first_line() {
        assert_eq!(complaint(OUTPUT, "b::nft::ipv4").as_deref(), Some("no reply-rejected"));
        assert_eq!(complaint(OUTPUT, "a::nft::ipv4"), None);
    }
}
