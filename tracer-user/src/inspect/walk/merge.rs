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

/// The steps of both, in order; what only one has is uncertain. A rule that was met more than once is so many steps.
fn union(steps: &mut Vec<Step>, others: Vec<Step>) {
    let same = |pair: &(&Step, &Step)| is_same(pair.0, pair.1);
    let shorter = steps.len().min(others.len());
    let ahead = steps.iter().zip(&others).take_while(same).count();
    let behind = steps.iter().rev().zip(others.iter().rev()).take_while(same).count();
    let behind = behind.min(shorter - ahead);
    let between = ahead..steps.len() - behind;
    // Where each step of the other way is in this one.
    let mut places: Vec<Option<usize>> = vec![None; others.len()];
    let shift = others.len().wrapping_sub(steps.len());
    for (place, step) in steps.iter_mut().enumerate() {
        let partner = if between.contains(&place) {
            let mut middle = others
                .iter()
                .zip(&places)
                .enumerate()
                .take(others.len() - behind)
                .skip(ahead);
            middle
                .find(|(_, (other, taken))| taken.is_none() && is_same(step, other))
                .map(|(partner, _)| partner)
        } else if place < ahead {
            Some(place)
        } else {
            Some(place.wrapping_add(shift))
        };
        let found = partner.and_then(|partner| Some((others.get(partner)?, places.get_mut(partner)?)));
        step.certain &= found.as_ref().is_some_and(|(other, _)| other.certain);
        if let Some((_, taken)) = found {
            *taken = Some(place);
        }
    }
    let (mut next, mut inserted) = (0, 0);
    for (other, place) in others.into_iter().zip(places) {
        if let Some(place) = place {
            next = next.max(place + inserted + 1);
        } else {
            let certain = false;
            steps.insert(next, Step { certain, ..other });
            (next, inserted) = (next + 1, inserted + 1);
        }
    }
}

fn is_same(left: &Step, right: &Step) -> bool {
    let certain = true;
    Step { certain, ..*left } == Step { certain, ..*right }
}
