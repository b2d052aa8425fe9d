//! The reader of rules on the real kernel, with rules that their own tools have loaded. Needs root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bypass;
mod expressions;
mod files;
mod sets;
mod snapshot;
#[path = "../space/mod.rs"]
mod space;

use rustix::thread::{UnshareFlags, unshare_unsafe};
use space::Space;
use std::process::Command;
use std::time::{Duration, Instant};
use tracer_user::inspect::Reader;
use tracer_user::model::rules::{Action, Backend, Base, ChainKind, Family, Hook, Item, LocalRoute, Verdict};

#[test]
fn base_chains_are_read_with_their_hooks() {
    let space = Space::with_nft(
        "table inet t {
            chain a { type nat hook prerouting priority dstnat; policy accept; }
            chain b { type filter hook input priority 5; policy drop; }
            chain c { }
        }
        table ip d { flags dormant; chain o { type route hook output priority mangle; counter; }; }
        table netdev n { chain i { type filter hook ingress device lo priority -7; }; }
        table ip6 filter { chain INPUT { type filter hook input priority 0; }; }
        table ip filter { chain INPUT { type filter hook input priority 1; }; }",
    );
    let ruleset = space.snapshot().ruleset;
    let chain = |family, name: &str| {
        let mut found = ruleset.chains.iter();
        found
            .find(|chain| chain.family == family && &*chain.name == name)
            .unwrap()
    };
    let base = |kind, hook, priority| Base {
        kind,
        hook,
        priority,
        policy: Verdict::Accept,
        devices: Vec::new(),
    };
    let nat = base(ChainKind::Nat, Hook::Prerouting, -100);
    assert_eq!(chain(Family::Inet, "a").base, Some(nat));
    let input = Base {
        policy: Verdict::Drop,
        ..base(ChainKind::Filter, Hook::Input, 5)
    };
    assert_eq!(chain(Family::Inet, "b").base, Some(input));
    assert_eq!(chain(Family::Inet, "c").base, None);
    assert!(chain(Family::Ip, "o").dormant && !chain(Family::Inet, "a").dormant);
    assert_eq!(
        chain(Family::Ip, "o").base,
        Some(base(ChainKind::Route, Hook::Output, -150))
    );
    let ingress = Base {
        devices: vec!["lo".into()],
        ..base(ChainKind::Filter, Hook::Ingress, -7)
    };
    assert_eq!(chain(Family::Netdev, "i").base, Some(ingress));
    assert_eq!(chain(Family::Ip6, "INPUT").backend, Backend::IptablesNft);
    assert_eq!(
        chain(Family::Ip, "INPUT").backend,
        Backend::Nft,
        "not at iptables' priority"
    );
}

#[test]
fn a_table_that_iptables_cannot_print_is_nfts() {
    let nat = |name: &str, rules: &str| {
        format!("table ip {name} {{ chain PREROUTING {{ type nat hook prerouting priority dstnat; {rules} }}; }}")
    };
    let space = Space::with_nft(&format!(
        "{}\n{}",
        nat("nat", "tcp dport 79; counter; tcp dport 80 redirect to :8080;"),
        nat("own", "counter;")
    ));
    space.run(
        &[
            "iptables-nft",
            "-A",
            "INPUT",
            "-p",
            "tcp",
            "--dport",
            "5",
            "-j",
            "ACCEPT",
        ],
        "",
    );
    let ruleset = space.snapshot().ruleset;
    let told = |table: &str, name: &str| {
        let mut found = ruleset.chains.iter();
        let chain = found
            .find(|chain| (&*chain.table, &*chain.name) == (table, name))
            .unwrap();
        let texts: Vec<_> = chain.rules.iter().map(|rule| &*rule.text).collect();
        (chain.backend, texts)
    };
    assert_eq!(
        told("nat", "PREROUTING"),
        (
            Backend::Nft,
            vec![
                "tcp dport 79",
                "counter packets 0 bytes 0",
                "tcp dport 80 redirect to :8080"
            ]
        )
    );
    assert_eq!(told("own", "PREROUTING").0, Backend::Nft);
    assert_eq!(
        told("filter", "INPUT"),
        (Backend::IptablesNft, vec!["-A INPUT -p tcp -m tcp --dport 5 -j ACCEPT"])
    );
}

#[test]
fn the_generation_grows_with_every_change() {
    let space = Space::new();
    let mut reader = Reader::new().unwrap();
    let before = reader.generation(space.netns).unwrap().unwrap();
    space.run(&["nft", "add", "table", "ip", "x"], "");
    let after = reader.generation(space.netns).unwrap().unwrap();
    assert_eq!(after, before + 1);
    assert_eq!(space.snapshot().ruleset.generation, Some(after));
}

#[test]
fn a_namespace_without_any_route_is_read() {
    let read = || {
        // SAFETY: a raw system call without pointers; CLONE_FILES, its one danger, is not among the flags.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        let mut reader = Reader::new().unwrap();
        let own = reader.own();
        reader.snapshot(own).unwrap().network
    };
    let network = std::thread::spawn(read).join().unwrap();
    assert_eq!(
        (network.links.len(), network.addresses.len(), network.locals.len()),
        (1, 0, 0)
    );
}

#[test]
fn a_namespace_without_rules_has_its_devices_and_addresses() {
    let space = Space::new();
    space.run(&["ip", "addr", "add", "10.77.0.1/24", "dev", "lo"], "");
    let snapshot = space.snapshot();
    assert!(snapshot.ruleset.is_empty() && snapshot.ruleset.gaps.is_empty());
    assert_eq!(&*snapshot.network.loopback().unwrap().name, "lo");
    assert!(snapshot.network.is_local([10, 77, 0, 1].into()));
    assert!(snapshot.network.is_local("::1".parse().unwrap()));
    assert_eq!(snapshot.network.locals, []);
    space.run(&["ip", "route", "add", "local", "192.0.2.0/24", "dev", "lo"], "");
    space.run(&["ip", "-6", "route", "add", "local", "fd08::/16", "dev", "lo"], "");
    space.run(
        &["ip", "route", "add", "local", "default", "dev", "lo", "table", "100"],
        "",
    );
    let routes = [("192.0.2.0", 24), ("fd08::", 16)].map(|(address, prefix)| LocalRoute {
        address: address.parse().unwrap(),
        prefix,
    });
    assert_eq!(space.snapshot().network.locals, routes);
    assert_eq!(snapshot.enter, Some(format!("/run/netns/{}", space.name).into()));
    assert_eq!(snapshot.netns.inode, space.netns.inode);
}

#[test]
fn a_namespace_that_is_gone_is_an_error_of_its_own() {
    let (kept, gone) = (Space::new(), Space::new());
    let mut reader = Reader::new().unwrap();
    let snapshot = reader.snapshot(gone.netns).unwrap();
    let all = reader.all();
    assert!(all.iter().any(|(netns, _)| netns.inode == gone.netns.inode));
    let status = Command::new("ip").args(["netns", "del", &gone.name]).status().unwrap();
    assert!(status.success());
    // Another test's `ip netns exec` may hold it for a moment.
    let deadline = Instant::now() + Duration::from_secs(20);
    while reader.snapshot(snapshot.netns).is_ok() {
        assert!(Instant::now() < deadline, "a deleted namespace is still read");
        // The kernel lets go of a closed netlink socket only after a grace period: looking again at once, by the
        // namespace's handle, would keep it alive for ever.
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(reader.snapshot(kept.netns).is_ok());
}

#[test]
fn rules_that_change_all_the_time_are_read_or_said_to_have_changed() {
    let space = Space::with_nft("table ip t { chain c { counter; }; }");
    let change = "add rule ip t c counter\n".repeat(20);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..20 {
                space.run(&["nft", "-f", "-"], &change);
            }
        });
        while !writer.is_finished() {
            let ruleset = space.snapshot().ruleset;
            let rules = ruleset.len();
            assert!(
                rules % 20 == 1 || !ruleset.gaps.is_empty(),
                "{rules} rules are half a change"
            );
        }
    });
    assert_eq!(space.snapshot().ruleset.len(), 401);
}

#[test]
fn legacy_tables_come_after_those_of_nf_tables() {
    let space = Space::with_nft("table ip t { chain a { jump b; }; chain b { }; }");
    space.run(
        &["iptables-legacy-restore"],
        "*filter\n:INPUT DROP [0:0]\n:x - [0:0]\n-A INPUT -j x\n-A x -j ACCEPT\nCOMMIT\n",
    );
    let ruleset = space.snapshot().ruleset;
    assert!(ruleset.gaps.is_empty());
    let find = |name: &str| ruleset.numbered().find(|(_, chain)| &*chain.name == name).unwrap();
    let (input, x) = (find("INPUT").1, find("x").0);
    assert_eq!(input.backend, Backend::IptablesLegacy);
    let jump = Item::Action(Action::Verdict(Verdict::Jump(Some(x))));
    assert!(input.rules[0].items.contains(&jump), "{:?}", input.rules[0]);
    let to_b = Item::Action(Action::Verdict(Verdict::Jump(Some(find("b").0))));
    assert_eq!(find("a").1.rules[0].items, [to_b]);
}
