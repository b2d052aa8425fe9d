//! An old conntrack entry decides where its packets go, not a rule.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::StaleConntrack, Severity::Error, |_| Opinion::Silent);
