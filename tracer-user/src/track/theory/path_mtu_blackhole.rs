//! Small segments get through, full-sized ones never do.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::PathMtuBlackhole, Severity::Warning, |_| Opinion::Silent);
