//! What no tracked file of any kind may name: paths of somebody's machine, and servers that are not public references.

use super::Problem;

pub(super) fn check(file: &str, text: &str) -> Vec<Problem> {
    if SKIPPED.contains(&file) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(path) = machine_path(line) {
            problems.push(Problem::new(file, number, format!("`{path}` is a path of one machine")));
        }
        for host in hosts(line).filter(|host| !HOSTS.contains(host)) {
            let what =
                format!("`{host}` is not among the hosts that xtask/src/tidy/text.rs knows as public references");
            problems.push(Problem::new(file, number, what));
        }
    }
    problems
}

/// The first folder of a person or a workplace that the line names as the start of a path.
fn machine_path(line: &str) -> Option<&'static str> {
    FOLDERS.into_iter().find(|folder| {
        line.match_indices(folder).any(|(at, _)| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '}' | '>' | '~'))
        })
    })
}

/// The host of every URL in the line that is a name and not an address.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    let schemes = ["http://", "https://"].into_iter();
    schemes
        .flat_map(move |scheme| line.split(scheme).skip(1))
        .filter_map(|rest| {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-')))
                .unwrap_or(rest.len());
            let host = rest.get(..end)?;
            let is_address = host.chars().all(|c| c.is_ascii_digit() || c == '.');
            (!is_address).then_some(host)
        })
}

const FOLDERS: [&str; 4] = ["/home/", "/root/", "/Users/", "/work/"];
const HOSTS: [&str; 12] = [
    "datatracker.ietf.org",
    "doc.rust-lang.org",
    "docs.kernel.org",
    "example.com",
    "git.kernel.org",
    "github.com",
    "json-schema.org",
    "keepachangelog.com",
    "localhost",
    "semver.org",
    "www.apache.org",
    "www.rfc-editor.org",
];
/// This file names what it looks for; the licence's text is not ours.
const SKIPPED: [&str; 2] = ["xtask/src/tidy/text.rs", "LICENSE-APACHE"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_machine_is_found() {
        assert_eq!(check("a.md", "see\n\"/home/ann/x\"")[0].line, 2);
        assert_eq!(check("a.md", "cd /root/x").len(), 1);
    }

    #[test]
    fn a_path_below_another_is_fine() {
        assert_eq!(
            check("a.rs", "format!(\"/proc/{pid}/root/etc\"); ./work/x target/work/y"),
            []
        );
    }

    #[test]
    fn a_server_that_is_no_public_reference_is_found() {
        assert_eq!(
            check("a.md", "deb http://mirror.example.net/debian stable main").len(),
            1
        );
    }

    #[test]
    fn public_references_and_addresses_are_fine() {
        assert_eq!(
            check(
                "a.md",
                "https://docs.kernel.org/bpf/ (http://127.0.0.1:9000/) https://github.com/aya-rs"
            ),
            []
        );
    }
}
