use super::*;
use crate::inventory::tests::save::table;
use crate::inventory::tests::{listeners, network};
use crate::model::identity::Netns;
use crate::model::rules::{
    Action, Assign, Backend, Base, Chain, ChainKind, Counters, Data, Element, Family, Field, Hook, Item, Match,
    NatTarget, Operand, Rule, Ruleset, Set, SetId, Source, Target, Value, Verdict,
};
use crate::model::tcp::ConntrackState;
use crate::model::time::Timestamp;

fn snapshot(ruleset: Ruleset) -> Snapshot {
    Snapshot {
        netns: Netns {
            cookie: 7,
            inode: 4_026_532_281,
        },
        enter: Some("/run/netns/pod".into()),
        at: Timestamp::from_nanos(1),
        ruleset,
        network: network(),
    }
}

fn nat(text: &str) -> Snapshot {
    snapshot(table("nat", text))
}

fn whole(facts: &Facts<'_>) -> Vec<Finding> {
    let Audited { findings, gaps } = audit(facts, &|| false);
    assert_eq!(gaps, []);
    findings
}

/// With these listeners, no entries and no processes.
fn found(snapshot: &Snapshot, listening: &[&str]) -> Vec<Finding> {
    whole(&Facts {
        snapshot,
        listeners: &listeners(listening),
        entries: Some(&[]),
        sockets: Some(&BTreeSet::new()),
        processes: Some(&[]),
    })
}

fn causes(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
    let causes = findings.iter().map(|finding| (finding.cause.name(), finding.severity));
    causes.collect()
}

fn uncounted(mut snapshot: Snapshot) -> Snapshot {
    for rule in snapshot.ruleset.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
        rule.counters = Some(Counters::default());
    }
    snapshot
}

const REDIRECT: &str = "-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 37673";

#[test]
fn a_dead_redirect_is_an_error_once_it_counted_or_somebody_listens_on_the_port() {
    let rules = uncounted(nat(REDIRECT));
    assert_eq!(causes(&found(&rules, &[])), [("dead-redirect", Severity::Warning)]);
    assert_eq!(
        causes(&found(&rules, &["0.0.0.0:80"])),
        [("dead-redirect", Severity::Error)]
    );
    assert_eq!(
        causes(&found(&nat(REDIRECT), &[])),
        [("dead-redirect", Severity::Error)]
    );
}

#[test]
fn a_listener_of_both_families_keeps_an_ipv4_redirect_alive() {
    for listening in ["[::]:37673", "0.0.0.0:37673", "10.77.0.2:37673"] {
        assert_eq!(causes(&found(&nat(REDIRECT), &[listening])), [], "{listening}");
    }
}

#[test]
fn a_redirect_of_datagrams_alone_is_only_likely_dead() {
    let rules = nat("-A PREROUTING -p udp --dport 53 -j REDIRECT --to-ports 15053");
    let findings = found(&rules, &[]);
    assert_eq!(findings[0].confidence, Confidence::Likely);
}

#[test]
fn a_dead_tproxy_of_nft_goes_past_the_proxy_and_one_of_xt_drops() {
    let text = "-A PREROUTING -p tcp --dport 80 -j TPROXY --on-port 5555";
    let look = |backend| {
        let mut rules = nat(text);
        rules.ruleset.chains[0].backend = backend;
        let finding = found(&rules, &["0.0.0.0:80"]).remove(0);
        let Evidence::Inspected { what, .. } = finding.evidence[0].clone() else {
            panic!("{finding:?}");
        };
        let Inspected::Redirect { unserved, .. } = what else {
            panic!("{what:?}");
        };
        (finding.cause, finding.severity, unserved)
    };
    let dead = Cause::DeadRedirect;
    assert_eq!(look(Backend::Nft), (dead, Severity::Warning, Unserved::Passed));
    let xt = (dead, Severity::Error, Unserved::Dropped);
    assert_eq!([Backend::IptablesNft, Backend::IptablesLegacy].map(look), [xt, xt]);
}

#[test]
fn one_dead_element_of_a_map_is_told_and_its_served_ones_are_not() {
    let mut rules = uncounted(nat("-A PREROUTING -p tcp -j REDIRECT --to-ports 1"));
    let element = |port: u128, to: u128| Element {
        key: vec![Value::Number(port)],
        last: None,
        data: Some(Data::Values(vec![Value::Number(to)])),
    };
    rules.ruleset.sets.push(Set {
        family: Family::Ip,
        table: "nat".into(),
        name: "__map0".into(),
        anonymous: true,
        dynamic: false,
        incomplete: false,
        elements: vec![element(81, 8081), element(82, 8082)],
        default: None,
    });
    for item in &mut rules.ruleset.chains[0].rules[0].items {
        if let Item::Action(Action::Nat(nat)) = item {
            nat.target = NatTarget::Map {
                key: vec![Operand::field(Field::DestinationPort)],
                map: SetId(0),
                address: false,
                port: true,
                fixed_port: None,
            };
        }
    }
    let served = |listening: &[&str]| {
        let findings = found(&rules, listening);
        let dead = findings.iter().filter_map(|finding| {
            let Evidence::Inspected { what, .. } = &finding.evidence[0] else {
                return None;
            };
            let Inspected::Redirect {
                target, others_served, ..
            } = what
            else {
                return None;
            };
            Some((target.clone(), *others_served))
        });
        dead.collect::<Vec<_>>()
    };
    assert_eq!(served(&["[::]:8081"]), [(Some(8082..=8082), true)]);
    assert_eq!(served(&["[::]:8081", "[::]:8082"]), []);
    assert_eq!(served(&[]).len(), 1);
}

const MIRRORD: &str = "-A PREROUTING -j MIRRORD_INPUT_RkDdj
-A MIRRORD_INPUT_RkDdj -p tcp --dport 80 -j REDIRECT --to-ports 37673";

#[test]
fn an_agents_chain_is_left_over_without_its_process_and_its_listener() {
    let rules = nat(MIRRORD);
    let found_causes = causes(&found(&rules, &[]));
    assert!(
        found_causes.contains(&("leftover-chain", Severity::Warning)),
        "{found_causes:?}"
    );
    assert_eq!(causes(&found(&rules, &["[::]:37673"])), []);
    // No process is seen: perhaps not even those that are there.
    let findings = found(&rules, &[]);
    let leftover = findings.iter().find(|finding| finding.cause == Cause::LeftoverChain);
    assert_eq!(leftover.unwrap().confidence, Confidence::Possible);
    let agent = Process {
        pid: 12,
        comm: Comm::new(b"mirrord-agent"),
    };
    let facts = Facts {
        snapshot: &rules,
        listeners: &listeners(&[]),
        entries: None,
        sockets: None,
        processes: Some(&[agent]),
    };
    assert_eq!(causes(&whole(&facts)), [("dead-redirect", Severity::Error)]);
}

#[test]
fn a_repeated_jump_is_told_once_with_both_places() {
    let findings = found(
        &nat("-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A OUTPUT -p tcp -j OTHER
-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A OTHER -p tcp -j RETURN"),
        &[],
    );
    assert_eq!(causes(&findings), [("duplicate-jump", Severity::Info)]);
    let indices = findings[0].culprits.iter().map(|culprit| {
        let Culprit::Rule { rule: Some(rule), .. } = culprit else {
            return None;
        };
        rule.index
    });
    assert_eq!(indices.collect::<Vec<_>>(), [Some(1), Some(3)]);
}

#[test]
fn a_repeated_jump_is_told_only_where_the_packet_and_its_chain_stay_the_same() {
    let look = |between: &str, own: &str| {
        let text = format!("-A OUTPUT -j C\n{between}-A OUTPUT -j C\n-A C {own}");
        let mut rules = nat(&text);
        let all = rules.ruleset.chains.iter_mut().flat_map(|chain| &mut chain.rules);
        for rule in all.filter(|rule| rule.text.contains("-j MARK")) {
            rule.items.push(set(!1, 1, Source::None));
        }
        let mut findings = found(&rules, &[]);
        findings.retain(|finding| finding.cause == Cause::DuplicateJump);
        findings.len()
    };
    assert_eq!(look("", "-p tcp --dport 80 -j DROP"), 1);
    // What ends here does not meet the second jump at all.
    assert_eq!(look("-A OUTPUT -p tcp -j ACCEPT\n", "-p tcp --dport 80 -j DROP"), 1);
    assert_eq!(
        look(
            "-A OUTPUT -p tcp -j MARK --set-xmark 0x1/0x1\n",
            "-m mark --mark 0x1/0x1 -j DROP"
        ),
        0
    );
    assert_eq!(look("", "-m statistic --mode random --probability 0.5 -j DROP"), 0);
    assert_eq!(look("", "-p tcp -j MARK --set-xmark 0x1/0x1"), 0);
}

#[test]
fn jumps_that_ask_for_different_things_are_no_duplicates() {
    let rules = "-A OUTPUT -p tcp --dport 1 -j OTHER\n-A OUTPUT -p tcp --dport 2 -j OTHER\n-A OTHER -p tcp -j RETURN";
    assert_eq!(causes(&found(&nat(rules), &[])), []);
}

/// A chain of xt's mangle table, hooked where `hook` is given.
fn mangle(name: &str, hook: Option<Hook>, items: Vec<Item>) -> Chain {
    Chain {
        backend: Backend::IptablesLegacy,
        family: Family::Ip,
        table: "mangle".into(),
        name: name.into(),
        base: hook.map(|hook| Base {
            kind: ChainKind::Filter,
            hook,
            priority: -150,
            policy: Verdict::Accept,
            devices: Vec::new(),
        }),
        rules: vec![Rule {
            handle: None,
            items,
            counters: None,
            comment: None,
            text: "".into(),
        }],
        dormant: false,
        counters: None,
    }
}

fn set(keep: u32, value: u32, source: Source) -> Item {
    Item::Action(Action::Assign(Assign {
        target: Target::Connmark,
        keep,
        source,
        value,
    }))
}

fn asks(mask: u128, value: u128) -> Item {
    Item::Match(Match::masked(Field::CtMark, mask, value))
}

fn marks(setter: Vec<Item>, matcher: Vec<Vec<Item>>) -> Vec<Finding> {
    let mut chains = vec![mangle("SETTER", None, setter)];
    chains.extend(
        matcher
            .into_iter()
            .map(|items| mangle("MIRRORD_INPUT_RkDdj", None, items)),
    );
    let rules = Ruleset {
        chains,
        ..Ruleset::default()
    };
    let mut findings = found(&snapshot(rules), &[]);
    findings.retain(|finding| finding.cause == Cause::MarkOverlap);
    findings
}

#[test]
fn marks_overlap_with_their_masks_applied() {
    let drop = || Item::Action(Action::Verdict(Verdict::Drop));
    let whole = u128::from(u32::MAX);
    let one = |mask| vec![vec![asks(mask, 1), drop()]];
    assert_eq!(marks(vec![set(0, 0x111, Source::None)], one(1)).len(), 1);
    assert_eq!(marks(vec![set(0, 0x111, Source::None)], one(whole)).len(), 0);
    assert_eq!(marks(vec![set(0, 0x1, Source::None)], one(whole)).len(), 1);
    assert_eq!(marks(vec![set(!0x100, 0x100, Source::None)], one(1)).len(), 0);
    // Nobody sets it.
    assert_eq!(marks(vec![drop()], one(whole)).len(), 0);
}

#[test]
fn an_unmasked_write_erases_what_another_keeps_and_a_masked_one_does_not() {
    let keeps = || vec![vec![set(!0x80, 0x80, Source::None)], vec![asks(0x80, 0x80)]];
    let restore = |keep, mask| set(keep, 0, Source::Mark { mask, shift: 0 });
    let findings = marks(vec![restore(0, 0x1)], keeps());
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].confidence, Confidence::Possible);
    assert_eq!(marks(vec![restore(!0x1, 0x1)], keeps()).len(), 0);
}

/// A chain of a native table of its own.
fn native(family: Family, table: &str, base: (Hook, i32), rules: Vec<Vec<Item>>) -> Chain {
    let mut chain = mangle("c", Some(base.0), Vec::new());
    let rule = chain.rules.remove(0);
    chain.rules = rules.into_iter().map(|items| Rule { items, ..rule.clone() }).collect();
    if let Some(hooked) = &mut chain.base {
        hooked.priority = base.1;
    }
    Chain {
        backend: Backend::Nft,
        family,
        table: table.into(),
        ..chain
    }
}

#[test]
fn packet_marks_overlap_only_in_the_order_in_which_a_packet_meets_them() {
    let set = |keep, value| {
        Item::Action(Action::Assign(Assign {
            target: Target::Mark,
            keep,
            source: Source::None,
            value,
        }))
    };
    let drop = || Item::Action(Action::Verdict(Verdict::Drop));
    let asks = |mask, value| Item::Match(Match::masked(Field::Mark, mask, value));
    let overlaps = |chains: Vec<Chain>| {
        let rules = snapshot(Ruleset {
            chains,
            ..Ruleset::default()
        });
        let mut findings = found(&rules, &[]);
        findings.retain(|finding| finding.cause == Cause::MarkOverlap);
        findings.len()
    };
    let ip = Family::Ip;
    let keeps = |at: (Hook, i32)| native(ip, "kept", at, vec![vec![set(!0x4000, 0x4000)]]);
    let reader = || {
        native(
            ip,
            "kept",
            (Hook::Postrouting, 100),
            vec![vec![asks(0x4000, 0x4000), drop()]],
        )
    };
    let eraser = |family| native(family, "other", (Hook::Prerouting, -150), vec![vec![set(0, 0x200)]]);
    // The whole mark is written before the bit is set: a healthy node.
    assert_eq!(overlaps(vec![eraser(ip), keeps((Hook::Prerouting, -100)), reader()]), 0);
    assert_eq!(overlaps(vec![eraser(ip), keeps((Hook::Prerouting, -200)), reader()]), 1);
    assert_eq!(
        overlaps(vec![eraser(Family::Ip6), keeps((Hook::Prerouting, -200)), reader()]),
        0
    );
    // A mark that is made for another to match, by one of the same family ahead of it.
    let maker = |family, hook| native(family, "other", (hook, -150), vec![vec![set(0, 0x4001)]]);
    assert_eq!(overlaps(vec![maker(ip, Hook::Prerouting), reader()]), 1);
    assert_eq!(overlaps(vec![maker(Family::Inet, Hook::Prerouting), reader()]), 1);
    assert_eq!(overlaps(vec![maker(Family::Ip6, Hook::Prerouting), reader()]), 0);
    let early = native(
        ip,
        "kept",
        (Hook::Prerouting, -300),
        vec![vec![asks(0x4000, 0x4000), drop()]],
    );
    assert_eq!(overlaps(vec![maker(ip, Hook::Prerouting), early]), 0);
}

#[test]
fn both_back_ends_at_one_hook_are_told_and_empty_chains_are_not() {
    let text = "-A PREROUTING -p tcp --dport 81 -j REDIRECT --to-ports 1";
    let mut both = table("nat", text);
    let mut other = table("nat", "-A PREROUTING -p tcp --dport 82 -j REDIRECT --to-ports 1");
    for chain in &mut other.chains {
        chain.backend = Backend::Nft;
    }
    both.chains.append(&mut other.chains);
    let listening = ["[::]:1"];
    let mut rules = snapshot(both);
    assert_eq!(
        causes(&found(&rules, &listening)),
        [("mixed-backends", Severity::Warning)]
    );
    rules.ruleset.chains[1].rules.clear();
    assert_eq!(causes(&found(&rules, &listening)), []);
}

#[test]
fn a_family_gap_needs_a_listener_in_the_other_family_and_an_address() {
    let mut rules = nat(REDIRECT);
    let agent = "0.0.0.0:37673";
    assert_eq!(
        causes(&found(&rules, &[agent, "[::]:80"])),
        [("address-family-gap", Severity::Warning)]
    );
    assert_eq!(causes(&found(&rules, &[agent, "0.0.0.0:80"])), []);
    rules
        .network
        .addresses
        .retain(|own| own.address.is_ipv4() || own.address.is_loopback());
    assert_eq!(causes(&found(&rules, &[agent, "[::]:80"])), []);
}

#[test]
fn a_family_gap_is_one_only_if_a_packet_gets_through_the_other_familys_rules() {
    let mut rules = nat(REDIRECT);
    let mut input = mangle(
        "INPUT",
        Some(Hook::Input),
        vec![Item::Action(Action::Verdict(Verdict::Drop))],
    );
    input.family = Family::Ip6;
    rules.ruleset.chains.push(input);
    let gap = ("address-family-gap", Severity::Warning);
    let listening = ["0.0.0.0:37673", "[::]:80"];
    assert_eq!(causes(&found(&rules, &listening)), []);
    rules.ruleset.chains[1].rules.clear();
    let findings = found(&rules, &listening);
    assert_eq!(causes(&findings), [gap]);
    assert_eq!(findings[0].confidence, Confidence::Proved);
}

#[test]
fn a_redirect_of_loopback_in_one_family_leaves_the_other_to_the_application() {
    let rules = nat("-A OUTPUT -o lo -p tcp --dport 80 -j REDIRECT --to-ports 37673");
    let gap = ("address-family-gap", Severity::Warning);
    assert_eq!(causes(&found(&rules, &["0.0.0.0:37673", "[::]:80"])), [gap]);
    assert_eq!(causes(&found(&rules, &["0.0.0.0:37673", "0.0.0.0:80"])), []);
    // Other hosts' ports.
    let remote = nat("-A OUTPUT -o eth0 -p tcp --dport 80 -j REDIRECT --to-ports 37673");
    assert_eq!(causes(&found(&remote, &["0.0.0.0:37673", "[::]:80"])), []);
}

#[test]
fn a_policy_that_drops_mixes_back_ends_without_any_rule() {
    let mut legacy = mangle("INPUT", Some(Hook::Input), Vec::new());
    legacy.rules.clear();
    let mut nft = mangle(
        "INPUT",
        Some(Hook::Input),
        vec![Item::Action(Action::Verdict(Verdict::Accept))],
    );
    nft.backend = Backend::IptablesNft;
    let mut rules = snapshot(Ruleset {
        chains: vec![legacy, nft],
        ..Ruleset::default()
    });
    assert_eq!(causes(&found(&rules, &[])), []);
    if let Some(base) = &mut rules.ruleset.chains[0].base {
        base.policy = Verdict::Drop;
    }
    let findings = found(&rules, &[]);
    assert_eq!(causes(&findings), [("mixed-backends", Severity::Info)]);
    assert_eq!(findings[0].culprits.len(), 2);
}

#[test]
fn a_redirect_that_no_packet_reaches_is_bypassed() {
    let findings = found(
        &uncounted(nat("-A PREROUTING -p tcp -m multiport ! --dports 15008 -j RETURN
-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 37673")),
        &["[::]:37673"],
    );
    assert_eq!(causes(&findings), [("bypassed-redirect", Severity::Warning)]);
}

#[test]
fn a_redirect_of_which_some_ports_are_bypassed_is_information() {
    let findings = found(
        &uncounted(nat("-A PREROUTING -p tcp --dport 80 -j ACCEPT
-A PREROUTING -p tcp -m multiport --dports 80,81 -j REDIRECT --to-ports 37673")),
        &["[::]:37673"],
    );
    assert_eq!(causes(&findings), [("bypassed-redirect", Severity::Info)]);
}

/// What bypasses the redirects of rules that counted nothing.
fn bypassed(text: &str) -> Vec<Severity> {
    let mut findings = found(&uncounted(nat(text)), &["[::]:37673", "[::]:15006"]);
    findings.retain(|finding| finding.cause == Cause::BypassedRedirect);
    findings.iter().map(|finding| finding.severity).collect()
}

#[test]
fn what_lets_some_packets_pass_is_an_exemption_and_no_bypass() {
    for exempt in [
        "-A PREROUTING ! -s 10.0.0.0/8 -j RETURN\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 37673",
        "-A PREROUTING -s 198.51.100.0/24 -j DROP\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 37673",
        "-A OUTPUT -m owner ! --uid-owner 1005 -j RETURN\n-A OUTPUT -p tcp --dport 80 -j REDIRECT --to-ports 37673",
        "-A PREROUTING -m mark ! --mark 0x10/0x10 -j RETURN\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 37673",
    ] {
        assert_eq!(bypassed(exempt), [], "{exempt}");
    }
}

#[test]
fn a_redirect_that_counted_is_not_bypassed() {
    let text =
        "-A PREROUTING -p tcp --dport 80 -j ACCEPT\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 37673";
    assert_eq!(bypassed(text), [Severity::Warning]);
    assert_eq!(causes(&found(&nat(text), &["[::]:37673"])), []);
}

#[test]
fn a_redirect_for_one_source_is_bypassed_by_what_ends_all() {
    let ahead = "-A PREROUTING -p tcp --dport 80 -j ACCEPT\n";
    let own = "-A PREROUTING -s 10.77.0.3/32 -p tcp --dport 80 -j REDIRECT --to-ports 37673";
    assert_eq!(bypassed(&format!("{ahead}{own}")), [Severity::Warning]);
}

#[test]
fn a_redirect_that_a_mesh_is_ahead_of_is_not_lost_where_another_leads_to_its_agent() {
    let mesh = "-A PREROUTING -p tcp -j ISTIO_INBOUND
-A ISTIO_INBOUND -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -j MRDIN_abc
-A MRDIN_abc -p tcp --dport 80 -j REDIRECT --to-ports 37673";
    assert_eq!(bypassed(mesh), [Severity::Warning]);
    let both = format!("{mesh}\n-A OUTPUT -o lo -p tcp --dport 80 -j REDIRECT --to-ports 37673");
    assert_eq!(bypassed(&both), []);
}

#[test]
fn what_comes_after_very_many_redirects_is_judged_as_well() {
    let mut text: Vec<_> = (1..=200)
        .map(|port| format!("-A PREROUTING -p tcp --dport {port} -j REDIRECT --to-ports 37673"))
        .collect();
    text.push("-A PREROUTING -p tcp --dport 300 -j ACCEPT".to_owned());
    text.push("-A PREROUTING -p tcp --dport 300 -j REDIRECT --to-ports 15006".to_owned());
    assert_eq!(bypassed(&text.join("\n")), [Severity::Warning]);
}

#[test]
fn an_audit_that_is_late_says_so() {
    let rules = nat(REDIRECT);
    let facts = Facts {
        snapshot: &rules,
        listeners: &listeners(&[]),
        entries: None,
        sockets: None,
        processes: None,
    };
    let Audited { findings, gaps } = audit(&facts, &|| true);
    assert_eq!((findings.len(), gaps.len()), (0, 1));
}

#[test]
fn a_healthy_mesh_with_its_exemptions_is_silent() {
    let rules = nat("-A PREROUTING -p tcp -j ISTIO_INBOUND
-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -p tcp -j ISTIO_REDIRECT
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001");
    assert_eq!(causes(&found(&rules, &["0.0.0.0:15001", "0.0.0.0:15006"])), []);
}

fn entry() -> Conntrack {
    let end = |text: &str| text.parse::<std::net::SocketAddr>().unwrap().into();
    Conntrack {
        original: Tuple::new(end("10.77.0.3:40001"), end("10.77.0.2:80")),
        reply: Tuple::new(end("10.77.0.2:37673"), end("10.77.0.3:40001")),
        status: 0,
        state: Some(ConntrackState::Established),
        mark: 0,
        zone: 0,
        id: None,
    }
}

#[test]
fn an_entry_that_nothing_explains_is_stale_unless_its_flow_goes_on() {
    let rules = nat("-A OUTPUT -p tcp --dport 9 -j REDIRECT --to-ports 1");
    let look = |snapshot: &Snapshot, listening: &[&str], sockets: &[Tuple]| {
        let facts = Facts {
            snapshot,
            listeners: &listeners(listening),
            entries: Some(&[entry()]),
            sockets: Some(&sockets.iter().copied().collect()),
            processes: None,
        };
        causes(&whole(&facts))
    };
    let one = "[::]:1";
    assert_eq!(look(&rules, &[one], &[]), [("stale-entries", Severity::Warning)]);
    assert_eq!(look(&rules, &[one], &[entry().reply]), []);
    assert_eq!(look(&rules, &[one, "[::]:37673"], &[]), []);
    // Conntrack is off: the entry does not act.
    let none = snapshot(Ruleset::default());
    assert_eq!(look(&none, &[], &[]), [("stale-entries", Severity::Info)]);
}
