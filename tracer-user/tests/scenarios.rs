//! Each scenario, made and traced by the program itself, is explained by its cause and by nothing else; each control by
//! nothing at all.

#![expect(clippy::expect_used, reason = "the whole crate is tests")]

mod demo;
mod schema;
mod table;

use demo::{Demo, above_info, culprits, expected, latest};
use serde_json::Value;
use table::Case;
use tracer_user::lab::Family;
use tracer_user::model::finding::{Cause, Confidence};

fn check(case: &Case) {
    let best = case
        .scenario
        .expected
        .map(|cause| (cause, expected::best(shown_like(case, cause), case.family)));
    let demo = Demo::run(case);
    demo.assert_whole();
    let findings = latest(&demo.lines);
    for finding in &findings {
        assert!(
            demo.has_namespace(&finding["connection"]["netns"]["inode"]),
            "not of this lab: {finding}\n{demo}"
        );
    }
    // Where it is the cure to destroy a socket, that is told as well.
    let cure = |finding: &Value| case.scenario.is_curable() && finding["cause"] == Cause::SocketDestroyed.name();
    let above_info = || findings.iter().filter(|finding| above_info(finding) && !cure(finding));
    let Some((cause, Some(best))) = best else {
        // A control, or what this kernel does not show: silent, or an honest `unanswered`.
        let silent = best.is_none();
        assert_eq!(demo.code, Some(i32::from(!silent)), "{demo}");
        let honest = |finding: &&Value| !silent && finding["cause"] == Cause::Unanswered.name();
        assert!(above_info().all(honest), "{demo}");
        return;
    };
    assert_eq!(demo.code, Some(0), "{demo}");
    for finding in above_info() {
        assert_eq!(finding["cause"], cause.name(), "{demo}");
    }
    let finding = findings.iter().find(|finding| finding["cause"] == cause.name());
    let finding = finding.unwrap_or_else(|| panic!("no {}\n{demo}", cause.name()));
    assert_facts(case, cause, best, finding, &demo);
}

/// Another host's lost neighbour shows itself by its drop alone, which needs a reason.
fn shown_like(case: &Case, cause: Cause) -> Cause {
    if case.scenario.name == "unreachable-target-docker" {
        Cause::DroppedInKernel
    } else {
        cause
    }
}

/// What every finding of the scenario must have right.
fn assert_facts(case: &Case, cause: Cause, best: Confidence, finding: &Value, demo: &Demo) {
    // On an overloaded machine the answer to who is behind the router's device comes after the finding.
    // The device of a lost neighbour leads nowhere.
    let least = if is_routed(case) || case.scenario.name.ends_with("-docker") {
        best.min(Confidence::Likely)
    } else {
        best
    };
    let confidence = finding["confidence"].as_str();
    assert!(
        confidence.and_then(expected::confidence) >= Some(least),
        "{confidence:?} is less than {least:?}\n{demo}"
    );
    if cause == Cause::Unanswered {
        // Nothing can prove it; that the rules let it pass makes it likelier than not.
        assert_eq!(confidence, Some("likely"), "{demo}");
    }

    if cause == Cause::ResetByPeer {
        let recurs = case.scenario.name.ends_with("pattern");
        assert_eq!(above_info(finding), recurs, "{demo}");
    }
    if cause == Cause::SocketDestroyed {
        assert_eq!(finding["culprits"][0]["executable"]["name"], "ss", "{demo}");
    }

    let connection = &finding["connection"];
    assert_eq!(connection["netns"]["inode"].as_u64(), demo.namespace("pod"), "{demo}");
    assert_eq!(connection["network"]["type"], case.family.name(), "{demo}");
    let dials_loopback = matches!(
        case.scenario.name,
        "loopback-only-mismatch" | "loopback-only-mismatch-family"
    );
    let source = if dials_loopback { loopback } else { pod };
    assert_eq!(connection["source"]["address"], source(case.family), "{demo}");
    let destination = &connection["destination"];
    assert_eq!(destination["port"], 9000, "{demo}");
    assert_eq!(destination["address"], peer(case), "{demo}");
    assert_eq!(finding["process"]["executable"]["name"], process(case), "{demo}");

    if case.scenario.name == "unanswered-hooks-off" {
        // What an entry says that acts on nothing.
        assert_eq!(connection.get("translated"), None, "{demo}");
    }
    let agent = [
        Cause::RedirectToDeadPort,
        Cause::RedirectTargetBlocked,
        Cause::RedirectTargetStalled,
        Cause::NatBindingLost,
        Cause::OriginalDestinationLost,
        Cause::RedirectFanIn,
    ];
    let sidecar = cause == Cause::RedirectLoop;
    if agent.contains(&cause) || sidecar {
        let port = if sidecar { 15001 } else { 37673 };
        let target = &connection["translated"]["destination"];
        assert_eq!(target["address"], loopback(case.family), "{demo}");
        assert_eq!(target["port"], port, "{demo}");
    }
    if matches!(cause, Cause::StaleConntrack | Cause::InvalidPacketReset) {
        let target = &connection["translated"]["destination"];
        assert_eq!(target["address"], other_peer(case.family), "{demo}");
        assert_eq!(target["port"], 9100, "{demo}");
    }
    assert_culprits(case, finding, demo);
    assert_setting(cause, finding, demo);
    let count = |list: &str| finding[list].as_array().map_or(0, Vec::len);
    assert!(
        count("fixes") + count("checks") > 0 || finding["severity"] == "info" || cause == Cause::Unanswered,
        "no fix\n{demo}"
    );
}

/// The setting at fault is named, with its value.
fn assert_setting(cause: Cause, finding: &Value, demo: &Demo) {
    let known = [
        (Cause::MartianRedirect, ("net/ipv4/conf/eth0/route_localnet", Some("0"))),
        (Cause::ReversePathFiltered, ("net/ipv4/conf/eth1/rp_filter", Some("1"))),
        (Cause::ConntrackExhausted, ("net/netfilter/nf_conntrack_max", None)),
    ];
    let Some((_, expected)) = known.into_iter().find(|(of, _)| *of == cause) else {
        return;
    };
    let expected = [expected];
    let culprits = finding["culprits"].as_array().into_iter().flatten();
    let named: Vec<_> = culprits.filter(|culprit| culprit["kind"] == "sysctl").collect();
    assert_eq!(named.len(), expected.len(), "{demo}");
    for (setting, (path, value)) in named.iter().zip(expected) {
        assert_eq!(setting["path"], path, "{demo}");
        assert!(value.is_none_or(|value| setting["value"] == value), "{demo}");
    }
}

/// Exactly the rules that make the failure are named, and each can be deleted.
fn assert_culprits(case: &Case, finding: &Value, demo: &Demo) {
    let rules = culprits::named(finding, |inode| demo.name_of(inode));
    let expected = culprits::expected(case.scenario.name, case.backend, case.family);
    assert_eq!(rules, expected, "{demo}");
    let fixes = finding["fixes"].as_array().into_iter().flatten();
    let deletes = |fix: &&Value| {
        let command = fix["command"].as_str().unwrap_or_default();
        command.contains(" -D ") && command.contains("tables-") || command.contains("nft delete rule")
    };
    // kube-proxy would make its rule anew; mirrord's is not the one to go: the entries with its mark are.
    let goes = |rule: &&[String; 8]| {
        rule[0] != "sets-mark" && rule[7] != "kube-proxy" && case.scenario.name != "reply-rejected-pooled"
    };
    let stops = expected.iter().filter(goes);
    assert_eq!(fixes.filter(deletes).count(), stops.count(), "{demo}");
}

fn pod(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "10.77.0.2",
        Family::Ipv6 => "fd77::2",
    }
}

fn peer(case: &Case) -> &'static str {
    let nobody = case.scenario.name == "dropped-in-kernel";
    match case.scenario.name {
        "loopback-only-mismatch" | "loopback-only-mismatch-family" => return loopback(case.family),
        "loopback-only-mismatch-pod" => return pod(case.family),
        _ => {}
    }
    match (case.family, is_routed(case), nobody) {
        (Family::Ipv4, _, true) => "10.77.0.9",
        (Family::Ipv6, _, true) => "fd77::9",
        (Family::Ipv4, false, _) => "10.77.0.3",
        (Family::Ipv6, false, _) => "fd77::3",
        (Family::Ipv4, true, _) => "10.78.0.3",
        (Family::Ipv6, true, _) => "fd78::3",
    }
}

fn is_routed(case: &Case) -> bool {
    let routed = ["forward", "twins", "path-mtu-blackhole"];
    routed.iter().any(|end| case.scenario.name.ends_with(end))
}

fn other_peer(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "10.77.0.4",
        Family::Ipv6 => "fd77::4",
    }
}

fn loopback(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "127.0.0.1",
        Family::Ipv6 => "::1",
    }
}

/// Whose socket the finding is about: behind a sidecar it is not the application's.
fn process(case: &Case) -> &'static str {
    if matches!(case.scenario.name, "reply-rejected-pooled" | "redirect-loop") {
        "envoy"
    } else {
        "app"
    }
}
