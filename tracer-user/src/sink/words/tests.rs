use super::*;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Connection, Culprit, Finding, State};
use crate::model::rules::Component;
use crate::model::tuple::{Endpoint, Tuple};
use crate::sink::sample;
use std::net::IpAddr;

fn commands(finding: &Finding) -> Vec<String> {
    let checks = checks(finding).into_iter().map(|check| check.command);
    let fixes = fixes(finding).into_iter().filter_map(|fix| fix.command);
    checks.chain(fixes).collect()
}

fn text(finding: &Finding) -> String {
    let fixes = fixes(finding);
    let fixes = fixes
        .iter()
        .flat_map(|fix| [Some(&fix.why), fix.command.as_ref()])
        .flatten();
    let evidence = finding
        .evidence
        .iter()
        .map(|evidence| super::evidence(finding, evidence));
    let parts = [summary(finding), why(finding)]
        .into_iter()
        .chain(fixes.cloned())
        .chain(evidence);
    parts.collect::<Vec<_>>().join("\n")
}

fn own(finding: &mut Finding) -> &mut Connection {
    finding.connection.as_mut().unwrap()
}

/// Without the names that tell the way into its namespace.
fn anonymous(cause: Cause) -> Finding {
    let mut finding = sample::finding_of(cause);
    finding.culprits.clear();
    finding.examples.clear();
    finding.victims.clear();
    if let Some(connection) = &mut finding.connection {
        connection.enter = None;
    }
    finding
}

#[test]
fn a_command_enters_its_namespace_by_the_best_way_known() {
    let mut finding = anonymous(Cause::Unanswered);
    let tcpdump = "tcpdump -nni any 'tcp and host 10.77.0.3 and port 9000'";
    assert_eq!(
        commands(&finding),
        [format!("nsenter --net=/proc/4711/ns/net {tcpdump}")]
    );
    // The process of an ended connection may be gone, and its pid another's.
    finding.state = State::Closed;
    assert_eq!(
        commands(&finding),
        [format!(
            "nsenter --net=/proc/$(lsns -rnoPID 4026532281 | head -n1)/ns/net {tcpdump}"
        )]
    );
    own(&mut finding).enter = Some("/run/netns/it's;$(id)".into());
    assert_eq!(
        commands(&finding),
        [format!(r"nsenter --net='/run/netns/it'\''s;$(id)' {tcpdump}")]
    );
    own(&mut finding).enter = None;
    own(&mut finding).netns.inode = 0;
    assert_eq!(commands(&finding), [tcpdump]);
}

#[test]
fn a_finding_without_a_rule_or_a_connection_enters_its_namespace_by_its_path() {
    let stale = sample::finding_of(Cause::StaleEntries);
    assert!(stale.connection.is_none());
    for command in commands(&stale) {
        assert!(
            command.starts_with("nsenter --net=/run/netns/pod conntrack -D "),
            "{command}"
        );
    }
    assert!(!commands(&stale).is_empty());
    let summary = summary(&stale);
    assert!(summary.contains("netns pod"), "{summary}");
}

#[test]
fn mirrord_is_named_for_its_mark_only() {
    let mut finding = sample::finding_of(Cause::ReplyRejected);
    let mark = |finding: &mut Finding, to: u32| {
        for evidence in &mut finding.evidence {
            if let Evidence::Drop {
                conntrack: Some(entry), ..
            }
            | Evidence::Conntrack { entry, .. } = evidence
            {
                entry.mark = to;
            }
        }
    };
    assert!(text(&finding).contains("If mirrord is used"));
    mark(&mut finding, 0x111);
    let marked = text(&finding);
    assert!(
        !marked.contains("mirrord") && marked.contains("conntrack -D"),
        "{marked}"
    );
    mark(&mut finding, 0);
    let unmarked = text(&finding);
    assert!(
        !unmarked.contains("mirrord") && !unmarked.contains("conntrack -D"),
        "{unmarked}"
    );
    assert!(!sample::findings().iter().any(|finding| text(finding).contains("Istio")));
}

#[test]
fn commands_are_of_the_right_family() {
    let v6 = |tuple: &mut Tuple| {
        let address: IpAddr = "fd77::3".parse().unwrap();
        tuple.destination = Endpoint::new(address, tuple.destination.port);
        tuple.source = Endpoint::new(address, tuple.source.port);
    };
    let mut finding = sample::finding_of(Cause::ReplyRejected);
    v6(&mut own(&mut finding).tuple);
    for evidence in &mut finding.evidence {
        if let Evidence::Drop {
            packet,
            conntrack: Some(entry),
            ..
        } = evidence
        {
            v6(packet);
            v6(&mut entry.original);
            v6(&mut entry.reply);
            entry.zone = 3;
        }
    }
    let commands = commands(&finding);
    assert_eq!(
        commands[0],
        "nsenter --net=/run/netns/pod sh -c 'ip6tables-legacy-save; nft list ruleset'"
    );
    // The examples go elsewhere.
    let marked = "-f ipv6 -p tcp --dport 9000 -m 0x1 --zone 3";
    for (at, verb) in [(1, "-L"), (2, "-D")] {
        assert_eq!(
            commands[at],
            format!("nsenter --net=/run/netns/pod conntrack {verb} {marked}")
        );
    }
}

#[test]
fn findings_without_evidence_are_still_worded() {
    for &cause in Cause::ALL {
        let mut finding = anonymous(cause);
        finding.evidence.clear();
        if let Some(connection) = &mut finding.connection {
            connection.owner = None;
            connection.translated = None;
        }
        let text = text(&finding);
        assert!(!text.contains("  ") && !text.contains(" ,"), "{text}");
    }
}

#[test]
fn summaries_are_one_sentence_on_one_line() {
    for finding in sample::findings() {
        let summary = summary(&finding);
        assert!(
            !summary.contains(['\n', ';']) && !summary.contains(". ") && !summary.ends_with('.'),
            "{summary}"
        );
        assert!(summary.len() < 240, "{summary}");
    }
}

#[test]
fn a_finding_that_knows_its_rule_names_it_and_deletes_it() {
    let [dead, rejected] = sample::named_findings().try_into().unwrap();
    assert_eq!(
        summary(&dead),
        "The connection of curl (pid 4711) to 10.77.0.3:9000 is redirected to 127.0.0.1:37673 by nat OUTPUT rule 1 \
         (`-A OUTPUT -p tcp -m tcp --dport 9000 -j REDIRECT --to-ports 37673`), where nobody listens: this host refuses \
         it, 10.77.0.3:9000 does not"
    );
    assert!(
        commands(&dead).contains(&"nsenter --net=/run/netns/pod iptables-legacy -t nat -D OUTPUT -p tcp -m tcp --dport 9000 -j REDIRECT --to-ports 37673".to_owned()),
        "{:?}",
        commands(&dead)
    );
    assert_eq!(
        summary(&rejected),
        "Answers of 10.77.0.3:9000 to curl (pid 4711) are rejected by filter MIRRORD_INPUT_x;$(id) rule 1 (mirrord) \
         (`-A MIRRORD_INPUT_x;$(id) -p tcp -m connmark --mark 0x1 -j REJECT --reject-with tcp-reset`) in netns pod: only \
         the peer gets the RST, the local socket hangs"
    );
    let text = text(&rejected);
    assert!(
        text.contains("mirrord before 3.134.0") && !text.contains("If mirrord is used"),
        "{text}"
    );
    assert!(
        text.contains("it came from outside the rules, such as by `conntrack -U`"),
        "{text}"
    );
    assert!(text.contains("IPVS has services here"), "{text}");
}

#[test]
fn mirrords_rule_has_three_remedies_and_the_first_cures() {
    let finding = sample::named_findings().pop().unwrap();
    let forget = "nsenter --net=/run/netns/pod conntrack -D -f ipv4 -p tcp --orig-dst 10.77.0.3 --dport 9000 -m 0x1";
    let fixes = fixes(&finding);
    let told: Vec<_> = fixes.iter().map(|fix| (fix.kind, fix.command.as_deref())).collect();
    assert_eq!(
        told,
        [
            (FixKind::Command, Some(forget)),
            (FixKind::Upgrade, None),
            (FixKind::Setting, Some("MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS=false")),
        ]
    );
    assert!(fixes[1].why.contains("3.134.0 or later"), "{}", fixes[1].why);
    let why = why(&finding);
    for part in [
        "carries connmark 0x1, and that is why",
        "No rule here sets it",
        "`conntrack -U`, as mirrord up to 3.133 does",
        "that RST goes back to the peer",
        "waits behind curl (pid 4711)",
        "Left alone, the hang ends in about 24.0 s.",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert!(text(&finding).contains("nat OUTPUT rule 2 (istio) repeats nat OUTPUT rule 1 (istio)"));
}

#[test]
fn another_owners_rule_is_not_taken_for_mirrords() {
    let mut finding = sample::named_findings().pop().unwrap();
    for culprit in &mut finding.culprits {
        if let Culprit::Rule { rule: Some(rule), .. } = culprit {
            (rule.owner, rule.chain) = (Some(Component::Ufw), "ufw-input".into());
            rule.text = "-A ufw-input -j DROP".into();
        }
    }
    assert!(!text(&finding).contains("mirrord"), "{}", text(&finding));
    let delete = "nsenter --net=/run/netns/pod iptables-nft -t filter -D ufw-input -j DROP";
    assert_eq!(fixes(&finding)[0].command.as_deref(), Some(delete));
}
