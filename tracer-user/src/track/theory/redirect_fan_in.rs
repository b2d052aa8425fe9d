//! Behind a translation its SYN meets the socket of an older connection with the same ends, not the listener.

use super::case::Case;
use super::{Diagnosis, Explanation, Look, Opinion, Theory};
use crate::model::aspect::{Aspect, Connected, Seen, sockets};
use crate::model::conntrack::Direction;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Severity};
use crate::model::tcp::{self, TcpState};
use crate::model::walked::Traveller;
use crate::track::flow::{DropSeen, Flow, Phase};
use crate::track::naming::{self, Answered, Ask};

pub(super) const THEORY: Theory = Theory {
    look,
    asks,
    refine,
    ..Theory::new(Cause::RedirectFanIn, Severity::Error, weigh)
};

/// Only a SYN that was sent again can have met another socket than a listener.
fn look(case: &Case<'_>) -> Option<Look> {
    (connects(case) && case.flow.syn_retransmits > 0).then(|| Look {
        aspects: vec![Aspect::OtherEnd],
        ..Look::default()
    })
}

fn weigh(case: &Case<'_>) -> Opinion {
    let Some(old) = old_socket(case) else {
        return Opinion::Silent;
    };
    let seen = Seen::Sockets {
        local: old.tuple.source,
        sockets: vec![old.clone()],
    };
    // What that socket answered is not seen.
    Explanation::new(Confidence::Likely, case.leaving())
        .with([Evidence::Aspect {
            at: case.flow.examined().map_or(case.flow.first_seen, |result| result.at),
            netns: case.flow.netns(),
            seen,
        }])
        .into()
}

/// The socket that the SYNs meet. It is an older connection's: this one was never established.
pub(super) fn old_socket<'a>(case: &Case<'a>) -> Option<&'a Connected> {
    if !connects(case) || !case.is_redirected() {
        return None;
    }
    let ends = case.flow.leaving().inverted();
    let met = sockets(&case.examined()?.seen, ends.source)?;
    met.iter().find(|of| of.tuple == ends && is_old(of))
}

/// It waits for the answer to its SYN, and neither was dropped. A RST of the other end is none that a SYN_SENT takes from
/// an old socket: that sends one when it ends.
fn connects(case: &Case<'_>) -> bool {
    let ends = |drop: &DropSeen| drop.direction == Direction::Reply && drop.tcp_flags & tcp::RST != 0;
    case.flow.phase == Phase::Connecting && case.hangs() && case.drop().is_none_or(ends)
}

/// Not one that a SYN has just begun (SYN_RECV), nor one that takes a new SYN (TIME_WAIT).
fn is_old(of: &Connected) -> bool {
    use TcpState::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck};
    let state = of.socket.state;
    state.is_some_and(|state| matches!(state, Established | CloseWait | FinWait1 | FinWait2 | LastAck | Closing))
}

/// What the client answers to an acknowledgement that is not of its SYN.
fn asks(flow: &Flow) -> Vec<Ask> {
    let reset = Traveller {
        tcp_flags: tcp::RST,
        first: false,
        uid: None,
        ..naming::first(flow)
    };
    vec![Ask::new(flow.netns(), reset)]
}

/// A rule that stops it keeps the old socket alive.
fn refine(diagnosis: &mut Diagnosis, answers: &[Answered]) {
    for answered in answers {
        let knows = answered.walked.as_ref().is_ok_and(|walked| walked.caveats.is_empty());
        let mut trails = answered.trails();
        if let Some((packet, trail)) = trails.find(|(_, trail)| knows && trail.is_stopped()) {
            naming::accuse(diagnosis, answered, packet, trail);
        }
    }
}
