//! What real rule makers leave in a namespace, as all back ends hold it.

use super::{Space, Value, ports, space};
use std::fs;

fn load(tool: &str, file: &str) -> Space {
    let path = format!("{}/tests/rules/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let rules = fs::read_to_string(&path).expect("a file of rules");
    let space = Space::new();
    space.run(tool, &rules);
    space
}

/// `class hook protocol ports -> target (owner)`, sorted, each once.
fn told(rows: &[Value]) -> Vec<String> {
    let mut told: Vec<_> = rows.iter().map(line).collect();
    told.sort();
    told.dedup();
    told
}

fn line(row: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let ports = row["original"]["ports"].as_array().cloned().unwrap_or_default();
    let ports: Vec<_> = ports
        .iter()
        .map(|range| match (&range["first"], &range["last"]) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        })
        .collect();
    let ports = if ports.is_empty() {
        "all".to_owned()
    } else {
        ports.join(",")
    };
    let address = row["target"]["address"].as_str().unwrap_or("");
    format!(
        "{} {} {} {ports} -> {address}:{} ({})",
        text(&row["class"]),
        text(&row["hook"]),
        text(&row["protocol"]),
        row["target"]["port"],
        text(&row["owner"]),
    )
}

const BOTH: [&str; 2] = ["iptables-nft-restore", "iptables-legacy-restore"];

#[test]
fn an_istio_sidecar_is_found_in_every_back_end() {
    let _alone = space::alone();
    let file = "istio-iptables_capture_inbound-ports-wildcard.nft.v4.save";
    let native = "istio-nftables_capture_inbound-ports-wildcard.nft.txt";
    for (tool, file) in BOTH.map(|tool| (tool, file)).into_iter().chain([("nft -f -", native)]) {
        let found = ports(&load(tool, file), &[]);
        assert_eq!(
            told(&found),
            [
                "stolen output tcp 0-15007,15009-65535 -> :15006 (istio)",
                "stolen prerouting tcp 0-15007,15009-65535 -> :15006 (istio)",
            ],
            "{tool}"
        );
    }
}

#[test]
fn istio_that_takes_everything_and_dns_is_found_in_both_families() {
    let _alone = space::alone();
    for (tool, family) in [
        ("iptables-nft-restore", "v4"),
        ("iptables-legacy-restore", "v4"),
        ("ip6tables-nft-restore", "v6"),
        ("ip6tables-legacy-restore", "v6"),
    ] {
        let space = load(tool, &format!("istio-iptables_capture_dns-uid-gid.nft.{family}.save"));
        let found = ports(&space, &[]);
        assert!(!found.is_empty(), "{tool}");
        for row in &found {
            assert_eq!(
                (&row["owner"], &row["class"]),
                (&"istio".into(), &"stolen".into()),
                "{tool}: {row}"
            );
            let expected = if family == "v4" { "ip" } else { "ip6" };
            assert_eq!(row["family"], expected, "{tool}: {row}");
        }
        let but_dns = "stolen output tcp 0-52,54-15007,15009-65535 -> :15006 (istio)";
        assert!(
            told(&found).contains(&but_dns.to_owned()),
            "{tool}: {:#?}",
            told(&found)
        );
    }
}

#[test]
fn ambient_istio_is_found() {
    let _alone = space::alone();
    for tool in BOTH {
        let found = ports(&load(tool, "cni_iptables_default.nft.v4.save"), &[]);
        assert_eq!(
            told(&found),
            [
                "stolen output tcp 0-52,54-65535 -> :15001 (istio)",
                "stolen output tcp 53 -> :15053 (istio)",
                "stolen output udp 53 -> :15053 (istio)",
                "stolen prerouting tcp 0-15007,15009-65535 -> :15006 (istio)",
            ],
            "{tool}"
        );
    }
}

#[test]
fn docker_and_podman_publish_and_steal_nothing() {
    let _alone = space::alone();
    for (file, target, owner) in [
        ("docker-20.10-published.nft.save", "172.31.0.2:80", "docker"),
        ("netavark-1.4.nft.save", "10.90.0.2:80", "podman"),
    ] {
        for tool in BOTH {
            let space = load(tool, file);
            assert!(ports(&space, &[]).is_empty(), "{tool} {file}");
            let found = told(&ports(&space, &["--all"]));
            for hook in ["prerouting", "output"] {
                let published = format!("published {hook} tcp 9000 -> {target} ({owner})");
                assert!(found.contains(&published), "{tool}: {found:#?}");
            }
            let others: Vec<_> = found.iter().filter(|line| !line.starts_with("published")).collect();
            assert!(
                !others.is_empty() && others.iter().all(|line| line.starts_with("egress postrouting")),
                "{others:?}"
            );
        }
    }
}

#[test]
fn an_agent_beside_a_mesh_is_told_apart_from_it() {
    let _alone = space::alone();
    for tool in BOTH {
        let space = load(tool, "istio-iptables_capture_inbound-ports-wildcard.nft.v4.save");
        let chain = "MRDIN_0123456789abcdef0123";
        let rules = format!(
            "*nat\n:{chain} -\n-A {chain} -m tcp -p tcp --dport 9000 -j REDIRECT --to-ports 37673\n-A {chain} -j RETURN\n\
             -I PREROUTING 1 -j {chain}\nCOMMIT\n"
        );
        space.run(&format!("{tool} --noflush"), &rules);
        let found = told(&ports(&space, &[]));
        // What the agent takes first the mesh does not get.
        assert!(
            found.contains(&"stolen prerouting tcp 9000 -> :37673 (mirrord)".to_owned()),
            "{found:#?}"
        );
        let rest = "stolen prerouting tcp 0-8999,9001-15007,15009-65535 -> :15006 (istio)";
        assert!(found.contains(&rest.to_owned()), "{found:#?}");
    }
}

/// A service with two endpoints, one of them on this host.
const KUBE_PROXY: &str = "*nat
:KUBE-SERVICES -
:KUBE-SVC-A -
:KUBE-SEP-A -
:KUBE-SEP-B -
-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j KUBE-SVC-A
-A KUBE-SVC-A -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-A
-A KUBE-SVC-A -j KUBE-SEP-B
-A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 10.244.0.3:6443
-A KUBE-SEP-B -p tcp -m tcp -j DNAT --to-destination 10.77.0.2:6443
COMMIT
";

/// The same as kube-proxy's own nftables mode has it.
const KUBE_PROXY_NFT: &str = "table ip kube-proxy {
    map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
    chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
    chain nat-output { type nat hook output priority -100; jump services; }
    chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
    chain service-A { numgen random mod 2 vmap { 0 : goto endpoint-A, 1 : goto endpoint-B }; }
    chain endpoint-A { meta l4proto tcp dnat to 10.244.0.3:6443; }
    chain endpoint-B { meta l4proto tcp dnat to 10.77.0.2:6443; }
}
add element ip kube-proxy service-ips { 10.96.0.1 . tcp . 443 : goto service-A }
";

#[test]
fn services_are_no_stolen_ports_even_with_an_endpoint_on_this_host() {
    let ways = BOTH.map(|tool| (tool, KUBE_PROXY));
    for (tool, rules) in ways.into_iter().chain([("nft -f -", KUBE_PROXY_NFT)]) {
        let _alone = space::alone();
        let space = Space::new();
        space.run(tool, rules);
        assert!(ports(&space, &[]).is_empty(), "{tool}");
        let found = ports(&space, &["--all"]);
        let mut expected = Vec::new();
        for hook in ["output", "prerouting"] {
            for target in ["10.244.0.3:6443", "10.77.0.2:6443"] {
                expected.push(format!("service {hook} tcp 443 -> {target} (kube-proxy)"));
            }
        }
        assert_eq!(told(&found), expected, "{tool}");
        for row in &found {
            assert_eq!(row["original"]["addresses"], serde_json::json!(["10.96.0.1"]));
            // The endpoint on this host is judged, the other one cannot be.
            let local = row["target"]["local"] == true;
            assert_eq!(
                row["listening"],
                if local { false.into() } else { Value::Null },
                "{row}"
            );
        }
    }
}

#[test]
fn a_transparent_proxy_is_found_in_every_back_end() {
    let xt = "*mangle\n-A PREROUTING -m mark --mark 1337 -j RETURN\n\
              -A PREROUTING -p tcp --dport 80 -j TPROXY --on-port 15006 --tproxy-mark 1337\nCOMMIT\n";
    let nft = "table ip proxy { chain pre { type filter hook prerouting priority mangle; meta mark 1337 return; \
               tcp dport 80 tproxy to :15006 meta mark set 1337 accept; }; }";
    for (tool, rules) in BOTH.map(|tool| (tool, xt)).into_iter().chain([("nft -f -", nft)]) {
        let _alone = space::alone();
        let space = Space::new();
        space.run(tool, rules);
        let found = ports(&space, &[]);
        assert_eq!(told(&found), ["stolen prerouting tcp 80 -> :15006 (-)"], "{tool}");
        assert_eq!(
            (&found[0]["manner"], &found[0]["listening"]),
            (&"tproxy".into(), &false.into())
        );
        assert_eq!(
            found[0]["conditions"],
            serde_json::json!(["meta mark != 0x539"]),
            "{tool}"
        );
        assert_eq!(found[0].get("connections"), None, "conntrack shows none");
    }
}

#[test]
fn what_meshes_ask_for_is_told() {
    let linkerd = "*nat\n:PROXY_INIT_OUTPUT -\n:PROXY_INIT_REDIRECT -\n\
        -A PREROUTING -m comment --comment \"proxy-init/install-proxy-init-prerouting\" -j PROXY_INIT_REDIRECT\n\
        -A OUTPUT -j PROXY_INIT_OUTPUT\n\
        -A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN\n\
        -A PROXY_INIT_OUTPUT -o lo -j RETURN\n\
        -A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-ports 4140\n\
        -A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,4191 -j RETURN\n\
        -A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 4143\nCOMMIT\n";
    let kuma = "*nat\n:KUMA_MESH_INBOUND -\n:KUMA_MESH_OUTBOUND -\n\
        -A PREROUTING -p tcp -j KUMA_MESH_INBOUND\n-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND\n\
        -A KUMA_MESH_INBOUND -p tcp -j REDIRECT --to-ports 15006\n\
        -A KUMA_MESH_OUTBOUND -m owner --uid-owner 5678 -j RETURN\n\
        -A KUMA_MESH_OUTBOUND -p tcp -j REDIRECT --to-ports 15001\nCOMMIT\n";
    for tool in BOTH {
        let _alone = space::alone();
        let space = Space::new();
        space.run(tool, linkerd);
        let found = ports(&space, &[]);
        assert_eq!(
            told(&found),
            [
                "stolen output tcp all -> :4140 (linkerd)",
                "stolen prerouting tcp 0-4189,4192-65535 -> :4143 (linkerd)",
            ]
        );
        let out = found.iter().find(|row| row["hook"] == "output").expect("a row");
        assert_eq!(
            out["conditions"],
            serde_json::json!(["meta skuid != 2102", "oifname != lo"]),
            "{tool}"
        );
        let space = Space::new();
        space.run(tool, kuma);
        assert_eq!(
            told(&ports(&space, &[])),
            [
                "stolen output tcp all -> :15001 (kuma)",
                "stolen prerouting tcp all -> :15006 (kuma)"
            ]
        );
    }
}
