//! It goes to loopback, and the listener is at another address.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::LoopbackOnlyMismatch, Severity::Warning, |_| Opinion::Silent);
