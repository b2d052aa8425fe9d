//! Records that were lost, by where.

use crate::sink::{Loss, LossSource};
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub struct Lost {
    counts: BTreeMap<LostSource, u64>,
}

/// Where records were lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LostSource {
    /// `hook` or `queue`.
    pub kind: &'static str,
    pub name: Cow<'static, str>,
}

impl Lost {
    pub(super) fn take(&mut self, loss: &Loss) {
        let (kind, name) = match &loss.source {
            LossSource::Hook(name) => ("hook", name),
            LossSource::Queue(name) => ("queue", name),
        };
        let own = LostSource {
            kind,
            name: name.clone(),
        };
        let has_place = self.counts.contains_key(&own) || self.counts.len() < MAX_SOURCES;
        let source = if has_place { own } else { OTHERS };
        let count = self.counts.entry(source).or_default();
        *count = count.saturating_add(loss.lost);
    }

    pub fn counts(&self) -> impl ExactSizeIterator<Item = (&LostSource, u64)> {
        self.counts.iter().map(|(source, count)| (source, *count))
    }
}

/// Sources that are told apart; what the others lose is counted together.
pub(super) const MAX_SOURCES: usize = 64;
const OTHERS: LostSource = LostSource {
    kind: "other",
    name: Cow::Borrowed("other"),
};
