//! Where the system gets its Debian packages from, as its own apt configuration says. It reads text, and fetches nothing.

use std::{fs, path::PathBuf};

/// A mirror of the archive, and one of the security archive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mirror {
    pub(super) main: String,
    pub(super) security: String,
}

impl Mirror {
    /// The mirror in use on this machine.
    pub(super) fn of_system() -> Option<Self> {
        let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
        let mut files = folder.map(|entry| entry.path()).collect::<Vec<_>>();
        files.push(PathBuf::from("/etc/apt/sources.list"));
        files.sort();
        let mut sources = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file).unwrap_or_default();
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("sources") => sources.extend(stanzas(&text)),
                Some("list") => sources.extend(lines(&text)),
                _ => {}
            }
        }
        Self::of(&sources)
    }

    fn of(sources: &[Source]) -> Option<Self> {
        let debian = sources
            .iter()
            .filter(|source| source.suites.iter().any(|suite| is_debian(suite)));
        let (security, main) =
            debian.partition::<Vec<_>, _>(|source| source.suites.iter().any(|suite| is_security(suite)));
        let main = main.first()?.address.trim_end_matches('/').to_owned();
        let security = security
            .first()
            .map(|source| source.address.trim_end_matches('/').to_owned());
        Some(Self {
            security: security.unwrap_or_else(|| format!("{main}-security")),
            main,
        })
    }

    /// apt's line for a suite, with the archive's own keys.
    pub(super) fn line(&self, suite: &str) -> String {
        let address = if suite.ends_with("-security") {
            &self.security
        } else {
            &self.main
        };
        format!("deb [signed-by={KEYS}] {address} {suite} main\n")
    }
}

#[derive(Debug, Eq, PartialEq)]
struct Source {
    address: String,
    suites: Vec<String>,
}

/// Of a file in the format of deb822.
fn stanzas(text: &str) -> Vec<Source> {
    let stanza = |stanza: &str| {
        let field = |name: &str| {
            let mut lines = stanza.lines().filter(|line| !line.starts_with('#'));
            lines.find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)))
        };
        let words = |name| field(name).map_or(Vec::new(), |(_, value)| value.split_whitespace().collect());
        let is_on = !words("Enabled").contains(&"no") && words("Types").contains(&"deb");
        is_on.then_some(())?;
        Some(Source {
            address: (*words("URIs").first()?).to_owned(),
            suites: words("Suites").into_iter().map(str::to_owned).collect(),
        })
    };
    text.split("\n\n").filter_map(stanza).collect()
}

/// Of a file with one source a line.
fn lines(text: &str) -> Vec<Source> {
    let line = |line: &str| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace().map(str::to_owned);
        Some(Source {
            address: words.next()?,
            suites: words.take(1).collect(),
        })
    };
    text.lines().filter_map(line).collect()
}

fn is_debian(suite: &str) -> bool {
    let base = suite.split('-').next().unwrap_or_default();
    DEBIAN.contains(&base)
}

fn is_security(suite: &str) -> bool {
    suite.ends_with("-security")
}

/// The archive's keys, as Debian installs them.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Names of suites, so that another vendor's source is not taken for the archive.
const DEBIAN: [&str; 11] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

#[cfg(test)]
mod tests {
    use super::*;

    const STANZAS: &str = "\
Types: deb
URIs: file:/vendor/node
Suites: nodistro

Types: deb
# a comment: with a colon
URIs: file:/mirror/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: file:/mirror/debian-security
Suites: bookworm-security
";

    #[test]
    fn the_mirror_is_read_from_stanzas_and_a_vendors_source_is_not_it() {
        let mirror = Mirror::of(&stanzas(STANZAS)).unwrap();
        assert_eq!(mirror.main, "file:/mirror/debian");
        assert_eq!(mirror.security, "file:/mirror/debian-security");
        assert!(
            mirror
                .line("bullseye-security")
                .contains("/debian-security bullseye-security main")
        );
        assert!(mirror.line("sid").contains("mirror/debian sid main"));
    }

    #[test]
    fn the_mirror_is_read_from_lines_and_security_stands_beside_it() {
        let text = "# deb file:/old/debian sid main\ndeb [arch=amd64 trusted=no] file:/m/debian trixie main\n";
        let mirror = Mirror::of(&lines(text)).unwrap();
        assert_eq!(mirror.main, "file:/m/debian");
        assert_eq!(mirror.security, "file:/m/debian-security");
    }

    #[test]
    fn a_stanza_that_is_off_or_of_sources_only_is_no_mirror() {
        let off = STANZAS.replace("Types: deb\n", "Types: deb\nEnabled: no\n");
        assert_eq!(Mirror::of(&stanzas(&off)), None);
        assert_eq!(
            Mirror::of(&stanzas(&STANZAS.replace("Types: deb\n", "Types: deb-src\n"))),
            None
        );
    }
}
