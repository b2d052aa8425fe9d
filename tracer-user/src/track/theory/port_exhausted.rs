//! No source port is left.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::PortExhausted, Severity::Error, |_| Opinion::Silent);
