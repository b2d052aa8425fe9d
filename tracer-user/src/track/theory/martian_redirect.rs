//! A translation leads it to loopback, which the kernel does not route.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::MartianRedirect, Severity::Error, |_| Opinion::Silent);
