//! A proxy's own outbound connection is redirected back into it. It seems to stall until it is seen whose connections wait.

use super::{Diagnosis, Opinion, Theory};
use crate::model::aspect::{Seen, sockets_to};
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Considered, Culprit, Severity};
use crate::track::naming::Answered;

pub(super) const THEORY: Theory = Theory::new(Cause::RedirectLoop, Severity::Error, |_| Opinion::Silent);

/// Only where a connection of the listener's own process waits for it, its sockets to the destination are asked for. One
/// is legal (a pod behind a sidecar that calls itself).
pub(super) fn refine(diagnosis: &mut Diagnosis, answers: &[Answered]) {
    let process = diagnosis.culprits.iter().find_map(|culprit| {
        let Culprit::Listener(listener) = culprit else {
            return None;
        };
        listener.process
    });
    for answered in answers {
        let Some(sockets) = sockets_to(answered.seen()) else {
            continue;
        };
        let (Some(process), Some((holder, held))) = (process, sockets.holder) else {
            continue;
        };
        if holder.pid == process.pid && held >= RECURRENCES {
            diagnosis.rename(&THEORY);
            diagnosis.considered.push(Considered {
                cause: Cause::RedirectTargetStalled,
                why_not: "it is its own connections that fill it",
            });
            diagnosis.evidence.push(Evidence::Aspect {
                at: answered.at,
                netns: answered.ask.netns,
                seen: Seen::SocketsTo(Box::new(sockets.clone())),
            });
            return;
        }
    }
}

/// Sockets of the process to one destination that make a loop.
const RECURRENCES: u32 = 3;
