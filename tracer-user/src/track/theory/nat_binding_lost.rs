//! The conntrack entry that translated it was deleted while it lived.

use super::case::Case;
use super::original_destination_lost::is_unaccepted;
use super::{Explanation, Opinion, Theory};
use crate::model::aspect::Seen;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Severity};
use crate::track::lost::Deleted;
use crate::track::strays::{Stray, Untranslated};

pub(super) const THEORY: Theory = Theory::new(Cause::NatBindingLost, Severity::Error, weigh);

fn weigh(case: &Case<'_>) -> Opinion {
    let Some(stray) = case.flow.signs().stray.as_deref() else {
        return Opinion::Silent;
    };
    let target = stray.packet.source;
    match &stray.why {
        Untranslated::Invalid(_) => Opinion::Excluded("its conntrack entry is there"),
        Untranslated::Deleted(_) if is_unaccepted(stray) => Opinion::Silent,
        Untranslated::Deleted(deleted) => Explanation::new(Confidence::Proved, target)
            .with(deletion(stray, deleted))
            .into(),
        Untranslated::NoEntry(connected) => Explanation::new(Confidence::Likely, target)
            .with([Evidence::Aspect {
                at: case.flow.first_seen,
                netns: case.flow.netns(),
                seen: Seen::Sockets {
                    local: connected.tuple.source,
                    sockets: vec![connected.clone()],
                },
            }])
            .into(),
    }
}

/// That the entry was deleted, and how the other end closed the connection if no packet of it was answered.
pub(super) fn deletion(stray: &Stray, deleted: &Deleted) -> impl Iterator<Item = Evidence> {
    let abort = stray.abort.as_ref().map(|abort| Evidence::RstSent {
        at: abort.at,
        netns: abort.netns,
        maker: abort.maker,
        reason: abort.reason,
        packet: None,
    });
    let deleted = Evidence::ConntrackDeleted {
        at: deleted.at,
        entry: deleted.entry,
        by: deleted.by,
    };
    [deleted].into_iter().chain(abort)
}
