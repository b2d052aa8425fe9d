//! Which rules each scenario's finding must name, and no others.

use serde_json::Value;
use tracer_user::lab::{Backend, Family};

/// A rule in the words of both sorts of tools.
struct Rule {
    role: &'static str,
    /// Namespace, table and chain.
    place: [&'static str; 3],
    iptables: &'static str,
    nft: &'static str,
    owner: Option<&'static str>,
}

const fn rule(role: &'static str, place: [&'static str; 3], iptables: &'static str, nft: &'static str) -> Rule {
    Rule {
        role,
        place,
        iptables,
        nft,
        owner: None,
    }
}

const REDIRECT: Rule = rule(
    "translates",
    ["pod", "nat", "OUTPUT"],
    "-A OUTPUT -p tcp -m tcp --dport 9000 -j REDIRECT --to-ports 37673",
    "tcp dport 9000 redirect to :37673",
);
const REDIRECT_TO_PROXY: Rule = rule(
    "translates",
    ["pod", "nat", "OUTPUT"],
    "-A OUTPUT -p tcp -m tcp --dport 9000 -j REDIRECT --to-ports 15001",
    "tcp dport 9000 redirect to :15001",
);
const BLOCK: Rule = rule(
    "drops",
    ["pod", "filter", "INPUT"],
    "-A INPUT -p tcp -m tcp --dport 37673 -j DROP",
    "tcp dport 37673 drop",
);
const DROP: Rule = rule(
    "drops",
    ["pod", "filter", "OUTPUT"],
    "-A OUTPUT -p tcp -m tcp --dport 9000 -j DROP",
    "tcp dport 9000 drop",
);
const DROP_FORWARD: Rule = rule(
    "drops",
    ["router", "filter", "FORWARD"],
    "-A FORWARD -p tcp -m tcp --dport 9000 -j DROP",
    "tcp dport 9000 drop",
);
const DROP_TWIN: Rule = rule(
    "drops",
    ["router", "filter", "FORWARD"],
    "-A FORWARD -i to-pod -p tcp -m tcp --dport 9000 -j DROP",
    "iifname \"to-pod\" tcp dport 9000 drop",
);
const REJECT: Rule = rule(
    "rejects",
    ["pod", "filter", "OUTPUT"],
    "-A OUTPUT -p tcp -m tcp --dport 9000 -j REJECT --reject-with tcp-reset",
    "tcp dport 9000 reject with tcp reset",
);
const REJECT_ICMP: Rule = rule(
    "rejects",
    ["pod", "filter", "OUTPUT"],
    "-A OUTPUT -p tcp -m tcp --dport 9000 -j REJECT --reject-with {icmp}",
    "tcp dport 9000 reject",
);
const REJECT_FORWARD: Rule = rule(
    "rejects",
    ["router", "filter", "FORWARD"],
    "-A FORWARD -p tcp -m tcp --dport 9000 -j REJECT --reject-with tcp-reset",
    "tcp dport 9000 reject with tcp reset",
);
const REJECT_MARKED: Rule = rule(
    "rejects",
    ["pod", "filter", "INPUT"],
    "-A INPUT -p tcp -m connmark --mark 0x1 -j REJECT --reject-with tcp-reset",
    "meta l4proto tcp ct mark 0x00000001 reject with tcp reset",
);
const MARK: Rule = rule(
    "sets-mark",
    ["pod", "mangle", "OUTPUT"],
    "-A OUTPUT -p tcp -m tcp --dport 9000 -j CONNMARK --set-xmark 0x1/0xffffffff",
    "tcp dport 9000 ct mark set 0x00000001",
);
const MIRRORD: Rule = Rule {
    owner: Some("mirrord"),
    ..rule(
        "rejects",
        ["pod", "filter", "MIRRORD_INPUT_RkDdj"],
        "-A MIRRORD_INPUT_RkDdj -p tcp -m connmark --mark 0x1 -j REJECT --reject-with tcp-reset",
        "meta l4proto tcp ct mark 0x00000001 counter packets 0 bytes 0 reject with tcp reset",
    )
};

const UNSERVED: Rule = Rule {
    owner: Some("kube-proxy"),
    ..rule(
        "rejects",
        ["pod", "filter", "KUBE-SERVICES"],
        "-A KUBE-SERVICES -d {near} -p tcp -m comment --comment \"default/web:http has no endpoints\" -m tcp --dport 9000 \
         -j REJECT --reject-with {icmp}",
        "reject",
    )
};
const UNSERVED_FORWARD: Rule = Rule {
    owner: Some("kube-proxy"),
    ..rule(
        "rejects",
        ["router", "filter", "KUBE-SERVICES"],
        "-A KUBE-SERVICES -d {far} -p tcp -m comment --comment \"default/web:http has no endpoints\" -m tcp --dport 9000 \
         -j REJECT --reject-with {icmp}",
        "reject",
    )
};
const UNSERVED_LOCAL: Rule = Rule {
    owner: Some("kube-proxy"),
    ..rule(
        "drops",
        ["pod", "filter", "KUBE-SERVICES"],
        "-A KUBE-SERVICES -d {near} -p tcp -m comment --comment \"default/web:http has no local endpoints\" -m tcp \
         --dport 9000 -j DROP",
        "{ip} daddr . meta l4proto . th dport vmap @no-endpoint-services",
    )
};
const TO_LOOPBACK: Rule = rule(
    "translates",
    ["peer", "nat", "PREROUTING"],
    "-A PREROUTING -p tcp -m tcp --dport 9000 -j DNAT --to-destination 127.0.0.1:37673",
    "tcp dport 9000 dnat ip to 127.0.0.1:37673",
);
const TO_NOBODY: Rule = rule(
    "translates",
    ["pod", "nat", "OUTPUT"],
    "-A OUTPUT -p tcp -m tcp --dport 9000 -j DNAT --to-destination {nobody}:9000",
    "tcp dport 9000 dnat {ip} to {nobody}:9000",
);
const PUBLISHED: Rule = Rule {
    owner: Some("docker"),
    ..rule(
        "translates",
        ["peer", "nat", "DOCKER"],
        "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 9000 -j DNAT --to-destination 172.17.0.2:80",
        "",
    )
};
const OVERWRITE_MARK: Rule = rule(
    "sets-packet-mark",
    ["pod", "mangle", "PREROUTING"],
    "-A PREROUTING -p tcp -m tcp --sport 9000 -j MARK --set-xmark 0x1/0xffffffff",
    "tcp sport 9000 meta mark set 0x00000001",
);
const DROP_RAW: Rule = rule(
    "drops",
    ["pod", "raw", "OUTPUT"],
    "-A OUTPUT -p tcp -m tcp --dport 9000 -j DROP",
    "tcp dport 9000 drop",
);

const DROP_RESETS: Rule = rule(
    "drops",
    ["pod", "filter", "OUTPUT"],
    "-A OUTPUT -p tcp -m tcp --tcp-flags RST RST -j DROP",
    "tcp flags & rst == rst drop",
);

fn rules(scenario: &str) -> &'static [Rule] {
    match scenario {
        "reply-rejected" => &[REJECT_MARKED, MARK],
        "reply-rejected-pooled" => &[MIRRORD],
        "redirect-to-dead-port" | "redirect-target-stalled" | "redirect-target-stalled-full" => &[REDIRECT],
        "redirect-target-blocked" => &[BLOCK, REDIRECT],
        "redirect-fan-in" => &[DROP_RESETS],
        "syn-dropped" => &[DROP],
        "syn-dropped-forward" => &[DROP_FORWARD],
        "syn-dropped-twins" => &[DROP_TWIN],
        "rejected-by-rule" => &[REJECT],
        "rejected-by-rule-icmp" => &[REJECT_ICMP],
        "rejected-by-rule-forward" => &[REJECT_FORWARD],
        "redirect-loop" => &[REDIRECT_TO_PROXY],
        "no-endpoints" => &[UNSERVED],
        "no-endpoints-forward" => &[UNSERVED_FORWARD],
        "no-endpoints-local" => &[UNSERVED_LOCAL],
        "syn-dropped-full-table" => &[DROP_RAW],
        "martian-redirect" => &[TO_LOOPBACK],
        "reverse-path-filtered-mark" => &[OVERWRITE_MARK],
        "unreachable-target" => &[TO_NOBODY],
        "unreachable-target-docker" => &[PUBLISHED],
        _ => &[],
    }
}

/// The rules that the scenario's finding must name: role, namespace, back end, family, table, chain, text and owner.
pub(crate) fn expected(scenario: &str, backend: Backend, family: Family) -> Vec<[String; 8]> {
    let one = |rule: &Rule| {
        let [netns, table, chain] = rule.place;
        let nft = backend == Backend::Nft;
        let ip = match family {
            Family::Ipv4 => "ip",
            Family::Ipv6 => "ip6",
        };
        let icmp = match family {
            Family::Ipv4 => "icmp-port-unreachable",
            Family::Ipv6 => "icmp6-port-unreachable",
        };
        let (near, far) = match family {
            Family::Ipv4 => ("10.77.0.3/32", "10.78.0.3/32"),
            Family::Ipv6 => ("fd77::3/128", "fd78::3/128"),
        };
        let nobody = match family {
            Family::Ipv4 => "10.77.0.9",
            Family::Ipv6 => "[fd77::9]",
        };
        let text = if nft { rule.nft } else { rule.iptables };
        let (own_table, hook) = match (nft, chain) {
            (true, "MIRRORD_INPUT_RkDdj") => ("mirrord", chain.to_owned()),
            (true, "KUBE-SERVICES") if rule.role == "rejects" => ("kube-proxy", "reject-chain".to_owned()),
            (true, "KUBE-SERVICES") => ("kube-proxy", "service-endpoints-check".to_owned()),
            (true, _) => (table, chain.to_lowercase()),
            (false, _) => (table, chain.to_owned()),
        };
        [
            rule.role.to_owned(),
            netns.to_owned(),
            backend.name().to_owned(),
            if nft && own_table != "kube-proxy" { "inet" } else { ip }.to_owned(),
            own_table.to_owned(),
            hook,
            text.replace("{icmp}", icmp)
                .replace("{ip}", ip)
                .replace("{near}", near)
                .replace("{far}", far)
                .replace("{nobody}", nobody),
            rule.owner.unwrap_or_default().to_owned(),
        ]
    };
    let mut all: Vec<_> = rules(scenario).iter().map(one).collect();
    all.sort();
    all
}

/// The rules that a finding names.
pub(crate) fn named(finding: &Value, netns: impl Fn(&Value) -> String) -> Vec<[String; 8]> {
    let culprits = finding["culprits"].as_array().into_iter().flatten();
    let rules = culprits.filter(|culprit| culprit["kind"] == "rule");
    let one = |rule: &Value| {
        let text = |field: &str| rule[field].as_str().unwrap_or_default().to_owned();
        [
            text("role"),
            netns(&rule["netns"]["inode"]),
            text("backend"),
            text("family"),
            text("table"),
            text("chain"),
            without_counter(&text("text")),
            text("owner"),
        ]
    };
    let mut all: Vec<_> = rules.map(one).collect();
    all.sort();
    all
}

/// What a rule counted until it was read depends on the moment.
fn without_counter(text: &str) -> String {
    let mut words = text.split(' ').collect::<Vec<_>>();
    for at in 0..words.len() {
        if matches!(words.get(at), Some(&("packets" | "bytes")))
            && let Some(number) = words.get_mut(at + 1)
        {
            *number = "0";
        }
    }
    words.join(" ")
}
