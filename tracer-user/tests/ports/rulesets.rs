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
