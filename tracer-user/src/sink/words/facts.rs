//! What a finding's evidence says, by question.

use crate::model::conntrack::Conntrack;
use crate::model::evidence::{Evidence, Place};
use crate::model::finding::{Culprit, Finding, Way};
use crate::model::identity::Netns;
use crate::model::inquiry::{Listener, SocketInfo};
use crate::model::reason::DropReason;
use crate::model::tuple::{Endpoint, Tuple};
use crate::sink::words::phrase;

/// Looks things up in one finding.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a>(pub &'a Finding);

/// The drop that a finding is about: the one with most packets.
#[derive(Clone, Copy)]
pub(super) struct Drop<'a> {
    pub count: u32,
    pub reason: DropReason,
    pub location: Option<&'a str>,
    pub netns: Netns,
    pub place: Place,
    pub packet: Tuple,
    pub conntrack: Option<&'a Conntrack>,
    pub rejected: bool,
}

impl<'a> Facts<'a> {
    pub(super) fn drop(self) -> Option<Drop<'a>> {
        let drops = self.0.evidence.iter().filter_map(|evidence| match evidence {
            Evidence::Drop {
                count,
                reason,
                location,
                netns,
                place,
                packet,
                conntrack,
                rejected,
                ..
            } => Some(Drop {
                count: *count,
                reason: *reason,
                location: location.as_deref(),
                netns: *netns,
                place: *place,
                packet: *packet,
                conntrack: conntrack.as_ref(),
                rejected: *rejected,
            }),
            _ => None,
        });
        drops.max_by_key(|drop| drop.count)
    }

    /// The connection's conntrack entry, and the namespace it is of.
    pub(super) fn entry(self) -> Option<(&'a Conntrack, Netns)> {
        let dropped = self.drop().and_then(|drop| Some((drop.conntrack?, drop.netns)));
        let netns = self.0.connection.netns;
        let seen = self.find(|evidence| match evidence {
            Evidence::Conntrack { entry, .. } => Some((entry, netns)),
            _ => None,
        });
        dropped.or(seen).or_else(|| {
            self.0.culprits.iter().find_map(|culprit| match culprit {
                Culprit::ConntrackEntry(entry) => Some((entry, netns)),
                _ => None,
            })
        })
    }

    /// Where the packets go after translation; `None` where nothing says that they are translated.
    pub(super) fn target(self) -> Option<Endpoint> {
        let connection = &self.0.connection;
        let entry = || self.entry().and_then(|(entry, _)| entry.translated());
        let target = connection.translated.or_else(entry)?.destination;
        (target != connection.tuple.destination).then_some(target)
    }

    /// Where the packets end.
    pub(super) fn end(self) -> Endpoint {
        self.target().unwrap_or(self.0.connection.tuple.destination)
    }

    /// Who listens there: named as culprit, or seen.
    pub(super) fn listener(self) -> Option<&'a Listener> {
        let named = self.0.culprits.iter().find_map(|culprit| match culprit {
            Culprit::Listener(listener) => Some(listener),
            _ => None,
        });
        named.or_else(|| {
            self.find(|evidence| match evidence {
                Evidence::Listener { listener, .. } => Some(listener),
                _ => None,
            })
        })
    }

    /// The connection's own socket, as last seen.
    pub(super) fn socket(self) -> Option<&'a SocketInfo> {
        self.find(|evidence| match evidence {
            Evidence::Socket { socket, .. } => Some(socket),
            _ => None,
        })
    }

    pub(super) fn errno(self) -> Option<u32> {
        self.find(|evidence| match evidence {
            Evidence::Errno { errno, .. } => Some(*errno),
            _ => None,
        })
    }

    pub(super) fn gave_up(self) -> Option<u32> {
        self.find(|evidence| match evidence {
            Evidence::GaveUp { count, .. } => Some(*count),
            _ => None,
        })
    }

    /// The end of the connection that is not the socket's own.
    pub(super) fn peer(self) -> Endpoint {
        let tuple = self.0.connection.tuple;
        match self.0.connection.way {
            Way::Outbound => tuple.destination,
            Way::Inbound => tuple.source,
        }
    }

    /// Who connects, for a sentence.
    pub(super) fn who(self) -> String {
        phrase::holder(&self.0.connection).unwrap_or_else(|| "a process that is not known".to_owned())
    }

    /// The last of the evidence that `what` picks.
    fn find<T>(self, what: impl FnMut(&'a Evidence) -> Option<T>) -> Option<T> {
        self.0.evidence.iter().rev().find_map(what)
    }
}

/// Which hooks a packet meets there.
pub(super) fn hooks(place: Place) -> &'static str {
    match place {
        Place::Output => "on the way out (OUTPUT or POSTROUTING)",
        Place::Input => "on the way in (PREROUTING or INPUT)",
        Place::Forward => "on the way through (PREROUTING, FORWARD or POSTROUTING)",
    }
}
