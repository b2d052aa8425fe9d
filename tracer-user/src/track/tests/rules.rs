//! What findings make of the answers about rules.

use super::world::*;
use crate::model::aspect::{Leg, Seen, Through};
use crate::model::event::Event;
use crate::model::evidence::{Evidence, Place};
use crate::model::finding::{Cause, Confidence, Considered, Culprit, Finding, RuleRole, State};
use crate::model::inquiry::{Examined, Inquiry, Question, Reply};
use crate::model::reason::DropReason;
use crate::model::rules::{Backend, End, Family, Located, Reject};
use crate::model::tcp::{self, ConntrackState, TcpState};
use crate::model::tuple::{Endpoint, Tuple};
use crate::model::walked::{Named, Repeated, Trail, Traveller, Walked};
use crate::track::Config;
use proptest::prelude::*;

pub(super) fn located(chain: &str) -> Located {
    Located {
        backend: Backend::IptablesNft,
        family: Family::Ip,
        table: "filter".into(),
        chain: chain.into(),
        hook: None,
        index: Some(1),
        handle: Some(4),
        text: format!("-A {chain} -j DROP").into(),
        comment: None,
        owner: None,
        packets: None,
    }
}

pub(super) fn named(role: RuleRole, chain: &str) -> Named {
    Named {
        role,
        rule: located(chain),
        certain: true,
    }
}

pub(super) fn trail(end: End, rules: Vec<Named>) -> Trail {
    Trail {
        rules,
        end,
        agrees: true,
        certain: true,
        destination: None,
        connmark: None,
        repeated: Vec::new(),
    }
}

/// The answer to a question about rules.
pub(super) fn told(trails: Vec<Trail>) -> Reply {
    Reply::Walked(Box::new(walked(trails)))
}

fn walked(trails: Vec<Trail>) -> Walked {
    Walked {
        generation: Some(3),
        read_at: at(1_000),
        changed: None,
        rules: 2,
        trails,
        setters: Vec::new(),
        caveats: Vec::new(),
        seen: Vec::new(),
    }
}

/// The rules answer each packet that was dropped with `stopped`, each other with `passed`.
pub(super) fn world(examined: Examined, stopped: Trail, passed: Trail) -> World {
    answering(examined, move |packets| {
        let trails = packets
            .iter()
            .map(|packet| if packet.dropped { &stopped } else { &passed });
        Some(Reply::Walked(Box::new(walked(trails.cloned().collect()))))
    })
}

pub(super) fn answering(examined: Examined, mut rules: impl FnMut(&[Traveller]) -> Option<Reply> + 'static) -> World {
    let config = Config {
        sweep: false,
        census: false,
        ..Config::default()
    };
    World::with(config, move |inquiry| match &inquiry.question {
        Question::Connection { .. } => Some(Reply::Connection(Box::new(examined.clone()))),
        Question::Walk { packets, .. } => rules(packets),
        Question::Link { .. } | Question::Sweep | Question::Stalled | Question::Who(_) => Some(Reply::Link(None)),
    })
}

fn rules(finding: &Finding) -> Vec<(RuleRole, &str)> {
    let culprits = finding.culprits.iter().filter_map(|culprit| {
        let Culprit::Rule {
            rule: Some(rule), role, ..
        } = culprit
        else {
            return None;
        };
        Some((*role, &*rule.chain))
    });
    culprits.collect()
}

fn packets(inquiry: &Inquiry) -> &[Traveller] {
    match &inquiry.question {
        Question::Walk { packets, .. } => packets,
        Question::Connection { .. }
        | Question::Link { .. }
        | Question::Sweep
        | Question::Stalled
        | Question::Who(_) => &[],
    }
}

fn asked(world: &World) -> Vec<&Inquiry> {
    let all = world.inquiries.iter();
    all.filter(|inquiry| !packets(inquiry).is_empty()).collect()
}

fn syns_dropped() -> Vec<Event> {
    vec![dropped_leaving(1), syn_retransmit(1_000, 1), dropped_leaving(1_001)]
}

fn dropping() -> Trail {
    trail(End::Dropped, vec![named(RuleRole::Drops, "OUTPUT")])
}

fn passing() -> Trail {
    trail(End::Left, Vec::new())
}

#[test]
fn the_rule_that_drops_the_syn_is_asked_for_with_the_packet_and_named() {
    let mut world = world(waiting(), dropping(), passing());
    world.play(syns_dropped(), 2_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::SynDropped, Confidence::Proved)
    );
    assert_eq!(rules(finding), [(RuleRole::Drops, "OUTPUT")]);
    let [inquiry] = asked(&world)[..] else {
        panic!("one question: {:?}", world.inquiries)
    };
    assert_eq!(inquiry.netns, POD);
    let [packet] = packets(inquiry) else {
        panic!("one packet: {inquiry:?}")
    };
    assert_eq!((packet.tuple, packet.place), (connection(), Place::Output));
    assert_eq!((packet.at, packet.uid), (at(1), Some(1000)));
    assert!(packet.first && packet.dropped);
}

#[test]
fn a_redirect_and_the_rule_behind_it_come_of_one_walk() {
    let both = vec![named(RuleRole::Translates, "nat"), named(RuleRole::Drops, "INPUT")];
    let examined = Examined {
        conntrack: Some(redirected()),
        target: redirected().leaving().destination,
        target_is_local: true,
        listeners: vec![listener("0.0.0.0:37673", 0, 128)],
        ..waiting()
    };
    let mut world = world(examined, trail(End::Dropped, both), passing());
    let drop = |millis| {
        let packet = packet(redirected().leaving(), Some(1), Some(redirected()));
        dropped(millis, POD, DropReason::Netfilter, packet)
    };
    world.play(vec![drop(1), syn_retransmit(1_000, 1), drop(1_001)], 2_000);
    let finding = world.only();
    assert_eq!(finding.cause, Cause::RedirectTargetBlocked);
    assert_eq!(
        rules(finding),
        [(RuleRole::Drops, "INPUT"), (RuleRole::Translates, "nat")]
    );
    assert!(matches!(finding.culprits.last(), Some(Culprit::Listener(_))));
    let packet = packets(asked(&world)[0])[0];
    // It begins where the application sent it to.
    assert_eq!((packet.tuple, packet.ifindex), (connection(), Some(1)));
}

#[test]
fn the_rule_behind_a_dead_port_is_named_beside_the_entry() {
    let gone = Examined {
        conntrack: None,
        socket: None,
        target: redirected().leaving().destination,
        target_is_local: true,
        listeners: vec![],
        seen: Vec::new(),
    };
    let translating = trail(End::Delivered, vec![named(RuleRole::Translates, "nat")]);
    let mut world = world(gone, dropping(), translating);
    let packet = packet(redirected().leaving(), Some(1), Some(redirected()));
    let events = vec![
        no_socket(1, POD, packet),
        rst_received(1, TcpState::SynSent),
        failed(2, 111),
    ];
    world.play(events, 1_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::RedirectToDeadPort, Confidence::Proved)
    );
    assert_eq!(rules(finding), [(RuleRole::Translates, "nat")]);
    assert!(matches!(finding.culprits.last(), Some(Culprit::ConntrackEntry(_))));
}

/// Answers that a rule rejects by their connection's mark.
fn answers_rejected(rules: Walked) -> World {
    let mut entry = untranslated();
    (entry.mark, entry.state) = (1, Some(ConntrackState::Close));
    let examined = Examined {
        conntrack: Some(entry),
        ..waiting()
    };
    let mut world = answering(examined, move |_| Some(Reply::Walked(Box::new(rules.clone()))));
    let drop = |millis| {
        let mut packet = packet(connection().inverted(), Some(2), Some(entry));
        packet.tcp_flags = tcp::SYN | tcp::ACK;
        dropped(millis, POD, DropReason::Netfilter, packet)
    };
    world.play(vec![drop(1), syn_retransmit(1_000, 1), drop(1_001)], 2_000);
    world
}

fn rejecting() -> Trail {
    let rules = vec![named(RuleRole::Rejects, "INPUT")];
    trail(End::Rejected(Reject::TcpReset), rules)
}

#[test]
fn a_rejected_answer_names_who_rejects_it_and_who_marked_its_connection() {
    let marking = Trail {
        connmark: Some(1),
        ..trail(End::Left, vec![named(RuleRole::SetsMark, "mangle")])
    };
    let world = answers_rejected(walked(vec![rejecting(), marking]));
    let finding = world.only();
    assert_eq!(finding.cause, Cause::ReplyRejected);
    assert_eq!(
        rules(finding),
        [(RuleRole::Rejects, "INPUT"), (RuleRole::SetsMark, "mangle")]
    );
    let inquiry = asked(&world)[0];
    let [answer, first, unmarked] = packets(inquiry) else {
        panic!("three packets: {inquiry:?}")
    };
    assert_eq!((answer.tuple, answer.ifindex), (connection().inverted(), Some(2)));
    assert_eq!((first.tuple, first.first, first.dropped), (connection(), true, false));
    assert_eq!((unmarked.tuple, unmarked.dropped), (answer.tuple, false));
    assert_eq!(unmarked.conntrack.map(|entry| entry.mark), Some(0));
    assert!(matches!(inquiry.question, Question::Walk { connmark: Some(1), .. }));
}

#[test]
fn a_mark_without_which_the_answer_would_pass_is_why_it_is_rejected() {
    let decides = |unmarked: Trail| {
        let world = answers_rejected(walked(vec![rejecting(), passing(), unmarked]));
        let walks = |evidence: &&Evidence| matches!(evidence, Evidence::RulesWalked { .. });
        let evidence = &world.only().evidence;
        // The packet that did not come is no evidence.
        assert_eq!(evidence.iter().filter(walks).count(), 2);
        let setter = |evidence: &&Evidence| matches!(evidence, Evidence::MarkSetter { .. });
        let told = evidence.iter().find(setter).cloned();
        let Some(Evidence::MarkSetter { decides, .. }) = told else {
            panic!("nothing is told of the mark: {evidence:#?}");
        };
        decides
    };
    assert_eq!(decides(passing()), Some(true));
    assert_eq!(decides(rejecting()), Some(false));
    let unsure = Trail {
        certain: false,
        ..passing()
    };
    assert_eq!(decides(unsure), None);
}

#[test]
fn a_repeated_jump_is_told_as_harmless_and_is_no_culprit() {
    let repeated = Repeated {
        first: located("OUTPUT"),
        second: located("OUTPUT"),
    };
    let met_twice = Trail {
        repeated: vec![repeated],
        ..passing()
    };
    let world = answers_rejected(walked(vec![rejecting(), met_twice.clone(), met_twice]));
    let finding = world.only();
    assert_eq!(rules(finding), [(RuleRole::Rejects, "INPUT")]);
    let told = |evidence: &&Evidence| matches!(evidence, Evidence::RepeatedJump { .. });
    assert_eq!(finding.evidence.iter().filter(told).count(), 1);
    let considered = |of: &&Considered| of.cause == Cause::DuplicateJump;
    assert_eq!(finding.considered.iter().filter(considered).count(), 1);
}

#[test]
fn who_goes_through_the_marked_connections_process_waits_and_the_marked_do_not_count() {
    let leg = |port: u16, mark: u32| {
        let mut entry = untranslated();
        entry.mark = mark;
        Leg {
            tuple: Tuple::new(
                Endpoint {
                    port,
                    ..connection().source
                },
                connection().destination,
            ),
            entry,
            socket: waiting().socket.unwrap(),
        }
    };
    let mut answer = walked(vec![rejecting(), passing(), passing()]);
    answer.seen = vec![Seen::Through(Through {
        legs: vec![leg(41_000, 0), leg(41_001, 1)],
        left_out: 0,
    })];
    let world = answers_rejected(answer);
    let ports = world.only().victims.iter().map(|victim| victim.tuple.source.port);
    assert_eq!(ports.collect::<Vec<_>>(), [41_000]);
}

#[test]
fn a_rule_that_gives_another_mark_is_not_accused() {
    let marking = Trail {
        connmark: Some(0x111),
        ..trail(End::Left, vec![named(RuleRole::SetsMark, "mangle")])
    };
    let world = answers_rejected(walked(vec![rejecting(), marking]));
    let finding = world.only();
    assert_eq!(rules(finding), [(RuleRole::Rejects, "INPUT")]);
    let unset = |evidence: &Evidence| {
        matches!(
            evidence,
            Evidence::MarkSetter {
                connmark: 1,
                rules: 0,
                ..
            }
        )
    };
    assert!(finding.evidence.iter().any(unset), "{:#?}", finding.evidence);
}

#[test]
fn a_rule_that_the_first_packet_does_not_meet_may_have_set_the_mark() {
    let mut rules_read = walked(vec![rejecting(), passing()]);
    rules_read.setters = vec![located("later")];
    let world = answers_rejected(rules_read);
    assert_eq!(
        rules(world.only()),
        [(RuleRole::Rejects, "INPUT"), (RuleRole::SetsMark, "later")]
    );
}

#[test]
fn rules_that_contradict_what_was_seen_name_nobody_and_are_told() {
    let contradiction = Trail {
        agrees: false,
        ..trail(End::Left, vec![named(RuleRole::Drops, "elsewhere")])
    };
    let mut world = world(waiting(), contradiction, passing());
    world.play(syns_dropped(), 2_000);
    let finding = world.only();
    // The drop itself was seen, and that a rule made it is inferred.
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::SynDropped, Confidence::Likely)
    );
    assert!(rules(finding).is_empty());
    let told = |evidence: &Evidence| matches!(evidence, Evidence::RulesWalked { passage, .. } if !passage.agrees);
    assert!(finding.evidence.iter().any(told));
}

#[test]
fn two_rules_that_may_both_have_done_it_are_both_named() {
    let either = vec![named(RuleRole::Drops, "one"), named(RuleRole::Drops, "other")];
    let mut world = world(waiting(), trail(End::Dropped, either), passing());
    world.play(syns_dropped(), 2_000);
    assert_eq!(
        rules(world.only()),
        [(RuleRole::Drops, "one"), (RuleRole::Drops, "other")]
    );
}

#[test]
fn what_leads_around_the_rules_leaves_the_finding_likely() {
    let mut world = answering(waiting(), |_| {
        let caveats = vec!["IPVS has services here".into()];
        Some(Reply::Walked(Box::new(Walked {
            caveats,
            ..walked(vec![dropping()])
        })))
    });
    world.play(syns_dropped(), 2_000);
    let finding = world.only();
    assert_eq!(finding.confidence, Confidence::Likely);
    assert_eq!(rules(finding), [(RuleRole::Drops, "OUTPUT")]);
}

#[test]
fn a_reject_rule_tells_a_rejection_that_nothing_else_did() {
    let mut world = world(waiting(), rejecting(), passing());
    world.play(syns_dropped(), 2_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::RejectedByRule, Confidence::Likely)
    );
    assert_eq!(world.tracker.totals().findings.get(&Cause::RejectedByRule), Some(&1));
    // The error comes at last.
    world.feed([failed(2_500, 111)]);
    world.run_until(4_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::RejectedByRule, Confidence::Proved)
    );
}

#[test]
fn nothing_explains_it_and_the_rules_let_it_pass() {
    let hang = || vec![syn_retransmit(1_000, 1), syn_retransmit(2_000, 2)];
    let mut cleared = world(waiting(), dropping(), passing());
    cleared.play(hang(), 4_000);
    assert_eq!(cleared.only().confidence, Confidence::Likely);
    assert!(rules(cleared.only()).is_empty());
    let unsure = Trail {
        certain: false,
        ..passing()
    };
    let mut unclear = world(waiting(), dropping(), unsure);
    unclear.play(hang(), 4_000);
    assert_eq!(
        (unclear.only().cause, unclear.only().confidence),
        (Cause::Unanswered, Confidence::Possible)
    );
}

#[test]
fn rules_that_are_not_told_hold_a_finding_up_no_longer_than_an_examination() {
    let mut world = answering(waiting(), |_| None);
    world.play(syns_dropped(), 3_900);
    assert!(world.findings.is_empty(), "it waits: {:#?}", world.findings);
    world.run_until(4_200);
    let finding = world.only();
    assert_eq!((finding.cause, finding.state), (Cause::SynDropped, State::Open));
    assert!(rules(finding).is_empty());
}

#[test]
fn an_answer_that_comes_late_is_a_revision() {
    let mut world = answering(waiting(), |_| None);
    world.play(syns_dropped(), 5_000);
    let inquiry = asked(&world)[0].clone();
    world.answer(&inquiry, 5_000, Reply::Walked(Box::new(walked(vec![dropping()]))));
    world.run_until(7_000);
    let finding = world.only();
    assert_eq!((finding.revision, finding.state), (1, State::Updated));
    assert_eq!(rules(finding), [(RuleRole::Drops, "OUTPUT")]);
}

#[test]
fn a_finding_that_waits_for_its_rules_is_given_out_at_the_end() {
    let mut world = answering(waiting(), |_| None);
    world.play(syns_dropped(), 2_000);
    assert!(world.findings.is_empty());
    world.finish(2_100);
    assert_eq!(world.only().cause, Cause::SynDropped);
}

#[test]
fn a_finding_whose_connection_ends_while_it_waits_is_told_whole_and_closed() {
    let mut world = answering(waiting(), |_| None);
    world.play(syns_dropped(), 1_500);
    world.feed([failed(1_600, 0)]);
    world.run_until(60_000);
    assert_eq!(world.states(), [State::Open, State::Closed]);
}

#[test]
fn rules_that_cannot_be_read_are_said_to_be_unread() {
    let mut world = answering(waiting(), |_| Some(Reply::Unreachable("not permitted".into())));
    world.play(syns_dropped(), 2_000);
    let unread =
        |evidence: &Evidence| matches!(evidence, Evidence::RulesNotRead { why, .. } if &**why == "not permitted");
    assert!(world.only().evidence.iter().any(unread));
}

#[test]
fn many_connections_with_one_cause_ask_once() {
    let mut world = world(waiting(), dropping(), passing());
    for n in 0..20 {
        world.feed([super::bounds::nth(n, 1)]);
    }
    world.run_until(10_000);
    assert_eq!(world.only().count, 20);
    assert_eq!(asked(&world).len(), 1);
}

proptest! {
    #[test]
    fn the_order_of_events_changes_neither_cause_nor_rule(events in Just(syns_dropped()).prop_shuffle()) {
        let mut world = world(waiting(), dropping(), passing());
        world.feed(events);
        world.run_until(5_000);
        prop_assert_eq!(world.only().cause, Cause::SynDropped);
        prop_assert_eq!(rules(world.only()), vec![(RuleRole::Drops, "OUTPUT")]);
    }
}

/// No drop was seen: the first packet that is asked about is its own, the second what would come back.
fn silent_hang(stopped: usize, end: End, role: RuleRole) -> Finding {
    let mut world = answering(waiting(), move |packets| {
        let trails = (0..packets.len()).map(|index| {
            if index == stopped {
                trail(end, vec![named(role, "CHAIN")])
            } else {
                trail(End::Left, Vec::new())
            }
        });
        Some(told(trails.collect()))
    });
    world.play(vec![syn_retransmit(1_000, 1), syn_retransmit(3_000, 2)], 5_000);
    world.only().clone()
}

#[test]
fn rules_that_stop_it_are_named_although_no_drop_was_seen() {
    for (stopped, end, role, cause) in [
        (0, End::Dropped, RuleRole::Drops, Cause::SynDropped),
        (
            0,
            End::Rejected(Reject::TcpReset),
            RuleRole::Rejects,
            Cause::RejectedByRule,
        ),
        (1, End::Dropped, RuleRole::Drops, Cause::ReplyRejected),
    ] {
        let finding = silent_hang(stopped, end, role);
        assert_eq!((finding.cause, finding.confidence), (cause, Confidence::Likely));
        assert_eq!(rules(&finding), [(role, "CHAIN")]);
        assert!(!finding.considered.iter().any(|considered| considered.cause == cause));
    }
}

#[test]
fn rules_that_may_stop_it_are_not_named() {
    let mut world = answering(waiting(), |packets| {
        let mut unsure = trail(End::Dropped, vec![named(RuleRole::Drops, "CHAIN")]);
        unsure.certain = false;
        Some(told(packets.iter().map(|_| unsure.clone()).collect()))
    });
    world.play(vec![syn_retransmit(1_000, 1), syn_retransmit(3_000, 2)], 5_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::Unanswered, Confidence::Possible)
    );
    assert_eq!(rules(finding), []);
}
