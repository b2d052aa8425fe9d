//! Two connections meet in one translated tuple.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::RedirectFanIn, Severity::Error, |_| Opinion::Silent);
