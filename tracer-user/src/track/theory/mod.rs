//! What may be wrong with a connection: one theory a cause. Each weighs what is known by itself, the best proved one is
//! the judgement, and the others say why not. Pure.

mod accept_queue_full;
mod case;
mod conntrack_exhausted;
mod dropped_in_kernel;
mod invalid_packet_reset;
mod loopback_only_mismatch;
mod martian_redirect;
mod nat_binding_lost;
mod no_endpoints;
mod original_destination_lost;
mod path_mtu_blackhole;
mod port_exhausted;
mod redirect_fan_in;
mod redirect_loop;
mod redirect_target_blocked;
mod redirect_target_stalled;
mod redirect_to_dead_port;
mod rejected_by_rule;
mod reply_rejected;
mod reset_by_peer;
mod reverse_path_filtered;
mod seen;
mod socket_destroyed;
mod stale_conntrack;
mod syn_dropped;
mod unanswered;
mod unreachable_target;

pub(super) use case::{Case, Surroundings};
pub(super) use redirect_to_dead_port::is_no_socket;

use super::flow::Flow;
use super::naming::{Answered, Ask};
use crate::model::aspect::{ASPECTS_MAX, Aspect};
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Connection, Considered, Culprit, Severity};
use crate::model::time::Timestamp;
use crate::model::tuple::Endpoint;
use crate::track::config::LOSS_NOTICED;

/// One thing that may be wrong.
pub(super) struct Theory {
    pub(super) cause: Cause,
    pub(super) severity: Severity,
    /// What has to be looked at before it can be weighed; `None`: nothing of the connection hints at it.
    pub(super) look: fn(&Case<'_>) -> Option<Look>,
    pub(super) weigh: fn(&Case<'_>) -> Opinion,
    /// What the rules are asked once this is the judgement.
    pub(super) asks: fn(&Flow) -> Vec<Ask>,
    /// What their answers change, beyond naming the rules that they met.
    pub(super) refine: fn(&mut Diagnosis, &[Answered]),
}

impl Theory {
    /// One that looks at nothing by itself and asks no rules.
    const fn new(cause: Cause, severity: Severity, weigh: fn(&Case<'_>) -> Opinion) -> Self {
        Self {
            cause,
            severity,
            look: |_| None,
            weigh,
            asks: |_| Vec::new(),
            refine: |_, _| {},
        }
    }
}

/// What is to be looked at before a judgement, beside entry, socket and listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Where packets go, if an event told.
    pub(super) target: Option<Endpoint>,
    pub(super) aspects: Vec<Aspect>,
}

impl Look {
    fn join(&mut self, other: Self) {
        self.target = self.target.or(other.target);
        let new = other
            .aspects
            .into_iter()
            .filter(|aspect| !self.aspects.contains(aspect));
        let new: Vec<_> = new.collect();
        self.aspects.extend(new);
        self.aspects.truncate(ASPECTS_MAX);
    }
}

/// What a theory makes of a connection.
#[derive(Debug)]
pub(super) enum Opinion {
    /// It has nothing to do with it.
    Silent,
    /// It was weighed, and this speaks against it.
    Excluded(&'static str),
    Explains(Box<Explanation>),
}

/// How a theory explains a connection.
#[derive(Debug)]
pub(super) struct Explanation {
    confidence: Confidence,
    /// Where the packets really go.
    target: Endpoint,
    culprits: Vec<Culprit>,
    /// Beside what was seen of the connection itself.
    evidence: Vec<Evidence>,
    /// Where it is another than the theory's.
    severity: Option<Severity>,
    /// It rests on something not having been seen.
    by_absence: bool,
}

impl Explanation {
    fn new(confidence: Confidence, target: Endpoint) -> Self {
        Self {
            confidence,
            target,
            culprits: Vec::new(),
            evidence: Vec::new(),
            severity: None,
            by_absence: false,
        }
    }

    /// Something that was not seen would speak against it, and a loss may have taken just that.
    fn by_absence(self) -> Self {
        Self {
            by_absence: true,
            ..self
        }
    }

    fn of_severity(self, severity: Severity) -> Self {
        Self {
            severity: Some(severity),
            ..self
        }
    }

    fn by(mut self, culprits: impl IntoIterator<Item = Culprit>) -> Self {
        self.culprits.extend(culprits);
        self
    }

    fn with(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

impl From<Explanation> for Opinion {
    fn from(explanation: Explanation) -> Self {
        Self::Explains(Box::new(explanation))
    }
}

/// What a connection suffers from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judgement {
    pub(super) cause: Cause,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    /// Where the packets really go.
    pub(super) target: Endpoint,
}

/// A judgement, and what it rests on.
#[derive(Clone, Debug)]
pub(super) struct Diagnosis {
    pub(super) cause: Cause,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    /// Where the packets really go.
    pub(super) target: Endpoint,
    pub(super) evidence: Vec<Evidence>,
    pub(super) culprits: Vec<Culprit>,
    pub(super) considered: Vec<Considered>,
    /// Other connections that wait because of it.
    pub(super) victims: Vec<Connection>,
    /// It rests on something not having been seen since this time, up to that.
    pub(super) by_absence: bool,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

impl Diagnosis {
    /// A loss was noticed: `true` if it is proved no more.
    pub(super) fn doubt(&mut self, at: Timestamp) -> bool {
        let meanwhile = self.since <= at + LOSS_NOTICED && at <= self.until + LOSS_NOTICED;
        let doubted = meanwhile && self.by_absence && self.confidence > MOST_BY_ABSENCE;
        if doubted {
            self.confidence = MOST_BY_ABSENCE;
        }
        doubted
    }

    pub(super) fn judgement(&self) -> Judgement {
        Judgement {
            cause: self.cause,
            severity: self.severity,
            confidence: self.confidence,
            target: self.target,
        }
    }

    /// The rules' answers tell that it is another cause.
    fn rename(&mut self, theory: &Theory) {
        self.cause = theory.cause;
        self.severity = theory.severity;
        self.considered.retain(|considered| considered.cause != theory.cause);
    }
}

/// What is to be looked at before [`decide`]; `None`: no theory needs a look.
pub(super) fn look(case: &Case<'_>) -> Option<Look> {
    let looks = THEORIES.iter().filter_map(|theory| (theory.look)(case));
    looks.reduce(|mut all, look| {
        all.join(look);
        all
    })
}

/// The theory that explains the connection best, if any does: the better proved, of equals the more specific.
pub(super) fn decide(case: &Case<'_>) -> Option<Judgement> {
    let mut best: Option<Judgement> = None;
    for theory in THEORIES {
        let Opinion::Explains(explanation) = doubted(case, (theory.weigh)(case)) else {
            continue;
        };
        if best.is_none_or(|before| before.confidence < explanation.confidence) {
            best = Some(Judgement {
                cause: theory.cause,
                severity: explanation.severity.unwrap_or(theory.severity),
                confidence: explanation.confidence,
                target: explanation.target,
            });
        }
    }
    best
}

/// What [`decide`] says, with all that speaks for it and against the others.
pub(super) fn diagnose(case: &Case<'_>) -> Option<Diagnosis> {
    let mut best: Option<(&Theory, Box<Explanation>)> = None;
    let mut considered = Vec::new();
    let weaker = |cause| Considered {
        cause,
        why_not: "it would explain it too, but less of it was seen",
    };
    for theory in THEORIES {
        match doubted(case, (theory.weigh)(case)) {
            Opinion::Silent => {}
            Opinion::Excluded(why_not) => considered.push(Considered {
                cause: theory.cause,
                why_not,
            }),
            Opinion::Explains(explanation) => match &best {
                Some((_, before)) if before.confidence >= explanation.confidence => {
                    considered.extend(is_weighty(theory).then(|| weaker(theory.cause)));
                }
                _ => {
                    let before = best.replace((theory, explanation));
                    considered.extend(before.map(|(theory, _)| weaker(theory.cause)));
                }
            },
        }
    }
    best.map(|(theory, explanation)| diagnosis(case, theory, *explanation, considered))
}

/// What rests on nothing else having happened is proved no more where records were lost meanwhile.
fn doubted(case: &Case<'_>, opinion: Opinion) -> Opinion {
    let Opinion::Explains(mut explanation) = opinion else {
        return opinion;
    };
    explanation.by_absence |= case.is_taken_to_wait();
    if explanation.by_absence && case.is_lossy() {
        explanation.confidence = explanation.confidence.min(MOST_BY_ABSENCE);
    }
    Opinion::Explains(explanation)
}

/// That nothing explains it is no rival of what does.
fn is_weighty(theory: &Theory) -> bool {
    theory.cause != Cause::Unanswered
}

fn diagnosis(case: &Case<'_>, theory: &Theory, explanation: Explanation, considered: Vec<Considered>) -> Diagnosis {
    let mut evidence = super::proof::evidence(case.flow, theory.cause);
    evidence.extend(explanation.evidence);
    Diagnosis {
        cause: theory.cause,
        severity: explanation.severity.unwrap_or(theory.severity),
        confidence: explanation.confidence,
        target: explanation.target,
        evidence,
        culprits: explanation.culprits,
        considered,
        victims: Vec::new(),
        by_absence: explanation.by_absence,
        since: case.flow.first_seen,
        until: case.around.now,
    }
}

/// The theory of a cause; `None` for what is found by inspection.
pub(super) fn of(cause: Cause) -> Option<&'static Theory> {
    THEORIES.iter().find(|theory| theory.cause == cause)
}

/// How surely something is concluded at most from nothing else having been seen, if records were lost.
const MOST_BY_ABSENCE: Confidence = Confidence::Likely;

/// The more specific first.
static THEORIES: &[Theory] = &[
    reply_rejected::THEORY,
    redirect_target_blocked::THEORY,
    no_endpoints::THEORY,
    rejected_by_rule::THEORY,
    conntrack_exhausted::THEORY,
    syn_dropped::THEORY,
    martian_redirect::THEORY,
    reverse_path_filtered::THEORY,
    unreachable_target::THEORY,
    dropped_in_kernel::THEORY,
    redirect_loop::THEORY,
    redirect_fan_in::THEORY,
    redirect_target_stalled::THEORY,
    accept_queue_full::THEORY,
    loopback_only_mismatch::THEORY,
    redirect_to_dead_port::THEORY,
    nat_binding_lost::THEORY,
    original_destination_lost::THEORY,
    invalid_packet_reset::THEORY,
    socket_destroyed::THEORY,
    port_exhausted::THEORY,
    stale_conntrack::THEORY,
    path_mtu_blackhole::THEORY,
    reset_by_peer::THEORY,
    unanswered::THEORY,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_of_a_connection_has_one_theory() {
        for &cause in Cause::ALL {
            let count = THEORIES.iter().filter(|theory| theory.cause == cause).count();
            assert_eq!(count, usize::from(!cause.is_inspected()), "{}", cause.name());
        }
    }
}
