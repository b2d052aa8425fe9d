//! What is tested: our reading of the rules and our walk.

use crate::frame::{Shot, TCP, TTL};
use crate::world::{self, User, is_transparent};
use std::collections::BTreeMap;
use std::net::IpAddr;
use tracer_user::inspect::source::Reader;
use tracer_user::inspect::walk::Walker;
use tracer_user::model::identity::Netns;
use tracer_user::model::rules::{Action, Fact, Item, Journey, Match, Packet, RuleId, Snapshot, Tracking, Walk};

pub(crate) struct Subject {
    reader: Reader,
    netns: Netns,
}

impl Subject {
    /// Of the calling thread's namespace.
    pub(crate) fn new() -> Self {
        let reader = Reader::new().unwrap();
        let netns = reader.own();
        Self { reader, netns }
    }

    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let snapshot = self.reader.snapshot(self.netns).unwrap();
        assert_eq!(snapshot.ruleset.gaps, [], "something could not be read");
        for rule in snapshot.ruleset.chains.iter().flat_map(|chain| &chain.rules) {
            let unknown =
                |item: &Item| matches!(item, Item::Match(Match::Unknown(_)) | Item::Action(Action::Unknown(_)));
            assert!(!rule.items.iter().any(unknown), "not understood: {rule:?}");
        }
        snapshot
    }
}

pub(crate) fn walk(snapshot: &Snapshot, packet: &Packet, journey: Journey) -> Walk {
    let listens = |_: IpAddr, port: u16| Some(world::has_sink(port) && is_transparent(port));
    Walker::new(snapshot).listening(&listens).walk(packet, journey)
}

/// The packet as the walk is told of it.
pub(crate) fn packet(shot: &Shot, user: Option<User>, mark: u32, tracking: Tracking) -> Packet {
    Packet {
        source: shot.source.ip(),
        destination: shot.destination.ip(),
        protocol: shot.protocol,
        source_port: Fact::Known(shot.source.port()),
        destination_port: Fact::Known(shot.destination.port()),
        tcp_flags: if shot.protocol == TCP {
            Fact::Known(shot.flags)
        } else {
            Fact::Absent
        },
        icmp: Fact::Absent,
        length: Fact::Known(shot.length()),
        time_to_live: Fact::Known(TTL),
        dscp: Fact::Known(0),
        mark: Fact::Known(mark),
        uid: user.map_or(Fact::Absent, |user| Fact::Known(user.0)),
        gid: user.map_or(Fact::Absent, |user| Fact::Known(user.1)),
        tracking,
    }
}

/// The test's number of a rule, which is its comment; none of those that keep the kernel's packets apart.
pub(crate) fn number(snapshot: &Snapshot, rule: RuleId) -> Option<u32> {
    let rule = snapshot.ruleset.rule(rule).unwrap();
    rule.comment.as_deref()?.strip_prefix('r')?.parse().ok()
}

/// How many packets each of the test's rules has counted.
pub(crate) fn counts(snapshot: &Snapshot) -> BTreeMap<u32, u64> {
    let rules = snapshot.ruleset.chains.iter().flat_map(|chain| &chain.rules);
    let mut all = BTreeMap::new();
    for rule in rules {
        let number = rule
            .comment
            .as_deref()
            .and_then(|comment| comment.strip_prefix('r')?.parse().ok());
        if let (Some(number), Some(counters)) = (number, rule.counters) {
            let other = all.insert(number, counters.packets);
            assert_eq!(other, None, "two rules have the number {number}");
        }
    }
    all
}
