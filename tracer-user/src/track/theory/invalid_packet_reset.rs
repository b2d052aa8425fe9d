//! A packet out of the window is not translated back, and the local stack resets it.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::InvalidPacketReset, Severity::Error, |_| Opinion::Silent);
