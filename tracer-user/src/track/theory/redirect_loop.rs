//! A proxy's own outbound connection is redirected back into it.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::RedirectLoop, Severity::Error, |_| Opinion::Silent);
