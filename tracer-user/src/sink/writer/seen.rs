//! An event as it waits. It goes from one processor's cache to another's: it takes little room there, and no memory of its
//! own.

use crate::model::event::{Event, EventKind};
use crate::model::identity::{Netns, Owner, SocketCookie};
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;

/// An event, with its kind where that is small.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) at: Timestamp,
    cpu: u32,
    netns: Netns,
    socket: Option<SocketCookie>,
    tuple: Option<Tuple>,
    owner: Option<Owner>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
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

impl Seen {
    /// Puts a kind that is large behind `larger`.
    pub(super) fn of(event: &Event, larger: &mut Vec<EventKind>) -> Self {
        let &Event {
            at,
            cpu,
            netns,
            socket,
            tuple,
            owner,
            ref kind,
        } = event;
        let kind = match kind {
            EventKind::Connect => Kind::Connect,
            EventKind::Established => Kind::Established,
            &EventKind::Failed { errno } => Kind::Failed { errno },
            &EventKind::Closed { errno } => Kind::Closed { errno },
            EventKind::Retransmit(_)
            | EventKind::RstSent(_)
            | EventKind::RstReceived { .. }
            | EventKind::Destroyed(_)
            | EventKind::Drop(_)
            | EventKind::Conntrack(_) => {
                larger.push(kind.clone());
                Kind::Large
            }
        };
        Self {
            at,
            cpu,
            netns,
            socket,
            tuple,
            owner,
            kind,
        }
    }

    /// The event again; a large kind is the next of `larger`.
    pub(super) fn event(self, larger: &mut impl Iterator<Item = EventKind>) -> Option<Event> {
        let Self {
            at,
            cpu,
            netns,
            socket,
            tuple,
            owner,
            kind,
        } = self;
        let kind = match kind {
            Kind::Connect => EventKind::Connect,
            Kind::Established => EventKind::Established,
            Kind::Failed { errno } => EventKind::Failed { errno },
            Kind::Closed { errno } => EventKind::Closed { errno },
            Kind::Large => larger.next()?,
        };
        Some(Event {
            at,
            cpu,
            netns,
            socket,
            tuple,
            owner,
            kind,
        })
    }
}
