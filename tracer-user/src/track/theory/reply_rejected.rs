//! A rule rejects or drops what comes back.

use super::case::{Case, confidence};
use super::{Diagnosis, Explanation, Opinion, Theory, redirect_fan_in};
use crate::model::aspect::{Leg, Seen, setting};
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Connection, Considered, Culprit, Severity, Way};
use crate::model::tcp::ConntrackState;
use crate::model::time::Timestamp;
use crate::model::walked::Repeated;
use crate::track::naming::{self, Answered};
use std::time::Duration;

pub(super) const THEORY: Theory = Theory {
    asks: naming::reply,
    refine,
    ..Theory::new(Cause::ReplyRejected, Severity::Error, weigh)
};

fn weigh(case: &Case<'_>) -> Opinion {
    if !case.hangs() {
        return Opinion::Silent;
    }
    if redirect_fan_in::old_socket(case).is_some() {
        return Opinion::Excluded("an old socket gets its SYN, and no answer to that was dropped");
    }
    let Some(drop) = case.drop() else {
        return undropped(case);
    };
    match (case.dropped_by_rule(), drop.direction) {
        (None, _) => Opinion::Silent,
        (Some(_), Direction::Original) => Opinion::Excluded("the packets that are dropped are the connection's own"),
        (Some(drop), Direction::Reply) => Explanation::new(confidence(drop), case.target(drop))
            .by([case.nameless_rule(drop)])
            .into(),
    }
}

/// The decisive contradiction where the drops were not seen: conntrack has closed the connection that the socket still
/// waits on.
fn undropped(case: &Case<'_>) -> Opinion {
    let is_closed = |entry: &&Conntrack| entry.state == Some(ConntrackState::Close);
    let socket = case.examined().and_then(|examined| examined.socket.as_ref());
    let waits = socket.is_some_and(|socket| socket.retransmits > 0) && case.flow.signs().reset_received.is_none();
    match case.flow.entry().filter(is_closed).filter(|_| waits) {
        Some(entry) => Explanation::new(Confidence::Likely, case.leaving())
            .by([Culprit::ConntrackEntry(*entry)])
            .into(),
        None => Opinion::Excluded("no drop of its packets was seen on this host"),
    }
}

fn refine(diagnosis: &mut Diagnosis, answers: &[Answered]) {
    for answered in answers {
        diagnosis.victims.extend(victims(answered));
        repeated(diagnosis, answered);
        let expiry = expiry(diagnosis, answered);
        diagnosis.evidence.extend(expiry);
    }
}

/// The connections that go through the process whose answers are rejected, and are not marked themselves.
fn victims(answered: &Answered) -> impl Iterator<Item = Connection> {
    let legs = answered.seen().iter().filter_map(|seen| {
        let Seen::Through(through) = seen else {
            return None;
        };
        Some(&through.legs)
    });
    let unmarked = |leg: &&Leg| answered.ask.connmark != Some(leg.entry.mark);
    legs.flatten().filter(unmarked).map(|leg| waiting(answered, leg))
}

fn waiting(answered: &Answered, leg: &Leg) -> Connection {
    Connection {
        id: None,
        tuple: leg.tuple,
        translated: leg.entry.translated(),
        way: Way::Outbound,
        netns: answered.ask.netns,
        enter: answered.enter.clone(),
        owner: None,
        holder: leg.socket.process,
        state: leg.socket.state,
        started: None,
        ended: None,
        syn_retransmits: 0,
        retransmits: u32::from(leg.socket.retransmits),
        unacked: 0,
    }
}

/// Whoever looks at the rules sees the same jump twice, and must not take it for the cause.
fn repeated(diagnosis: &mut Diagnosis, answered: &Answered) {
    let mut told: Vec<&Repeated> = Vec::new();
    for repeated in answered.trails().flat_map(|(_, trail)| &trail.repeated) {
        if !told.contains(&repeated) {
            told.push(repeated);
        }
    }
    diagnosis
        .evidence
        .extend(told.iter().map(|repeated| Evidence::RepeatedJump {
            at: answered.at,
            netns: answered.ask.netns,
            first: Box::new(repeated.first.clone()),
            second: Box::new(repeated.second.clone()),
        }));
    let considered = Considered {
        cause: Cause::DuplicateJump,
        why_not: "what the first jump returns, the second one returns as well: it changes nothing",
    };
    if !told.is_empty() && !diagnosis.considered.contains(&considered) {
        diagnosis.considered.push(considered);
    }
}

/// Each retransmission renews the closed entry. When two of them lie further apart than the entry is kept, it is gone:
/// the next one begins a new entry, without the mark.
fn expiry(diagnosis: &Diagnosis, answered: &Answered) -> Option<Evidence> {
    let seconds = setting(answered.seen(), naming::TIMEOUT_CLOSE)?.value.parse().ok()?;
    let kept = Duration::from_secs(seconds);
    let from_outside = |evidence: &Evidence| {
        matches!(
            evidence,
            Evidence::MarkSetter {
                rules: 0,
                decides: Some(true),
                ..
            }
        )
    };
    let closed = |evidence: &Evidence| matches!(evidence, Evidence::Conntrack { entry, .. } if entry.state == Some(ConntrackState::Close));
    let evidence = &diagnosis.evidence;
    if !evidence.iter().any(from_outside) || !evidence.iter().any(closed) {
        return None;
    }
    let ends = evidence.iter().find_map(|evidence| {
        if let Evidence::Retransmits {
            at,
            since,
            count,
            syn: false,
            ..
        } = *evidence
        {
            Some(outlived(at, at.since(since), count, kept))
        } else {
            None
        }
    })?;
    Some(Evidence::Expiry {
        at: answered.at,
        kept,
        ends,
    })
}

/// When the first retransmission comes that the one before lies further back of than `kept`, after `count` timeouts in a
/// row took `waited`. Each is twice as long as the one before, up to the kernel's maximum.
fn outlived(last: Timestamp, waited: Duration, count: u32, kept: Duration) -> Option<Timestamp> {
    let doublings = count.saturating_sub(1).min(16);
    let mut timeout = waited * (1 << doublings) / ((2 << doublings) - 1);
    let mut at = last;
    while timeout < RTO_MAX {
        timeout = (timeout * 2).min(RTO_MAX);
        at = at + timeout;
        if timeout > kept {
            return Some(at);
        }
        if timeout.is_zero() {
            break;
        }
    }
    None
}

/// `TCP_RTO_MAX`.
const RTO_MAX: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_ends_with_the_first_retransmission_that_outlives_the_entry() {
        let ms = Duration::from_millis;
        let last = Timestamp::from_nanos(100_000_000_000);
        // Timeouts of 0.4, 0.8 and 1.6 s; then of 3.2, 6.4 and 12.8 s.
        let ends = outlived(last, ms(2_800), 3, Duration::from_secs(10)).unwrap();
        assert_eq!(ends.since(last), ms(22_400));
        let ends = outlived(last, ms(2_800), 3, Duration::from_secs(3)).unwrap();
        assert_eq!(ends.since(last), ms(3_200));
        assert_eq!(outlived(last, ms(2_800), 3, Duration::from_mins(5)), None);
        assert_eq!(outlived(last, ms(2_800), 3, Duration::from_mins(2)), None);
        assert_eq!(outlived(last, Duration::ZERO, 0, Duration::from_secs(10)), None);
        assert!(outlived(last, Duration::from_secs(1 << 30), u32::MAX, Duration::from_secs(10)).is_none());
    }
}
