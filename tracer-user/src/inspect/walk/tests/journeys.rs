//! From hook to hook.

use super::*;
use crate::model::rules::{LocalRoute, Tproxy};

/// A counting chain at each hook.
fn counting() -> Lab {
    let mut lab = Lab::new();
    for hook in HOOKS {
        let chain = lab.chain(hook.name(), base(ChainKind::Filter, hook, 300));
        lab.rule(chain, [count()]);
    }
    lab
}

const HOOKS: [Hook; 5] = [
    Hook::Prerouting,
    Hook::Input,
    Hook::Forward,
    Hook::Output,
    Hook::Postrouting,
];

fn hooks(outcome: &Outcome) -> Vec<Hook> {
    let steps = outcome.steps.iter().filter(|step| step.rule.is_some());
    steps.map(|step| step.hook).collect()
}

#[test]
fn packets_pass_the_hooks_of_their_journey() {
    let lab = counting();
    let outcome = lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!(
        (outcome.end, hooks(&outcome)),
        (End::Left, vec![Hook::Output, Hook::Postrouting])
    );
    let outcome = lab.one(&syn("10.0.0.1", "10.1.0.1", 80), OUTPUT);
    let around = vec![Hook::Output, Hook::Postrouting, Hook::Prerouting, Hook::Input];
    assert_eq!((outcome.end, hooks(&outcome)), (End::Delivered, around));
    let outcome = lab.one(&arriving("10.1.0.1", 80), ARRIVAL);
    assert_eq!(
        (outcome.end, hooks(&outcome)),
        (End::Delivered, vec![Hook::Prerouting, Hook::Input])
    );
    let outcome = lab.one(&arriving("10.1.0.9", 80), ARRIVAL);
    let forwarded = vec![Hook::Prerouting, Hook::Forward, Hook::Postrouting];
    assert_eq!((outcome.end, hooks(&outcome)), (End::Left, forwarded));
}

#[test]
fn broadcasts_and_multicasts_are_delivered_and_not_forwarded() {
    let lab = counting();
    for to in ["255.255.255.255", "10.0.0.255", "10.1.0.255", "224.0.0.251", "ff02::fb"] {
        let packet = Packet {
            source: ip(if to.contains(':') { "fd00::9" } else { "10.0.0.9" }),
            ..arriving(to, 80)
        };
        let outcome = lab.one(&packet, ARRIVAL);
        let delivered = vec![Hook::Prerouting, Hook::Input];
        assert_eq!((outcome.end, hooks(&outcome)), (End::Delivered, delivered), "{to}");
    }
    let ends = ends(&lab.walk(&arriving("10.2.0.255", 80), ARRIVAL));
    assert_eq!(
        ends,
        [End::Left],
        "another subnet's broadcast is an address like others"
    );
}

#[test]
fn a_local_route_leads_here() {
    let mut lab = counting();
    lab.network.locals.push(LocalRoute {
        address: ip("10.8.0.0"),
        prefix: 16,
    });
    assert_eq!(lab.one(&arriving("10.8.0.9", 80), ARRIVAL).end, End::Delivered);
    assert_eq!(lab.one(&syn("10.0.0.1", "10.8.0.9", 80), UNROUTED).end, End::Delivered);
    assert_eq!(lab.one(&arriving("10.9.0.9", 80), ARRIVAL).end, End::Left);
}

const UNROUTED: Journey = Journey::Output { device: Fact::Unknown };

#[test]
fn one_hook_can_be_asked_alone() {
    let lab = counting();
    let walker = Walker::over(&lab.ruleset, &lab.network);
    for hook in HOOKS {
        let walk = walker.at(&arriving("10.0.0.1", 80), hook, Fact::Known(ETH0), Fact::Absent);
        assert_eq!(hooks(&walk.outcomes[0]), [hook]);
    }
}

#[test]
fn a_mark_may_lead_elsewhere_after_a_route_chain() {
    let mut lab = Lab::new();
    let mangle = lab.chain("mangle", base(ChainKind::Route, Hook::Output, -150));
    lab.rule(mangle, [port(80), set_mark(Target::Mark, 0x539)]);
    let found = ends(&lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT));
    assert!(found.contains(&End::Left) && found.contains(&End::Delivered));
    assert_eq!(lab.one(&syn("10.0.0.1", "10.0.0.9", 81), OUTPUT).end, End::Left);
    lab.ruleset.chains[0].base = base(ChainKind::Filter, Hook::Output, -150);
    assert_eq!(lab.one(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT).end, End::Left);
}

#[test]
fn a_transparent_socket_takes_the_packet_if_it_is_there() {
    let mut lab = Lab::new();
    let pre = lab.chain("pre", base(ChainKind::Filter, Hook::Prerouting, -150));
    let tproxy = |drops| {
        Item::Action(Action::Tproxy(Tproxy {
            address: None,
            port: Some(15006),
            mark: Some((0xff, 1)),
            drops,
        }))
    };
    lab.rule(pre, [port(80), tproxy(true)]);
    let packet = arriving("10.7.0.1", 80);
    let found = ends(&lab.walk(&packet, ARRIVAL));
    assert_eq!(found.len(), 2);
    let listens = |address: IpAddr, port| Some(address == ip("10.0.0.1") && port == 15006);
    let walker = Walker::over(&lab.ruleset, &lab.network).listening(&listens);
    let walk = walker.walk(&packet, ARRIVAL);
    assert_eq!(ends(&walk), [End::Delivered]);
    assert_eq!(walk.outcomes[0].packet.mark, Fact::Known(1));
    assert_eq!(walk.outcomes[0].packet.destination, ip("10.7.0.1"));
    let nobody = |_, _| Some(false);
    let walker = Walker::over(&lab.ruleset, &lab.network).listening(&nobody);
    assert_eq!(ends(&walker.walk(&packet, ARRIVAL)), [End::Dropped]);
    lab.ruleset.chains[0].rules.clear();
    lab.rule(pre, [port(80), tproxy(false), then(Verdict::Drop)]);
    let walker = Walker::over(&lab.ruleset, &lab.network).listening(&nobody);
    assert_eq!(ends(&walker.walk(&packet, ARRIVAL)), [End::Left]);
}

#[test]
fn what_was_not_read_proves_nothing() {
    let mut lab = Lab::new();
    lab.ruleset.gaps.push("nf_tables could not be read".into());
    let walk = lab.walk(&syn("10.0.0.1", "10.0.0.9", 80), OUTPUT);
    assert_eq!(ends(&walk), [End::Left]);
    assert!(!walk.outcomes[0].certain);
}
