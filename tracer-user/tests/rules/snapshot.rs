//! A namespace of a test with rules of nf_tables, read by us.

use crate::space::Space;
use tracer_user::inspect::Reader;
use tracer_user::model::rules::Snapshot;

impl Space {
    /// With rules as nft reads them.
    pub(crate) fn with_nft(rules: &str) -> Self {
        let space = Self::new();
        space.run(&["nft", "-f", "-"], rules);
        space
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Reader::new().unwrap().snapshot(self.netns).unwrap()
    }
}
