//! kube-proxy rejects a service that has no endpoint.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::NoEndpoints, Severity::Warning, |_| Opinion::Silent);
