//! A translation leads it to a host that is gone.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::UnreachableTarget, Severity::Error, |_| Opinion::Silent);
