//! The entry was deleted between redirect and accept: the proxy does not know where to.

use super::case::Case;
use super::nat_binding_lost::deletion;
use super::{Explanation, Opinion, Theory};
use crate::model::finding::{Cause, Confidence, Severity};
use crate::track::strays::{Stray, Untranslated};

pub(super) const THEORY: Theory = Theory::new(Cause::OriginalDestinationLost, Severity::Error, weigh);

fn weigh(case: &Case<'_>) -> Opinion {
    let stray = case.flow.signs().stray.as_deref().filter(|stray| is_unaccepted(stray));
    match stray.map(|stray| (stray, &stray.why)) {
        Some((stray, Untranslated::Deleted(deleted))) => Explanation::new(Confidence::Proved, stray.packet.source)
            .with(deletion(stray, deleted))
            .into(),
        _ => Opinion::Silent,
    }
}

/// The entry went before the connection was accepted, and then the other end closed it.
pub(super) fn is_unaccepted(stray: &Stray) -> bool {
    stray.ends && matches!(&stray.why, Untranslated::Deleted(deleted) if deleted.unaccepted)
}
