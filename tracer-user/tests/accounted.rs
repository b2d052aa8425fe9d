//! A ring that nobody reads for a while loses records, and every one of them is counted: what was read and what was lost
//! are together what the connections of a namespace must have sent, which its kernel counts, too.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "the whole crate is tests")]

mod space;

use space::Space;
use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use tracer_user::decode::Tables;
use tracer_user::kernel::load::{Probes, Settings};
use tracer_user::kernel::ring::Rings;
use tracer_user::kernel::stat::Stats;
use tracer_user::model::event::EventKind;
use tracer_user::model::identity::Netns;

#[test]
fn what_is_read_and_what_is_lost_is_what_was_sent() {
    // Others' connections are lost, too, and nobody knows whose a lost one was: then it is done once more.
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let round = Round::new();
        assert!(round.lost > 0, "the ring was large enough: {round:?}");
        assert!(round.read() + round.lost >= round.due(), "lost in silence: {round:?}");
        if round.read() + round.lost == round.due() {
            return;
        }
        rounds.push(round);
    }
    panic!("more was counted than was sent: {rounds:#?}");
}

/// What came of a number of connections.
#[derive(Debug)]
struct Round {
    made: u64,
    /// Records of the own namespace, by kind.
    by_kind: BTreeMap<&'static str, u64>,
    /// By the probes' count, of any namespace.
    lost: u64,
}

impl Round {
    /// The reader stands still while most of them are made.
    fn new() -> Self {
        let space = Space::new();
        let mut reader = Reader::start(space.netns);
        for count in [READ, UNREAD, READ] {
            space.inside(|| connections(count));
            reader.drain();
        }
        let made = READ + UNREAD + READ;
        assert_eq!(
            space.inside(|| [opens("ActiveOpens"), opens("PassiveOpens")]),
            [made; 2],
            "the kernel's own count"
        );
        // The last of them may be closed a little later, by the kernel's own threads.
        let patience = Instant::now() + Duration::from_secs(5);
        let mut round = reader.round(made);
        while round.read() + round.lost < round.due() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(10));
            round = reader.round(made);
        }
        for (kind, count) in &round.by_kind {
            assert!(*count <= made, "more of `{kind}` than connections: {round:?}");
        }
        round
    }

    /// Connect, established and closed of each.
    fn due(&self) -> u64 {
        self.made * 3
    }

    fn read(&self) -> u64 {
        self.by_kind.values().sum()
    }
}

struct Reader {
    /// Attached for as long as they live.
    _probes: Probes,
    rings: Rings,
    stats: Stats,
    netns: Netns,
    by_kind: BTreeMap<&'static str, u64>,
}

impl Reader {
    fn start(netns: Netns) -> Self {
        let mut probes = Probes::load(&Settings {
            export_all: true,
            ring_bytes: RING_BYTES,
            ..Settings::default()
        })
        .expect("the probes load");
        Self {
            rings: probes.take_rings().unwrap(),
            stats: probes.take_stats().unwrap(),
            _probes: probes,
            netns,
            by_kind: BTreeMap::new(),
        }
    }

    fn drain(&mut self) {
        let tables = Tables::default();
        let Self { netns, by_kind, .. } = self;
        let take = |bytes: &[u8]| {
            let Ok(event) = tables.decode(bytes, |_| None) else {
                return;
            };
            let kind = match event.kind {
                EventKind::Connect => "connect",
                EventKind::Established => "established",
                EventKind::Closed { .. } => "closed",
                EventKind::Failed { .. }
                | EventKind::Retransmit(_)
                | EventKind::RstSent(_)
                | EventKind::RstReceived { .. }
                | EventKind::Destroyed(_)
                | EventKind::Drop(_)
                | EventKind::Conntrack(_) => return,
            };
            if event.netns == *netns {
                *by_kind.entry(kind).or_default() += 1;
            }
        };
        self.rings.drain(usize::MAX, take);
    }

    fn round(&mut self, made: u64) -> Round {
        self.drain();
        let hooks = self.stats.read().expect("the counters");
        Round {
            made,
            by_kind: self.by_kind.clone(),
            lost: hooks.iter().map(|hook| hook.total().lost).sum(),
        }
    }
}

/// Opened, accepted and closed, one after the other.
fn connections(count: u64) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for _ in 0..count {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        drop((client, server));
    }
}

/// A counter of TCP's in this thread's namespace.
fn opens(counter: &str) -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp: "));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let mut pairs = names.split(' ').zip(values.split(' '));
    let (_, value) = pairs.find(|(name, _)| *name == counter).unwrap();
    value.parse().unwrap()
}

const ROUNDS: usize = 10;
/// It holds some four hundred records.
const RING_BYTES: u32 = 64 << 10;
const READ: u64 = 100;
const UNREAD: u64 = 1_000;
