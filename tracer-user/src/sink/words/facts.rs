//! What a finding's evidence says, by question.

use crate::model::aspect::{Seen, Setting, SocketsTo};
use crate::model::conntrack::Conntrack;
use crate::model::evidence::{Evidence, Place};
use crate::model::finding::{Connection, Culprit, Finding, RuleRole, Way};
use crate::model::identity::{Netns, Process};
use crate::model::inquiry::{Listener, SocketInfo};
use crate::model::reason::DropReason;
use crate::model::rules::Located;
use crate::model::tcp::TcpState;
use crate::model::tuple::{Endpoint, Tuple};
use crate::sink::words::{phrase, rule};
use std::time::Duration;

/// Looks things up in the finding of a connection.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a>(pub &'a Finding, pub &'a Connection);

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

/// The entry that is gone, as it was.
#[derive(Clone, Copy)]
pub(super) struct Deleted<'a> {
    pub entry: &'a Conntrack,
    by: Option<Process>,
}

impl Deleted<'_> {
    /// ` by conntrack (pid 4711)`, where that is known.
    pub(super) fn by(self) -> String {
        self.by
            .map_or(String::new(), |by| format!(" by {}", phrase::process(by.pid, by.comm)))
    }
}

/// What becomes of a hang by itself.
#[derive(Clone, Copy)]
pub(super) enum LeftAlone {
    /// Counted from the look that told.
    EndsIn(Duration),
    Lasts,
}

impl<'a> Facts<'a> {
    pub(super) fn drop(self) -> Option<Drop<'a>> {
        let drops = self.0.evidence.iter().filter_map(Drop::of);
        drops.max_by_key(|drop| drop.count)
    }

    /// The connection's conntrack entry, and the namespace it is of.
    pub(super) fn entry(self) -> Option<(&'a Conntrack, Netns)> {
        let netns = self.1.netns;
        let dropped = self.drop().and_then(|drop| Some((drop.conntrack?, drop.netns)));
        let seen = || {
            self.find(|evidence| {
                let Evidence::Conntrack { entry, .. } = evidence else {
                    return None;
                };
                Some((entry, netns))
            })
        };
        let named = || {
            self.0.culprits.iter().find_map(|culprit| {
                let Culprit::ConntrackEntry(entry) = culprit else {
                    return None;
                };
                Some((entry, netns))
            })
        };
        dropped.or_else(seen).or_else(named)
    }

    /// The rule that drops or rejects the packets, where its name is known.
    pub(super) fn dropping(self) -> Option<&'a Located> {
        let ends = |role| matches!(role, RuleRole::Drops | RuleRole::Rejects);
        rule::named(self.0, ends).next().map(|(rule, _)| rule)
    }

    /// Whether the rule that stops the packets answers them.
    pub(super) fn rejects(self) -> bool {
        let rejects = |role| role == RuleRole::Rejects;
        self.drop().is_some_and(|drop| drop.rejected) || rule::named(self.0, rejects).next().is_some()
    }

    /// The rule that translates the connection, where its name is known.
    pub(super) fn translating(self) -> Option<&'a Located> {
        let translates = |role| role == RuleRole::Translates;
        rule::named(self.0, translates).next().map(|(rule, _)| rule)
    }

    /// The rule that sets the connection's mark, where one is known.
    pub(super) fn marking(self) -> Option<&'a Located> {
        rule::named(self.0, |role| role == RuleRole::SetsMark)
            .next()
            .map(|(rule, _)| rule)
    }

    /// How many rules can set the connection's mark that its first packet did not meet, and whether the mark decides.
    pub(super) fn mark_setter(self) -> Option<(u32, Option<bool>)> {
        self.find(|evidence| {
            let Evidence::MarkSetter { rules, decides, .. } = evidence else {
                return None;
            };
            Some((*rules, *decides))
        })
    }

    /// Whether the rules were read, and none of them sets the connection's mark.
    pub(super) fn is_marked_from_outside(self) -> bool {
        self.marking().is_none() && self.mark_setter().is_some_and(|(rules, _)| rules == 0)
    }

    /// How long a hang goes on if nobody does anything, as far as that was told.
    pub(super) fn left_alone(self) -> Option<LeftAlone> {
        self.find(|evidence| {
            let Evidence::Expiry { at, ends, .. } = evidence else {
                return None;
            };
            Some(ends.map_or(LeftAlone::Lasts, |ends| LeftAlone::EndsIn(ends.since(*at))))
        })
    }

    /// Whether the rules of the connection's namespace were read.
    pub(super) fn rules_read(self) -> bool {
        let walked = |evidence: &Evidence| matches!(evidence, Evidence::RulesWalked { .. });
        self.0.evidence.iter().any(walked)
    }

    /// Where the packets go after translation; `None` where nothing says that they are translated.
    pub(super) fn target(self) -> Option<Endpoint> {
        let connection = self.1;
        let entry = || self.entry().and_then(|(entry, _)| entry.translated());
        let target = connection.translated.or_else(entry)?.destination;
        (target != connection.tuple.destination).then_some(target)
    }

    /// Where the packets end.
    pub(super) fn end(self) -> Endpoint {
        self.target().unwrap_or(self.1.tuple.destination)
    }

    /// Who listens there: named as culprit, or seen.
    pub(super) fn listener(self) -> Option<&'a Listener> {
        let named = self.0.culprits.iter().find_map(|culprit| {
            let Culprit::Listener(listener) = culprit else {
                return None;
            };
            Some(listener)
        });
        let seen = || {
            self.find(|evidence| {
                let Evidence::Listener { listener, .. } = evidence else {
                    return None;
                };
                Some(listener)
            })
        };
        named.or_else(seen)
    }

    /// The settings at fault, with their namespaces.
    pub(super) fn settings(self) -> impl Iterator<Item = (&'a Setting, Netns)> {
        self.0.culprits.iter().filter_map(|culprit| {
            let Culprit::Sysctl { netns, setting, .. } = culprit else {
                return None;
            };
            Some((setting, *netns))
        })
    }

    /// What was looked at, the last first.
    pub(super) fn seen(self) -> impl Iterator<Item = &'a Seen> {
        self.0.evidence.iter().rev().filter_map(|evidence| {
            let Evidence::Aspect { seen, .. } = evidence else {
                return None;
            };
            Some(seen)
        })
    }

    /// The rule that changes the mark of the packet, where one is known.
    pub(super) fn remarking(self) -> Option<&'a Located> {
        rule::named(self.0, |role| role == RuleRole::SetsPacketMark)
            .next()
            .map(|(rule, _)| rule)
    }

    /// The connection's own socket, as last seen.
    pub(super) fn socket(self) -> Option<&'a SocketInfo> {
        self.find(|evidence| {
            let Evidence::Socket { socket, .. } = evidence else {
                return None;
            };
            Some(socket)
        })
    }

    pub(super) fn errno(self) -> Option<u32> {
        self.find(|evidence| {
            let Evidence::Errno { errno, .. } = evidence else {
                return None;
            };
            Some(*errno)
        })
    }

    /// Who destroyed its socket, and in which state that was.
    pub(super) fn destroyed(self) -> Option<(Option<Process>, Option<TcpState>)> {
        self.find(|evidence| {
            let Evidence::Destroyed { by, state, .. } = evidence else {
                return None;
            };
            Some((*by, *state))
        })
    }

    /// How many resets make it a pattern, of how many connections, and in which time.
    pub(super) fn recurring(self) -> Option<(u32, u64, Duration)> {
        self.find(|evidence| {
            let Evidence::ResetsRecur {
                at,
                since,
                resets,
                opened,
            } = evidence
            else {
                return None;
            };
            Some((*resets, *opened, at.since(*since)))
        })
    }

    pub(super) fn gave_up(self) -> Option<u32> {
        self.find(|evidence| {
            let Evidence::GaveUp { count, .. } = evidence else {
                return None;
            };
            Some(*count)
        })
    }

    /// The sockets to one endpoint, where they were counted.
    pub(super) fn sockets_to(self) -> Option<&'a SocketsTo> {
        self.seen().find_map(|seen| {
            let Seen::SocketsTo(sockets) = seen else {
                return None;
            };
            Some(&**sockets)
        })
    }

    /// The end of the connection that is not the socket's own.
    pub(super) fn peer(self) -> Endpoint {
        let tuple = self.1.tuple;
        match self.1.way {
            Way::Outbound => tuple.destination,
            Way::Inbound => tuple.source,
        }
    }

    /// The packet that met no socket, as it came.
    pub(super) fn stray(self) -> Option<Tuple> {
        self.find(|evidence| {
            let Evidence::RstSent { packet, .. } = evidence else {
                return None;
            };
            *packet
        })
    }

    /// Who sent it.
    pub(super) fn sender(self) -> Endpoint {
        self.stray().map_or_else(|| self.end(), |packet| packet.source)
    }

    /// That the connection's entry was deleted, where that was seen.
    pub(super) fn deleted(self) -> Option<Deleted<'a>> {
        self.find(|evidence| {
            let Evidence::ConntrackDeleted { entry, by, .. } = evidence else {
                return None;
            };
            Some(Deleted { entry, by: *by })
        })
    }

    /// Who connects, for a sentence.
    pub(super) fn who(self) -> String {
        phrase::holder(self.1).unwrap_or_else(|| "a process that is not known".to_owned())
    }

    /// The last of the evidence that `what` picks.
    fn find<T>(self, what: impl FnMut(&'a Evidence) -> Option<T>) -> Option<T> {
        self.0.evidence.iter().rev().find_map(what)
    }
}

impl<'a> Drop<'a> {
    fn of(evidence: &'a Evidence) -> Option<Self> {
        let Evidence::Drop {
            count,
            reason,
            location,
            netns,
            place,
            packet,
            conntrack,
            rejected,
            ..
        } = evidence
        else {
            return None;
        };
        Some(Self {
            count: *count,
            reason: *reason,
            location: location.as_deref(),
            netns: *netns,
            place: *place,
            packet: *packet,
            conntrack: conntrack.as_ref(),
            rejected: *rejected,
        })
    }

    /// Whether a netfilter rule did it.
    pub(super) fn is_by_rule(&self) -> bool {
        self.reason == DropReason::Netfilter
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
