//! Ways that lead to the same are one way.

use super::state::Traveller;
use crate::model::rules::{End, Step};

/// Makes one of those that are alike but for the rules that they met.
pub(super) fn alike(travellers: Vec<Traveller>) -> Vec<Traveller> {
    let mut kept: Vec<Traveller> = Vec::with_capacity(travellers.len());
    for one in travellers {
        match kept.iter_mut().find(|other| other.state == one.state) {
            Some(other) => union(&mut other.steps, one.steps),
            None => kept.push(one),
        }
    }
    kept
}

/// Makes one of those that end alike, by the same rule. A mark that is not known takes in the one that is.
pub(super) fn ended(ends: Vec<(Traveller, End)>) -> Vec<(Traveller, End)> {
    let mut kept: Vec<(Traveller, End)> = Vec::with_capacity(ends.len());
    for (one, end) in ends {
        let same = |(other, its): &&mut (Traveller, End)| *its == end && ends_like(other, &one, end);
        match kept.iter_mut().find(same) {
            Some((other, _)) => {
                other.state.mark = other.state.mark.either(one.state.mark);
                other.state.connmark = other.state.connmark.either(one.state.connmark);
                union(&mut other.steps, one.steps);
            }
            None => kept.push((one, end)),
        }
    }
    kept
}

fn ends_like(left: &Traveller, right: &Traveller, end: End) -> bool {
    let (one, other) = (&left.state, &right.state);
    let decided = !matches!(end, End::Delivered | End::Left);
    one.flow == other.flow
        && one.mark.may_be(other.mark)
        && one.connmark.may_be(other.connmark)
        && one.entry().is_some() == other.entry().is_some()
        && one.packet.time_to_live == other.packet.time_to_live
        && (!decided || left.last() == right.last())
}

/// The steps of both, in order; what only one has is uncertain.
fn union(steps: &mut Vec<Step>, others: Vec<Step>) {
    let certain = |step: &Step| Step { certain: true, ..*step };
    for step in steps.iter_mut() {
        step.certain &= others.iter().any(|other| certain(other) == certain(step));
    }
    let mut next = 0;
    for other in others {
        let rest = steps.iter_mut().enumerate().skip(next);
        let found = rest.into_iter().find(|(_, step)| certain(step) == certain(&other));
        if let Some((place, step)) = found {
            step.certain &= other.certain;
            next = place + 1;
        } else if let Some(step) = steps.iter_mut().find(|step| certain(step) == certain(&other)) {
            step.certain &= other.certain;
        } else {
            steps.insert(
                next,
                Step {
                    certain: false,
                    ..other
                },
            );
            next += 1;
        }
    }
}
