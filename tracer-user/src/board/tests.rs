use super::findings::{MAX_CLOSED, MAX_OPEN};
use super::lost::MAX_SOURCES;
use super::ports::MAX_PORTS;
use super::*;
use crate::model::finding::{Cause, Finding, Severity, State};
use crate::model::identity::Netns;
use crate::model::rules::Component;
use crate::sink::{Loss, LossSource, sample};
use proptest::prelude::*;

fn revised(id: u64, revision: u32, state: State) -> Finding {
    Finding {
        id,
        revision,
        state,
        ..sample::finding_of(Cause::SynDropped)
    }
}

fn taken(findings: &[Finding]) -> Board {
    let mut board = Board::default();
    for finding in findings {
        board.take(Record::Finding(finding));
    }
    board
}

fn total(board: &Board) -> u64 {
    board.findings().counts().map(|(_, count)| count).sum()
}

fn reset(maker: RstMaker, reason: Option<RstReason>) -> Event {
    Event {
        at: sample::ms(1),
        cpu: 0,
        netns: Netns::default(),
        socket: None,
        tuple: None,
        owner: None,
        kind: EventKind::RstSent(crate::model::event::RstSent {
            maker,
            reason,
            active: false,
            state: None,
            packet: None,
        }),
    }
}

#[test]
fn a_revision_replaces_the_earlier_one_and_is_counted_once() {
    let board = taken(&[revised(7, 0, State::Open), revised(7, 1, State::Updated)]);
    let open: Vec<_> = board.findings().open().collect();
    assert_eq!((open.len(), open[0].revision, total(&board)), (1, 1, 1));
}

#[test]
fn a_closed_finding_is_kept_for_a_while_and_a_retracted_one_is_not() {
    let board = taken(&[
        revised(1, 0, State::Open),
        revised(1, 1, State::Closed),
        revised(2, 0, State::Open),
        revised(2, 1, State::Retracted),
        revised(3, 0, State::Closed),
    ]);
    let ids: Vec<_> = board.findings().closed().map(|finding| finding.id).collect();
    assert_eq!(ids, [3, 1], "the latest comes first");
    assert_eq!((board.findings().open().len(), total(&board)), (0, 3));
}

#[test]
fn a_finding_that_is_judged_anew_counts_under_both_causes() {
    let before = revised(1, 0, State::Open);
    let after = Finding {
        cause: Cause::RejectedByRule,
        revision: 1,
        ..before.clone()
    };
    let board = taken(&[before, after.clone(), after]);
    let counts: Vec<_> = board.findings().counts().map(|(of, count)| (of.cause, count)).collect();
    assert_eq!(counts, [(Cause::SynDropped, 1), (Cause::RejectedByRule, 1)]);
}

#[test]
fn what_hangs_is_what_did_not_end() {
    let mut ended = revised(2, 0, State::Open);
    ended.hanging = 0;
    let board = taken(&[revised(1, 0, State::Open), ended, revised(3, 0, State::Closed)]);
    assert_eq!(board.findings().hanging(), 1);
}

#[test]
fn every_table_is_bounded_and_what_is_left_out_is_counted() {
    let many = u64::try_from(MAX_OPEN).unwrap() + 5;
    let mut board = Board::default();
    for id in 0..many {
        board.take(Record::Finding(&revised(id, 0, State::Open)));
        board.take(Record::Finding(&revised(id, 1, State::Updated)));
    }
    let findings = board.findings();
    assert_eq!((findings.open().len(), findings.left_out()), (MAX_OPEN, 5));
    assert_eq!(total(&board), many);
    for id in 0..many {
        board.take(Record::Finding(&revised(id, 2, State::Closed)));
    }
    assert_eq!(board.findings().closed().len(), MAX_CLOSED);

    for number in 0..2 * MAX_SOURCES {
        board.take(Record::Loss(&Loss {
            source: LossSource::Queue(format!("queue {number}").into()),
            ..sample::loss()
        }));
    }
    let others = board.lost().counts().find(|(source, _)| source.kind == "other");
    assert_eq!(others.map(|(_, count)| count), Some(2 * 64));

    let port = sample::ports().remove(0);
    board.replace_ports(vec![port.clone(); MAX_PORTS + 3]);
    board.take(Record::Port(&port));
    assert_eq!((board.ports().rows().len(), board.ports().left_out()), (MAX_PORTS, 4));
}

#[test]
fn events_are_counted_by_kind_and_resets_by_their_maker_and_reason() {
    let mut board = Board::default();
    for reason in [Some(RstReason::NoSocket), Some(RstReason::NoSocket), None] {
        board.take(Record::Event(&reset(RstMaker::NoSocket, reason)));
    }
    let events: Vec<_> = board.events().collect();
    assert_eq!(events, [(EventName::RstSent, 3)]);
    let resets: Vec<_> = board.resets().map(|(_, reason, count)| (reason, count)).collect();
    assert_eq!(resets, [(None, 1), (Some(RstReason::NoSocket), 2)]);
}

#[test]
fn the_owner_is_the_first_that_a_rule_names() {
    let owners: Vec<_> = sample::named_findings().iter().map(RuleOwner::of).collect();
    assert_eq!(owners, [RuleOwner::Other, RuleOwner::Known(Component::Mirrord)]);
    let of = |cause| RuleOwner::of(&sample::finding_of(cause));
    assert_eq!(of(Cause::LeftoverChain), RuleOwner::Known(Component::Mirrord));
    assert_eq!(of(Cause::StaleEntries), RuleOwner::None);
}

#[test]
fn ports_are_counted_by_owner_and_by_who_listens() {
    let mut board = Board::default();
    board.replace_ports(sample::ports());
    let counts = board.ports().counts();
    assert_eq!(counts.values().sum::<u64>(), 4);
    assert_eq!(counts.get(&(RuleOwner::Other, Listens::Nobody)), Some(&1));
}

proptest! {
    /// Whatever the order, an id is open or not, and the counts never fall.
    #[test]
    fn findings_stay_consistent(steps in proptest::collection::vec((0_u64..4, 0_u32..3, 0_usize..4, any::<bool>()), 0..60)) {
        let states = [State::Open, State::Updated, State::Closed, State::Retracted];
        let mut board = Board::default();
        let mut before = 0;
        for (id, revision, state, warns) in steps {
            let severity = if warns { Severity::Warning } else { Severity::Error };
            let finding = Finding { severity, ..revised(id, revision, states[state]) };
            board.take(Record::Finding(&finding));
            let is_open = board.findings().open().any(|open| open.id == id);
            prop_assert_eq!(is_open, state < 2);
            prop_assert!(total(&board) >= before);
            before = total(&board);
        }
    }
}
