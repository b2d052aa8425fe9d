//! What was seen beside the rules, as evidence and as culprits of a judgement.

use super::Diagnosis;
use crate::model::aspect::{Seen, Setting};
use crate::model::evidence::Evidence;
use crate::model::finding::Culprit;
use crate::track::naming::Answered;

/// Shows everything that was seen where the rules were asked.
pub(super) fn show(diagnosis: &mut Diagnosis, answers: &[Answered]) {
    for answered in answers {
        let seen = answered.seen().iter().map(|seen| Evidence::Aspect {
            at: answered.at,
            netns: answered.ask.netns,
            seen: seen.clone(),
        });
        diagnosis.evidence.extend(seen);
    }
}

/// The settings that were seen, with where.
pub(super) fn settings(answers: &[Answered]) -> impl Iterator<Item = (&Answered, &Setting)> {
    answers.iter().flat_map(|answered| {
        let settings = answered.seen().iter().filter_map(|seen| {
            let Seen::Setting(setting) = seen else {
                return None;
            };
            Some(setting)
        });
        settings.map(move |setting| (answered, setting))
    })
}

pub(super) fn culprit((answered, setting): (&Answered, &Setting)) -> Culprit {
    Culprit::Sysctl {
        netns: answered.ask.netns,
        enter: answered.enter.clone(),
        setting: setting.clone(),
    }
}
