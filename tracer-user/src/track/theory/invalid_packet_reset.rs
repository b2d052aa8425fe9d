//! A packet out of the window is not translated back, and the local stack resets it.

use super::case::Case;
use super::{Explanation, Opinion, Theory};
use crate::model::aspect;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::track::strays::{LIBERAL, Untranslated};

pub(super) const THEORY: Theory = Theory::new(Cause::InvalidPacketReset, Severity::Error, weigh);

fn weigh(case: &Case<'_>) -> Opinion {
    let Some(stray) = case.flow.signs().stray.as_deref() else {
        return Opinion::Silent;
    };
    let Untranslated::Invalid(entry) = &stray.why else {
        return Opinion::Excluded("conntrack had no entry for the packet");
    };
    let netns = case.flow.netns();
    let setting = aspect::setting(&stray.settings, LIBERAL);
    // What is out of the window would not be invalid, and whose the entry is was not seen where its socket is elsewhere.
    let liberal = setting.is_some_and(|setting| &*setting.value == "1");
    let waits = case.examined().is_some_and(|examined| examined.socket.is_some());
    let confidence = if waits && !liberal {
        Confidence::Proved
    } else {
        Confidence::Likely
    };
    let culprit = setting.map(|setting| Culprit::Sysctl {
        netns,
        enter: case.flow.examined().and_then(|looked| looked.enter.cloned()),
        setting: setting.clone(),
    });
    let seen = stray.settings.iter().map(|seen| Evidence::Aspect {
        at: case.flow.first_seen,
        netns,
        seen: seen.clone(),
    });
    Explanation::new(confidence, stray.packet.source)
        .by(culprit.into_iter().chain([Culprit::ConntrackEntry(*entry)]))
        .with(seen)
        .into()
}
