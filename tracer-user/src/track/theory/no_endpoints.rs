//! kube-proxy rejects a service that has no endpoint: what a rule did, and whose rule it is.

use super::{Diagnosis, Opinion, Theory};
use crate::model::finding::{Cause, Culprit, RuleRole, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::NoEndpoints, Severity::Warning, |_| Opinion::Silent);

/// The rule that stopped the packets is kube-proxy's for a service without endpoints.
pub(super) fn refine(diagnosis: &mut Diagnosis) {
    let says_so = |culprit: &Culprit| {
        matches!(culprit, Culprit::Rule { rule: Some(rule), role: RuleRole::Drops | RuleRole::Rejects, .. }
            if rule.unserved().is_some())
    };
    if diagnosis.culprits.iter().any(says_so) {
        diagnosis.rename(&THEORY);
    }
}
