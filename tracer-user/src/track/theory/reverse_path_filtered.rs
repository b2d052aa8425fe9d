//! The reverse path filter, or a missing route, drops its packets.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::ReversePathFiltered, Severity::Error, |_| Opinion::Silent);
