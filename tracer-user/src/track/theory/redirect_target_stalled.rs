//! The listener that a translation leads it to does not accept.

use super::accept_queue_full::full_queue;
use super::case::Case;
use super::{Opinion, Theory, redirect_fan_in, redirect_loop};
use crate::model::conntrack::Conntrack;
use crate::model::finding::{Cause, Severity};
use crate::track::naming;

pub(super) const THEORY: Theory = Theory {
    asks: naming::translated,
    refine: redirect_loop::refine,
    ..Theory::new(Cause::RedirectTargetStalled, Severity::Error, weigh)
};

fn weigh(case: &Case<'_>) -> Opinion {
    if redirect_fan_in::old_socket(case).is_some() {
        return Opinion::Excluded("its SYN meets another socket than the listener");
    }
    let redirected = match case.drop() {
        Some(drop) => drop.conntrack.as_ref().is_some_and(Conntrack::redirects),
        None => case.is_redirected(),
    };
    match full_queue(case).filter(|_| redirected) {
        Some(full) => full.into(),
        None => Opinion::Silent,
    }
}
