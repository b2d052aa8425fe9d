//! The entry was deleted between redirect and accept: the proxy does not know where to.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::OriginalDestinationLost, Severity::Error, |_| Opinion::Silent);
