//! One namespace as it was at one time.

use super::{Network, Ruleset};
use crate::model::identity::Netns;
use crate::model::time::Timestamp;
use std::sync::Arc;

/// The rules of a namespace and the network that they act in, read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub netns: Netns,
    /// How a person enters the namespace: a path for `nsenter --net=`.
    pub enter: Option<Arc<str>>,
    /// When the reading ended.
    pub at: Timestamp,
    pub ruleset: Ruleset,
    pub network: Network,
}
