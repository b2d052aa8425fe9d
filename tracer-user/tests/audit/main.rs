//! `conntracer audit` on the real kernel, with rules of all back ends. Needs root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../schema/mod.rs"]
mod schema;
mod space;

use space::Space;

/// The tools of xtables: program, back end as JSON tells it, and the address of a listener of the family.
const TOOLS: [(&str, &str, &str); 4] = [
    ("iptables-legacy", "iptables-legacy", "10.77.0.2"),
    ("ip6tables-legacy", "iptables-legacy", "[fd77::2]"),
    ("iptables-nft", "iptables-nft", "10.77.0.2"),
    ("ip6tables-nft", "iptables-nft", "[fd77::2]"),
];

#[test]
fn a_redirect_to_a_port_where_nobody_listens_is_dead_until_somebody_does() {
    for (tool, backend, _) in TOOLS {
        let space = Space::new();
        let rule = "-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 37673";
        space.rules(tool, "nat", &[rule]);
        let finding = space.only("dead-redirect");
        assert_eq!(finding["severity"], "warning", "{finding:#}");
        let culprit = &finding["culprits"][0];
        assert_eq!(culprit["backend"], backend);
        assert_eq!(culprit["role"], "translates");
        assert!(
            culprit["text"].as_str().unwrap().contains("--to-ports 37673"),
            "{culprit}"
        );
        assert!(finding.get("connection").is_none());
        // An IPv6 socket serves IPv4, too.
        let _proxy = space.listen("[::]:37673");
        assert_eq!(space.causes(), [""; 0], "{tool}");
    }
}

#[test]
fn a_dead_native_redirect_of_a_port_that_is_served_is_an_error() {
    let space = Space::new();
    space.nft(
        "table inet x { chain pre { type nat hook prerouting priority -100; tcp dport 80 redirect to :15006; }; }",
    );
    let _application = space.listen("[::]:80");
    let (findings, code) = space.audit(&["--fail-on", "error"]);
    assert_eq!(code, 1);
    assert_eq!(findings[0]["cause"], "dead-redirect", "{findings:#?}");
    assert_eq!(findings[0]["severity"], "error");
    assert_eq!(findings[0]["culprits"][0]["backend"], "nft");
}

#[test]
fn a_chain_of_mirrord_is_left_over_when_no_agent_is_alive_and_its_fix_removes_it() {
    for (tool, _, _) in TOOLS {
        let space = Space::new();
        space.rules(
            tool,
            "nat",
            &[
                "-N MIRRORD_INPUT_RkDdj",
                "-A MIRRORD_INPUT_RkDdj -p tcp --dport 80 -j REDIRECT --to-ports 37673",
                "-A PREROUTING -j MIRRORD_INPUT_RkDdj",
            ],
        );
        // Nobody is seen there: an agent may be hidden.
        let finding = space.only("leftover-chain");
        assert_eq!(finding["confidence"], "possible", "{finding:#}");
        assert!(
            finding["fixes"]
                .as_array()
                .unwrap()
                .iter()
                .all(|fix| fix.get("command").is_none()),
            "{finding:#}"
        );
        let _somebody = space.program();
        let finding = space.only("leftover-chain");
        let commands = finding["fixes"].as_array().unwrap().iter();
        for command in commands.filter_map(|fix| fix["command"].as_str()) {
            space::run("sh", &["-c", command], "");
        }
        assert_eq!(space.causes(), [""; 0], "{tool}");
    }
}

#[test]
fn chains_of_an_agent_that_takes_their_connections_are_in_use() {
    let space = Space::new();
    let _agent = space.listen("0.0.0.0:37673");
    space.rules(
        "iptables-legacy",
        "nat",
        &[
            "-N MIRRORD_INPUT_RkDdj",
            "-A MIRRORD_INPUT_RkDdj -p tcp --dport 80 -j REDIRECT --to-ports 37673",
            "-A PREROUTING -j MIRRORD_INPUT_RkDdj",
        ],
    );
    assert_eq!(space.causes(), [""; 0]);
}

#[test]
fn the_same_jump_twice_is_information() {
    for (tool, _, _) in TOOLS {
        let space = Space::new();
        let jump = "-A OUTPUT -p tcp -j ISTIO_OUTPUT";
        space.rules(tool, "nat", &["-N ISTIO_OUTPUT", jump, jump]);
        let (findings, code) = space.audit(&[]);
        assert_eq!(findings.len(), 1, "{tool}: {findings:#?}");
        assert_eq!(
            (&findings[0]["cause"], &findings[0]["severity"]),
            (&"duplicate-jump".into(), &"info".into())
        );
        let indices: Vec<_> = (0..2).map(|at| findings[0]["culprits"][at]["index"].clone()).collect();
        assert_eq!(indices, [1, 2]);
        assert_eq!(code, 0);
        assert_eq!(space.audit(&["--fail-on", "info"]).1, 1);
        let fix = findings[0]["fixes"][0]["command"].as_str().unwrap().to_owned();
        assert!(fix.ends_with("-D OUTPUT 2"), "{fix}");
        space::run("sh", &["-c", &fix], "");
        assert_eq!(space.causes(), [""; 0], "{tool}");
    }
}

#[test]
fn marks_overlap_once_masks_are_applied_and_exact_ones_do_not() {
    for (tool, _, _) in TOOLS {
        let set = [
            "-N SETTER",
            "-A OUTPUT -j SETTER",
            "-A SETTER -j CONNMARK --set-mark 0x111",
        ];
        let drop = |mark: &str| format!("-A MIRRORD_INPUT_RkDdj -m connmark --mark {mark} -j DROP");
        for (mark, overlaps) in [("0x1/0x1", true), ("0x1", false)] {
            let space = Space::new();
            space.rules(tool, "mangle", &set);
            let _agent = space.listen("[::]:37673");
            space.rules(tool, "filter", &["-N MIRRORD_INPUT_RkDdj", &drop(mark)]);
            let causes = space.causes();
            let found = causes.iter().any(|cause| cause == "mark-overlap");
            assert_eq!(found, overlaps, "{tool} {mark}: {causes:?}");
        }
    }
}

#[test]
fn legacy_and_nft_rules_that_translate_at_one_hook_are_a_warning() {
    let space = Space::new();
    let _one = space.listen("0.0.0.0:1111");
    let _two = space.listen("0.0.0.0:2222");
    space.rules(
        "iptables-legacy",
        "nat",
        &["-A PREROUTING -p tcp --dport 81 -j REDIRECT --to-ports 1111"],
    );
    assert_eq!(space.causes(), [""; 0]);
    space.rules(
        "iptables-nft",
        "nat",
        &["-A PREROUTING -p tcp --dport 82 -j REDIRECT --to-ports 2222"],
    );
    let finding = space.only("mixed-backends");
    assert_eq!(finding["severity"], "warning");
    let backends: Vec<_> = (0..2).map(|at| finding["culprits"][at]["backend"].clone()).collect();
    assert_eq!(backends, ["iptables-legacy", "iptables-nft"]);
}

#[test]
fn a_port_that_is_redirected_in_one_family_and_served_in_both_is_a_gap() {
    for (tool, _, proxy) in TOOLS {
        let space = Space::new();
        let _application = space.listen("[::]:80");
        let _proxy = space.listen(&format!("{proxy}:37673"));
        let redirect = "-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 37673";
        space.rules(tool, "nat", &[redirect]);
        let finding = space.only("address-family-gap");
        assert_eq!(finding["severity"], "warning", "{tool}: {finding:#}");
    }
}

#[test]
fn a_redirect_behind_a_return_of_all_its_packets_is_bypassed() {
    for (tool, _, _) in TOOLS {
        let space = Space::new();
        let _agent = space.listen("[::]:37673");
        let skip = "-A PREROUTING -p tcp -m multiport ! --dports 15008 -j RETURN";
        space.rules(
            tool,
            "nat",
            &[skip, "-A PREROUTING -p tcp --dport 9000 -j REDIRECT --to-ports 37673"],
        );
        let finding = space.only("bypassed-redirect");
        assert_eq!(finding["severity"], "warning", "{finding:#}");
        assert_eq!(finding["culprits"][0]["index"], 1);
        assert_eq!(finding["culprits"][1]["index"], 2);
    }
}

#[test]
fn a_redirect_behind_an_exemption_for_others_is_in_use() {
    for (tool, _, _) in TOOLS {
        let space = Space::new();
        let _agent = space.listen("[::]:37673");
        let redirect = "-A PREROUTING -p tcp --dport 9000 -j REDIRECT --to-ports 37673";
        let others = "-A PREROUTING -m mark ! --mark 0x10/0x10 -j RETURN";
        space.rules(tool, "nat", &[others, redirect]);
        assert_eq!(space.causes(), [""; 0], "{tool}");
    }
}

#[test]
fn a_dead_native_tproxy_is_no_error_because_packets_go_past_it() {
    let space = Space::new();
    space.nft(
        "table inet x { chain pre { type filter hook prerouting priority -150; \
         meta l4proto tcp tcp dport 80 tproxy ip to :5555 meta mark set 1 accept; }; }",
    );
    let _application = space.listen("0.0.0.0:80");
    let finding = space.only("dead-redirect");
    assert_eq!(finding["severity"], "warning", "{finding:#}");
}

#[test]
fn one_dead_element_of_a_native_map_is_told() {
    let space = Space::new();
    space.nft(
        "table ip x { chain pre { type nat hook prerouting priority -100; \
         ip protocol tcp redirect to tcp dport map { 81 : 8081, 82 : 8082 }; }; }",
    );
    let _served = space.listen("0.0.0.0:8081");
    let finding = space.only("dead-redirect");
    assert!(
        finding["summary"].as_str().unwrap().contains("port 8082"),
        "{finding:#}"
    );
}

#[test]
fn a_policy_of_legacy_that_drops_meets_what_nft_accepts() {
    let space = Space::new();
    space.run("iptables-legacy -P INPUT DROP", "");
    space.rules("iptables-nft", "filter", &["-A INPUT -p tcp --dport 80 -j ACCEPT"]);
    let finding = space.only("mixed-backends");
    assert_eq!(finding["culprits"][0]["backend"], "iptables-legacy", "{finding:#}");
}

#[test]
fn a_healthy_mesh_is_silent() {
    for (tool, _, _) in TOOLS {
        let space = Space::new();
        let _envoy = [space.listen("[::]:15001"), space.listen("[::]:15006")];
        space.rules(
            tool,
            "nat",
            &[
                "-N ISTIO_REDIRECT",
                "-N ISTIO_IN_REDIRECT",
                "-N ISTIO_INBOUND",
                "-N ISTIO_OUTPUT",
                "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
                "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
                "-A PREROUTING -p tcp -j ISTIO_INBOUND",
                "-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN",
                "-A ISTIO_INBOUND -p tcp --dport 22 -j RETURN",
                "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
                "-A OUTPUT -p tcp -j ISTIO_OUTPUT",
                "-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN",
                "-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN",
                "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
            ],
        );
        assert_eq!(space.causes(), [""; 0], "{tool}");
    }
}

#[test]
fn an_entry_outlives_its_rule_and_its_proxy_and_a_live_flow_is_left_alone() {
    let space = Space::new();
    // Something that keeps conntrack at work.
    space.rules(
        "iptables-nft",
        "filter",
        &["-A INPUT -p udp -m conntrack --ctstate INVALID -j DROP"],
    );
    let redirect = "OUTPUT -p tcp -d 10.77.0.2 --dport 80 -j REDIRECT --to-ports 37673";
    space.rules("iptables-nft", "nat", &[&format!("-A {redirect}")]);
    let proxy = space.listen("127.0.0.1:37673");
    let client = space.connect("10.77.0.2:80");
    let accepted = proxy.accept().unwrap().0;
    drop(proxy);
    space.rules("iptables-nft", "nat", &[&format!("-D {redirect}")]);
    // The flow goes on.
    assert_eq!(space.causes(), [""; 0]);
    // Both ends vanish without a word to conntrack.
    space.nft("table inet raw { chain o { type filter hook output priority -400; tcp flags rst drop; }; }");
    for socket in [&client, &accepted] {
        rustix::net::sockopt::set_socket_linger(socket, Some(std::time::Duration::ZERO)).unwrap();
    }
    drop((client, accepted));
    let finding = space.only("stale-entries");
    assert_eq!(finding["severity"], "warning", "{finding:#}");
    assert_eq!(finding["culprits"][0]["kind"], "conntrack-entry");
}

#[test]
fn an_unknown_namespace_is_an_error_of_its_own() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_conntracer"))
        .args(["audit", "--netns", "no-such-namespace"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-namespace"));
}
