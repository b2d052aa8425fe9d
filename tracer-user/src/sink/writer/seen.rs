//! An event as it waits. It goes from one processor's cache to another's: it takes little room there, and no memory of its
//! own.

use crate::model::event::{Event, EventKind};

/// An event, with its kind where that is small.
pub(super) type Seen = Event<Kind>;

#[derive(Debug)]
pub(super) enum Kind {
    Connect,
    Established,
    Failed {
        errno: u32,
    },
    Closed {
        errno: u32,
    },
    /// It lies elsewhere.
    Large,
}

/// Puts a kind that is large behind `larger`.
pub(super) fn pack(event: &Event, larger: &mut Vec<EventKind>) -> Seen {
    event.with(match &event.kind {
        EventKind::Connect => Kind::Connect,
        EventKind::Established => Kind::Established,
        &EventKind::Failed { errno } => Kind::Failed { errno },
        &EventKind::Closed { errno } => Kind::Closed { errno },
        kind @ (EventKind::Retransmit(_)
        | EventKind::RstSent(_)
        | EventKind::RstReceived { .. }
        | EventKind::Destroyed(_)
        | EventKind::Drop(_)
        | EventKind::Conntrack(_)) => {
            larger.push(kind.clone());
            Kind::Large
        }
    })
}

/// The event again; a large kind is the next of `larger`.
pub(super) fn unpack(seen: &Seen, larger: &mut impl Iterator<Item = EventKind>) -> Option<Event> {
    Some(seen.with(match seen.kind {
        Kind::Connect => EventKind::Connect,
        Kind::Established => EventKind::Established,
        Kind::Failed { errno } => EventKind::Failed { errno },
        Kind::Closed { errno } => EventKind::Closed { errno },
        Kind::Large => larger.next()?,
    }))
}
