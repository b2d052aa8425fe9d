//! Drops that no rule makes: what tells one cause from the next, and what they must not be taken for.

use super::world::*;
use crate::model::aspect::{ConntrackStatistics, Neighbour, NeighbourState, Seen, Setting};
use crate::model::conntrack::Conntrack;
use crate::model::event::Event;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Finding, RuleRole};
use crate::model::inquiry::{Examined, Question, Reply};
use crate::model::reason::DropReason;
use crate::model::rules::{Backend, End, Family, Located};
use crate::model::walked::{Named, Trail, Walked};
use crate::track::Config;

fn setting(path: &str, value: &str) -> Seen {
    Seen::Setting(Setting {
        path: path.into(),
        value: value.into(),
    })
}

fn culprit(role: RuleRole) -> Named {
    let rule = Located {
        backend: Backend::IptablesNft,
        family: Family::Ip,
        table: "mangle".into(),
        chain: "PREROUTING".into(),
        hook: None,
        index: Some(1),
        handle: None,
        text: "-A PREROUTING".into(),
        comment: None,
        owner: None,
        packets: None,
    };
    Named {
        role,
        rule,
        certain: true,
    }
}

/// What the rules did to each packet that is asked about, and what is seen beside them.
#[derive(Clone)]
struct Answer {
    rules: Vec<Named>,
    end: End,
    agrees: bool,
    seen: Vec<Seen>,
}

fn walked(answer: &Answer, packets: usize) -> Walked {
    let trail = Trail {
        rules: answer.rules.clone(),
        repeated: Vec::new(),
        end: answer.end,
        agrees: answer.agrees,
        certain: true,
        destination: None,
        connmark: None,
    };
    Walked {
        generation: Some(3),
        read_at: at(1_000),
        changed: None,
        rules: 2,
        trails: vec![trail; packets],
        setters: Vec::new(),
        caveats: Vec::new(),
        seen: answer.seen.clone(),
    }
}

/// `None`: the namespace's rules could not be read.
fn world(examined: Examined, answer: Option<Answer>) -> World {
    let config = Config {
        sweep: false,
        census: false,
        ..Config::default()
    };
    World::with(config, move |inquiry| match &inquiry.question {
        Question::Connection { .. } => Some(Reply::Connection(Box::new(examined.clone()))),
        Question::Walk { packets, .. } => Some(match &answer {
            Some(answer) => Reply::Walked(Box::new(walked(answer, packets.len()))),
            None => Reply::Unreachable("no permission".into()),
        }),
        Question::Link { .. } => Some(Reply::Link(Some(POD))),
        Question::Sweep | Question::Stalled | Question::Who(_) => Some(Reply::Link(None)),
    })
}

fn passing(rules: Vec<Named>, seen: Vec<Seen>) -> Answer {
    Answer {
        rules,
        end: End::Left,
        agrees: true,
        seen,
    }
}

fn sysctls(finding: &Finding) -> Vec<&str> {
    let settings = finding.culprits.iter().filter_map(|culprit| {
        let Culprit::Sysctl { setting, .. } = culprit else {
            return None;
        };
        Some(&*setting.path)
    });
    settings.collect()
}

fn names(finding: &Finding, wanted: RuleRole) -> bool {
    let is_one = |culprit: &Culprit| matches!(culprit, Culprit::Rule { rule: Some(_), role, .. } if *role == wanted);
    finding.culprits.iter().any(is_one)
}

/// The connection's SYN, dropped twice where the peer is.
fn dropped_at_peer(reason: DropReason, entry: Option<Conntrack>) -> Vec<Event> {
    let tuple = entry.map_or(connection(), |entry| entry.leaving());
    let drop = |millis| dropped(millis, PEER, reason, packet(tuple, Some(2), entry));
    vec![drop(1), syn_retransmit(1_000, 1), drop(1_001)]
}

const LOCALNET: &str = "net/ipv4/conf/eth0/route_localnet";

#[test]
fn a_packet_that_is_translated_to_loopback_from_outside_is_a_martian() {
    let answer = passing(vec![culprit(RuleRole::Translates)], vec![setting(LOCALNET, "0")]);
    let mut world = world(waiting(), Some(answer));
    world.play(dropped_at_peer(DropReason::IpLocalnet, Some(redirected())), 2_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::MartianRedirect, Confidence::Proved)
    );
    assert_eq!(sysctls(finding), [LOCALNET]);
    assert!(names(finding, RuleRole::Translates), "{finding:#?}");
}

#[test]
fn a_setting_that_was_set_meanwhile_is_not_accused() {
    let answer = passing(Vec::new(), vec![setting(LOCALNET, "1")]);
    let mut world = world(waiting(), Some(answer));
    world.play(dropped_at_peer(DropReason::IpLocalnet, Some(redirected())), 2_000);
    assert_eq!(world.only().cause, Cause::MartianRedirect);
    assert!(sysctls(world.only()).is_empty());
}

#[test]
fn without_a_translation_it_is_only_a_drop() {
    let mut world = world(waiting(), None);
    world.play(dropped_at_peer(DropReason::IpLocalnet, None), 2_000);
    assert_eq!(world.only().cause, Cause::DroppedInKernel);
}

fn filtered(src_valid_mark: &str, all: &str) -> World {
    let seen = vec![
        setting("net/ipv4/conf/eth0/rp_filter", "1"),
        setting("net/ipv4/conf/all/rp_filter", all),
        setting("net/ipv4/conf/eth0/src_valid_mark", src_valid_mark),
        setting("net/ipv4/conf/all/src_valid_mark", "0"),
    ];
    let mut world = world(waiting(), Some(passing(vec![culprit(RuleRole::SetsPacketMark)], seen)));
    world.play(dropped_at_peer(DropReason::IpRpfilter, Some(untranslated())), 2_000);
    world
}

#[test]
fn the_greater_value_of_rp_filter_acts() {
    let world = filtered("0", "0");
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::ReversePathFiltered, Confidence::Proved)
    );
    assert_eq!(sysctls(finding), ["net/ipv4/conf/eth0/rp_filter"]);
    assert_eq!(sysctls(filtered("0", "2").only()), ["net/ipv4/conf/all/rp_filter"]);
}

#[test]
fn a_mark_is_to_blame_only_where_the_filter_looks_at_marks() {
    assert!(!names(filtered("0", "0").only(), RuleRole::SetsPacketMark));
    assert!(names(filtered("1", "0").only(), RuleRole::SetsPacketMark));
}

fn elsewhere() -> Conntrack {
    entry(connection(), tuple("10.77.0.9:9000", "10.77.0.2:40000"))
}

fn towards(conntrack: Conntrack, state: NeighbourState) -> Examined {
    let target = conntrack.leaving().destination;
    let neighbour = Neighbour {
        address: target.address,
        state,
    };
    Examined {
        conntrack: Some(conntrack),
        socket: None,
        target,
        seen: vec![Seen::Neighbour(neighbour)],
        ..waiting()
    }
}

/// No drop is told of, as with IPv6.
fn unreachable(examined: Examined) -> World {
    let mut world = world(examined, None);
    let events = vec![syn_retransmit(1_000, 1), syn_retransmit(2_000, 2), failed(2_900, 113)];
    world.play(events, 5_000);
    world
}

#[test]
fn a_translation_to_a_neighbour_that_does_not_answer_is_an_unreachable_target() {
    for state in [NeighbourState::Incomplete, NeighbourState::Failed] {
        let world = unreachable(towards(elsewhere(), state));
        let finding = world.only();
        assert_eq!(
            (finding.cause, finding.confidence),
            (Cause::UnreachableTarget, Confidence::Proved)
        );
        assert_eq!(
            finding.connection.as_ref().unwrap().translated,
            Some(elsewhere().leaving())
        );
    }
}

#[test]
fn a_live_neighbour_and_an_untranslated_connection_are_not() {
    for examined in [
        towards(elsewhere(), NeighbourState::Reachable),
        towards(untranslated(), NeighbourState::Failed),
    ] {
        let world = unreachable(examined);
        assert!(world.findings.is_empty(), "{:#?}", world.findings);
    }
}

#[test]
fn the_drop_of_a_translated_packet_for_want_of_a_neighbour_tells_by_itself() {
    let mut world = world(waiting(), None);
    world.play(dropped_at_peer(DropReason::NeighFailed, Some(elsewhere())), 2_000);
    assert_eq!(world.only().cause, Cause::UnreachableTarget);
    let mut plain = self::world(waiting(), None);
    plain.play(dropped_at_peer(DropReason::NeighFailed, Some(untranslated())), 2_000);
    assert_eq!(plain.only().cause, Cause::DroppedInKernel);
}

fn full(entries: u32, drops: u32) -> Vec<Seen> {
    let counted = ConntrackStatistics {
        drop: drops,
        ..ConntrackStatistics::default()
    };
    vec![
        Seen::ConntrackCount(entries),
        Seen::ConntrackStatistics(counted),
        setting("net/netfilter/nf_conntrack_max", "1000"),
    ]
}

fn judged(answer: Option<Answer>) -> (Cause, Confidence) {
    let mut world = world(waiting(), answer);
    let events = vec![dropped_leaving(1), syn_retransmit(1_000, 1), dropped_leaving(1_001)];
    world.play(events, 2_000);
    (world.only().cause, world.only().confidence)
}

#[test]
fn a_full_table_drops_what_the_rules_let_pass() {
    let passes = |seen| {
        Some(Answer {
            agrees: false,
            ..passing(Vec::new(), seen)
        })
    };
    let exhausted = Cause::ConntrackExhausted;
    assert_eq!(judged(passes(full(1_000, 2))), (exhausted, Confidence::Proved));
    assert_eq!(judged(passes(full(1_000, 0))), (exhausted, Confidence::Likely));
    assert_eq!(judged(passes(full(999, 2))).0, Cause::SynDropped);
    assert_eq!(judged(passes(Vec::new())).0, Cause::SynDropped);
}

#[test]
fn a_rule_that_drops_is_not_excused_by_a_full_table() {
    let drops = Answer {
        rules: vec![culprit(RuleRole::Drops)],
        end: End::Dropped,
        agrees: true,
        seen: full(1_000, 2),
    };
    assert_eq!(judged(Some(drops)).0, Cause::SynDropped);
    assert_eq!(judged(None).0, Cause::SynDropped, "the rules were not read");
}

#[test]
fn what_is_attached_to_the_device_is_evidence() {
    let attached = crate::model::aspect::Attached {
        device: "eth0".into(),
        filters: Vec::new(),
        xdp: 7,
    };
    let seen = Seen::Attached(attached);
    let mut world = world(waiting(), Some(passing(Vec::new(), vec![seen.clone()])));
    world.play(dropped_at_peer(DropReason::TcIngress, None), 2_000);
    let finding = world.only();
    assert_eq!(finding.cause, Cause::DroppedInKernel);
    let shows = |evidence: &Evidence| matches!(evidence, Evidence::Aspect { seen: of, .. } if *of == seen);
    assert!(finding.evidence.iter().any(shows), "{finding:#?}");
}
