//! The Tracker's knobs and the bounds of its tables.

use crate::model::identity::Netns;
use std::time::Duration;

/// Packets (drops, RSTs) that wait for the connection they belong to. Past it the oldest is forgotten and counted.
pub const MAX_PACKETS: usize = 16_384;
/// Open findings. Past it new causes are only counted.
pub const MAX_FINDINGS: usize = 1_024;
/// Of these at most so many that are mere information, so that they leave room for the others.
pub const MAX_INFORMATION: usize = 256;
/// Findings of one cause in one namespace that are kept apart by destination; past it the rest is one finding.
pub const MAX_ALIKE: usize = 16;
/// Destinations that lead to one finding; past it they are looked at anew.
pub const MAX_KEYS: usize = 1_024;
/// Inquiries on their way at once. Past it connections wait for their turn.
pub const MAX_INQUIRIES: usize = 128;
/// Of these at most so many examinations, unless they are of who has few, and so many about names.
pub(super) const MAX_EXAMINATIONS: usize = 48;
pub(super) const MAX_NAME_INQUIRIES: usize = 64;
/// Destinations, and namespaces, whose examinations of the current second are counted.
pub const MAX_SHARES: usize = 1_024;
/// Different drops kept per connection (by direction, place and namespace); more are only counted.
pub const MAX_DROPS_PER_FLOW: usize = 4;
/// Destinations watched for repeated give-ups; past it the oldest is forgotten.
pub const MAX_GIVE_UPS: usize = 4_096;
/// Peers watched for recurring resets; past it the oldest is forgotten.
pub const MAX_RESETTERS: usize = 1_024;
/// Devices whose far end is remembered.
pub const MAX_LINKS: usize = 4_096;
/// RSTs of local sockets remembered for the side that receives them.
pub const MAX_RESETS: usize = 16_384;
/// Deleted conntrack entries of live connections that are remembered; past it the oldest is forgotten.
pub const MAX_LOST: usize = 4_096;
/// Moments at which losses were noticed that are remembered; past it the oldest is forgotten.
pub const MAX_LOSSES: usize = 256;
/// Packets without a socket whose connection is asked for at once; past it they are only counted.
pub const MAX_STRAYS: usize = 64;
/// Namespaces whose entrance (a path for `nsenter`) is remembered; past it one is forgotten.
pub const MAX_ENTRANCES: usize = 4_096;
/// Processes and namespaces whose names are remembered; past it the one asked for first is forgotten and counted.
pub const MAX_NAMES: usize = 4_096;
/// Findings that wait for names at once; past it the first goes without.
pub const MAX_HELD: usize = 1_024;
/// After so many sweeps that found nobody waiting (half a minute) they become rarer.
pub(super) const CALM_SWEEPS: u32 = 20;
/// How far apart they are then: what begins to wait is found that much later.
pub(super) const CALM_INTERVAL: Duration = Duration::from_secs(10);
/// Unaccepted connections watched by the sweep.
pub const MAX_WAITING: usize = 4_096;

#[expect(clippy::struct_excessive_bools, reason = "each turns one kind of question on")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a connect may go unanswered, or data unacknowledged, before it counts as hung.
    pub hang_after: Duration,
    /// How long after the end of a connection its other events (of other processors) are waited for.
    pub settle: Duration,
    /// Whether to ask for unaccepted connections in every namespace now and then.
    pub sweep: bool,
    /// Whether to ask, once at the start, for connections that hang already.
    pub census: bool,
    /// Whether to ask for the rules behind a finding.
    pub walk: bool,
    /// Whether to ask which programs, containers and pods a finding is about.
    pub names: bool,
    /// How many connections may be under suspicion at once. Past it the oldest is forgotten and counted
    /// (`Totals::evicted`).
    pub max_flows: usize,
    /// Inodes of the namespaces whose connections are wanted; empty: all. Packets of any namespace still reach them.
    pub netns: Vec<u32>,
}

impl Config {
    /// A connection that nobody accepts is seen at least twice before it counts as hung.
    pub(super) fn sweep_interval(&self) -> Duration {
        (self.hang_after / 2).max(Duration::from_secs(1))
    }

    pub(super) fn wants(&self, netns: Netns) -> bool {
        self.netns.is_empty() || self.netns.contains(&netns.inode)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hang_after: Duration::from_secs(3),
            settle: Duration::from_millis(50),
            sweep: true,
            census: true,
            walk: true,
            names: false,
            max_flows: 131_072,
            netns: Vec::new(),
        }
    }
}

/// A host that leaves a deadline behind by more than this was suspended.
pub(super) const STANDSTILL: Duration = Duration::from_secs(5);
/// A loss is noticed within this time.
pub(super) const LOSS_NOTICED: Duration = Duration::from_secs(1);
/// A packet that found no connection is given up after this long: the second SYN retransmit is out by then.
pub(super) const PACKET_PATIENCE: Duration = Duration::from_secs(4);
/// A packet whose device has to be asked for waits this long for the answer, and its connection with it.
pub(super) const LINK_PATIENCE: Duration = Duration::from_secs(2);
/// An inquiry without an answer for this long will not get one, and makes room for others.
pub(super) const ANSWER_LOST: Duration = Duration::from_secs(30);
/// How often the question for connections that hang already is repeated where it could not be answered.
pub(super) const CENSUS_TRIES: u32 = 3;
/// How long a finding waits for the names in it.
pub(super) const NAME_PATIENCE: Duration = Duration::from_millis(300);
/// How long an answer counts: a container runtime may tell more later, and numbers are given to others.
pub(super) const NAME_FRESH: Duration = Duration::from_secs(30);
/// At most one revision of a finding in this time.
pub(super) const REVISION_INTERVAL: Duration = Duration::from_secs(1);
/// A finding without connections that still hang is closed when nothing was added for this long.
pub(super) const QUIET: Duration = Duration::from_secs(30);
/// The window of repeated give-ups, and how many make a finding.
pub(super) const GIVE_UP_WINDOW: Duration = Duration::from_mins(1);
pub(super) const GIVE_UPS: u32 = 3;
/// The window of recurring resets, and how many make a pattern, if most of the connections that are opened end so.
pub(super) const RESET_WINDOW: Duration = Duration::from_mins(1);
pub(super) const RESETS: u32 = 10;
/// From the third on in a window it is counted how many connections are opened; then once in this time at most.
pub(super) const RESETS_TO_COUNT: u32 = 3;
pub(super) const COUNT_INTERVAL: Duration = Duration::from_secs(1);
/// How often a hung connection is looked at again, at most, to see whether it recovered.
pub(super) const REEXAMINE_MAX: Duration = Duration::from_secs(30);
/// Examinations of single connections a second, and how many at once after a quiet time: one costs about a millisecond.
pub(super) const EXAMINATIONS_PER_SECOND: u32 = 100;
pub(super) const EXAMINATIONS_BURST: u32 = 200;
/// As many again where others took them all: for destinations, and for namespaces, that had fewer than their share in
/// this second.
pub(super) const RESERVE_PER_SECOND: u32 = 25;
pub(super) const RESERVE_BURST: u32 = 50;
pub(super) const SHARE_OF_DESTINATION: u32 = 4;
pub(super) const SHARE_OF_NETNS: u32 = 10;
/// Questions a second, and how many at once after a quiet time, about packets without a socket and deleted entries.
pub(super) const STRAYS_PER_SECOND: u32 = 10;
pub(super) const STRAYS_BURST: u32 = 20;
/// The first pause of one that had no turn; the next are twice what it has waited, and it tries once more at the end.
pub(super) const TURN_INTERVAL: Duration = Duration::from_millis(500);
/// How long a connection waits for its examination before it is judged without one.
pub(super) const EXAMINATION_PATIENCE: Duration = Duration::from_secs(3);
/// Refused connects to the own namespace that are looked at: so many a second, so many at once, and how many destinations
/// are kept from being looked at again before their time.
pub(super) const LOCAL_LOOKS_PER_SECOND: u32 = 5;
pub(super) const LOCAL_LOOKS_BURST: u32 = 10;
pub(super) const LOCAL_LOOK_INTERVAL: Duration = Duration::from_secs(10);
pub(super) const MAX_LOCAL_LOOKS: usize = 1_024;
