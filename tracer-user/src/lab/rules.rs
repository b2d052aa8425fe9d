//! Rule sets as people write them, for each of the three back ends.
//!
//! They are applied by the programs themselves: a lab must contain what those leave in a real kernel.

use crate::lab::address::{self, Link, PEER};
use crate::lab::options::{Backend, Family};

/// The same rules twice. `{peer-in-name}` (of a chain), `{lo}`, `{lo6}` (Istio's 127.0.0.6 or ::6), `{peer}`, `{at-peer}` (as a port is put behind it),
/// `{vip}` (a service's address), `{mask}` (of one address), `{icmp}`, `{ip}` and
/// `{ip-type}` (nft's of an address), and the peer's addresses, `{near}`, `{other}` (its second, as it stands before a port), `{nobody}` (that nobody has), `{sport}` (of a connection from a known port) and behind a router `{far}`, depend on the family.
pub(super) struct Rules {
    /// Arguments of iptables or ip6tables, a line each; one in double quotes may have spaces.
    pub iptables: &'static [&'static str],
    /// Input of `nft -f -`.
    pub nft: &'static str,
}

/// A program to run, with its input.
pub(super) struct Invocation {
    pub program: &'static str,
    pub arguments: Vec<String>,
    pub input: String,
}

impl Rules {
    pub(super) fn invocations(&self, backend: Backend, family: Family) -> Vec<Invocation> {
        match backend {
            Backend::Nft => vec![Invocation {
                program: "nft",
                arguments: vec!["-f".to_owned(), "-".to_owned()],
                input: fill_in(self.nft, family),
            }],
            Backend::IptablesNft | Backend::IptablesLegacy => self
                .iptables
                .iter()
                .map(|line| iptables(line, backend, family))
                .collect(),
        }
    }
}

impl Invocation {
    /// For people.
    pub(super) fn text(&self) -> String {
        let word = |argument: &String| {
            if argument.contains(' ') {
                format!("\"{argument}\"")
            } else {
                argument.clone()
            }
        };
        let words: Vec<_> = self.arguments.iter().map(word).collect();
        format!("{} {}", self.program, words.join(" "))
    }
}

fn iptables(line: &str, backend: Backend, family: Family) -> Invocation {
    let program = match (backend, family) {
        (Backend::IptablesLegacy, Family::Ipv4) => "iptables-legacy",
        (Backend::IptablesLegacy, Family::Ipv6) => "ip6tables-legacy",
        (_, Family::Ipv4) => "iptables-nft",
        (_, Family::Ipv6) => "ip6tables-nft",
    };
    // The legacy programs share one lock file, across namespaces.
    let wait = ["-w".to_owned(), "20".to_owned()];
    let words = fill_in(line, family);
    let arguments = wait.into_iter().chain(split(&words)).collect();
    Invocation {
        program,
        arguments,
        input: String::new(),
    }
}

/// What stands between the first and the second quote, the third and the fourth is one word.
fn split(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    let words = parts.flat_map(|(part, text)| match part % 2 {
        0 => text.split_whitespace().map(str::to_owned).collect(),
        _ => vec![text.to_owned()],
    });
    words.collect()
}

fn fill_in(text: &str, family: Family) -> String {
    let (lo, lo6, icmp, ip, ip_type, mask) = match family {
        Family::Ipv4 => (
            "127.0.0.1",
            "127.0.0.6",
            "icmp-port-unreachable",
            "ip",
            "ipv4_addr",
            "32",
        ),
        Family::Ipv6 => ("::1", "::6", "icmp6-port-unreachable", "ip6", "ipv6_addr", "128"),
    };
    let (nobody, other) = match family {
        Family::Ipv4 => ("10.77.0.9", "10.77.0.4"),
        Family::Ipv6 => ("[fd77::9]", "[fd77::4]"),
    };
    let peer = address::address(family, Link::Near, PEER).to_string();
    let far = address::address(family, Link::Far, PEER).to_string();
    let at_peer = match family {
        Family::Ipv4 => peer.clone(),
        Family::Ipv6 => format!("[{peer}]"),
    };
    let in_name = peer.replace(':', ".");
    let sport = address::own_port().to_string();
    let vip = address::service(family).to_string();
    let words = [
        ("{lo}", lo),
        ("{lo6}", lo6),
        ("{icmp}", icmp),
        ("{ip}", ip),
        ("{ip-type}", ip_type),
        ("{mask}", mask),
        ("{peer}", &peer),
        ("{peer-in-name}", &in_name),
        ("{at-peer}", &at_peer),
        ("{vip}", &vip),
        ("{type}", ip_type),
        ("{near}", &peer),
        ("{far}", &far),
        ("{nobody}", nobody),
        ("{sport}", &sport),
        ("{other}", other),
    ];
    words
        .iter()
        .fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
}

/// nft's text for a table with one base chain of one rule: table, chain type, hook, priority, rule.
macro_rules! nft_rule {
    ($table:literal, $kind:literal, $hook:literal, $priority:literal, $rule:literal) => {
        concat!(
            "table inet ",
            $table,
            " {\n chain ",
            $hook,
            " {\n  type ",
            $kind,
            " hook ",
            $hook,
            " priority ",
            $priority,
            ";\n  ",
            $rule,
            "\n }\n}"
        )
    };
}
pub(super) use nft_rule;

/// What keeps connection tracking alive where no other rule needs it.
pub(super) const KEEP_TRACKING: Rules = Rules {
    iptables: &["-A INPUT -p udp -m conntrack --ctstate INVALID -j DROP"],
    nft: nft_rule!(
        "keep",
        "filter",
        "input",
        "filter",
        "meta l4proto udp ct state invalid drop"
    ),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_keeps_its_spaces() {
        assert_eq!(split(r#"--comment "a b" -j x"#), ["--comment", "a b", "-j", "x"]);
    }

    #[test]
    fn the_family_chooses_the_program_and_the_words() {
        let rules = Rules {
            iptables: &["-A OUTPUT -d {lo} -j REJECT --reject-with {icmp}"],
            nft: "",
        };
        let made = rules.invocations(Backend::IptablesLegacy, Family::Ipv6);
        assert_eq!(
            made[0].text(),
            "ip6tables-legacy -w 20 -A OUTPUT -d ::1 -j REJECT --reject-with icmp6-port-unreachable"
        );
    }
}
