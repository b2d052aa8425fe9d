//! Rule sets as people write them, for each of the three back ends.
//!
//! They are applied by the programs themselves: a lab must contain what those leave in a real kernel.

use crate::lab::options::{Backend, Family};

/// The same rules twice. `{lo}`, `{lo6}` (Istio's 127.0.0.6 or ::6), `{icmp}`, `{ip}`, `{peer}` and `{other}` (the
/// peer's two addresses, the second as it stands before a port) depend on the family.
pub(super) struct Rules {
    /// Arguments of iptables or ip6tables, a line each.
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
        format!("{} {}", self.program, self.arguments.join(" "))
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
    let arguments = wait
        .into_iter()
        .chain(words.split_whitespace().map(str::to_owned))
        .collect();
    Invocation {
        program,
        arguments,
        input: String::new(),
    }
}

fn fill_in(text: &str, family: Family) -> String {
    let (lo, lo6, icmp, ip) = match family {
        Family::Ipv4 => ("127.0.0.1", "127.0.0.6", "icmp-port-unreachable", "ip"),
        Family::Ipv6 => ("::1", "::6", "icmp6-port-unreachable", "ip6"),
    };
    let (peer, other) = match family {
        Family::Ipv4 => ("10.77.0.3", "10.77.0.4"),
        Family::Ipv6 => ("fd77::3", "[fd77::4]"),
    };
    text.replace("{lo}", lo)
        .replace("{peer}", peer)
        .replace("{other}", other)
        .replace("{lo6}", lo6)
        .replace("{icmp}", icmp)
        .replace("{ip}", ip)
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
