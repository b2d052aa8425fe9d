//! The conntrack entry that translated it was deleted while it lived.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::NatBindingLost, Severity::Error, |_| Opinion::Silent);
