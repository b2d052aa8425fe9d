//! The conntrack table is full, or its entry clashed with another.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::ConntrackExhausted, Severity::Error, |_| Opinion::Silent);
