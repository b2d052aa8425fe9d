//! Sets and maps of nf_tables.

use super::{Family, Value, Verdict};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    pub family: Family,
    pub table: Arc<str>,
    /// `__set0` and the like where it is part of one rule.
    pub name: Arc<str>,
    /// Belongs to one rule (`{ 80, 443 }`).
    pub anonymous: bool,
    /// Packets can add and remove elements, or they time out: what is in it now need not be what was in it then.
    pub dynamic: bool,
    /// Not all elements were read (too many, or changed while reading): "not in it" proves nothing.
    pub incomplete: bool,
    pub elements: Vec<Element>,
    /// What a map gives for a key that is in no element (`*`).
    pub default: Option<Data>,
}

/// One element, or one interval: from the key to the last one, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// One value for each part of a concatenation.
    pub key: Vec<Value>,
    /// The end of an interval, inclusive.
    pub last: Option<Vec<Value>>,
    /// What a map gives.
    pub data: Option<Data>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    Values(Vec<Value>),
    Verdict(Verdict),
}
