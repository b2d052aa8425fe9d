//! Ways that lead to the same are one way.

use super::state::Traveller;
use crate::model::rules::{End, Step};

/// Makes one of those that are alike but for the rules that they met.
pub(super) fn alike(travellers: Vec<Traveller>) -> Vec<Traveller> {
    fold(
        travellers,
        |left, right| left.state == right.state,
        |traveller| traveller,
    )
}

/// Makes one of those that end alike, by the same rule.
pub(super) fn ended(ends: Vec<(Traveller, End)>) -> Vec<(Traveller, End)> {
    let same = |(left, end): &(Traveller, End), (right, other): &(Traveller, End)| {
        let decided = !matches!(end, End::Delivered | End::Left);
        end == other
            && left.state.flow == right.state.flow
            && left.state.mark == right.state.mark
            && left.state.connmark == right.state.connmark
            && left.state.entry().is_some() == right.state.entry().is_some()
            && (!decided || left.last() == right.last())
    };
    fold(ends, same, |(traveller, _)| traveller)
}

fn fold<T>(all: Vec<T>, same: impl Fn(&T, &T) -> bool, traveller: impl Fn(&mut T) -> &mut Traveller) -> Vec<T>
where
{
    let mut kept: Vec<T> = Vec::with_capacity(all.len());
    for mut one in all {
        match kept.iter_mut().find(|other| same(other, &one)) {
            Some(other) => {
                let steps = std::mem::take(&mut traveller(&mut one).steps);
                union(&mut traveller(other).steps, steps);
            }
            None => kept.push(one),
        }
    }
    kept
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
