//! What the shell hands to an output: the Tracker's records and the tracer's own.

use crate::model::event::Event;
use crate::model::finding::{Cause, Finding};
use crate::model::hook::How;
use crate::model::inquiry::{Answer, Inquiry};
use crate::model::time::Timestamp;
use crate::model::translation::Port;
use crate::sink::cost::Cost;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// One line of JSONL, or one block of text.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// The first of every file.
    Hello(&'a Hello),
    Event(&'a Event),
    Inquiry(&'a Inquiry),
    Answer(&'a Answer),
    /// The Tracker's clock fired.
    Deadline(Timestamp),
    Finding(&'a Finding),
    Port(&'a Port),
    Stats(&'a Stats),
    Loss(&'a Loss),
    /// The last of every run.
    Summary(&'a Summary),
}

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Text {
        /// Columns to wrap at; commands are never broken.
        width: usize,
        /// Writes `stats` and every hook of `hello` too.
        verbose: bool,
    },
}

/// Who traces, where, and what of it works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    pub at: Timestamp,
    /// A UUID, made for this run.
    pub session: String,
    pub boot_id: Option<String>,
    /// Number of the file within the run, from 0.
    pub part: u32,
    /// The host's name.
    pub host: Option<String>,
    /// Release of the kernel, as `uname -r` prints it.
    pub kernel: String,
    /// Architecture, as `uname -m` prints it.
    pub architecture: String,
    /// Of conntracer.
    pub version: String,
    /// The options in force, by their long names.
    pub options: BTreeMap<String, String>,
    pub hooks: Vec<Hook>,
}

/// One hook: how it runs, or why it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    pub name: Cow<'static, str>,
    pub how: How,
    /// Why it does not run, or not in the best way.
    pub reason: Option<String>,
    /// Causes that are found less surely, or not at all, because of that.
    pub weakens: Vec<Cause>,
}

/// What tracing costs and what it missed, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub at: Timestamp,
    pub hooks: Vec<HookStats>,
    /// Connections that the Tracker follows now.
    pub tracked: u64,
    /// Connections and other entries thrown out of full tables.
    pub evictions: u64,
    /// CPU time of this process.
    pub cpu: Option<Duration>,
    /// As of now, and of the time since the last ones.
    pub cost: Cost,
    /// No event older than this will follow.
    pub watermark: Option<Timestamp>,
}

/// Counts of one hook. `None` where the kernel does not count it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookStats {
    pub name: Cow<'static, str>,
    pub runs: Option<u64>,
    /// Time spent in it, what the kernel's counting took included.
    pub nanos: Option<u64>,
    /// Records lost because the ring was full.
    pub lost: u64,
    /// Runs that the kernel left out because the program was already running on that processor.
    pub recursion_misses: Option<u64>,
    /// Drops left out by the limiter.
    pub suppressed: u64,
    /// Interesting hits left out by a filter.
    pub filtered: u64,
    /// Reads of kernel memory that failed.
    pub failed_reads: u64,
    /// Connections not entered because the kernel's table was full.
    pub table_full: u64,
}

/// Records lost since the last such record of the same source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// When it was noticed.
    pub at: Timestamp,
    pub source: LossSource,
    pub cpu: Option<u32>,
    pub lost: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LossSource {
    /// Lost between this hook and user space.
    Hook(Cow<'static, str>),
    /// Lost in this queue of ours.
    Queue(Cow<'static, str>),
}

impl LossSource {
    /// Whether it is something that the Tracker would have taken in.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Hook(_) => true,
            Self::Queue(queue) => queue == UNDECODABLE_QUEUE,
        }
    }
}

/// The queue by whose name records are told that were no records.
pub const UNDECODABLE_QUEUE: &str = "undecodable";

/// What the whole run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub at: Timestamp,
    /// How long it traced.
    pub duration: Duration,
    pub events: u64,
    /// Namespaces whose rules were looked at, where that was done and nothing was traced.
    pub inspected: Option<u64>,
    /// Connects that succeeded; known only where every connection was exported.
    pub established: Option<u64>,
    /// Ordinary refusals.
    pub refused: u64,
    /// Ended by the application's own RST.
    pub aborted: u64,
    /// Connects that the application gave up.
    pub given_up: u64,
    /// Findings by cause, retracted ones left out.
    pub findings: Vec<(Cause, u64)>,
    /// Records lost on the way from the kernel.
    pub lost: u64,
    pub evictions: u64,
    /// Questions that never got an answer.
    pub unresolved_inquiries: u64,
    /// Of a run that traced.
    pub cost: Option<Cost>,
}

impl Summary {
    /// Nothing was seen and nothing found.
    pub fn nothing(at: Timestamp, duration: Duration) -> Self {
        Self {
            at,
            duration,
            events: 0,
            inspected: None,
            established: None,
            refused: 0,
            aborted: 0,
            given_up: 0,
            findings: Vec::new(),
            lost: 0,
            evictions: 0,
            unresolved_inquiries: 0,
            cost: None,
        }
    }
}

/// The option in `hello` that lists the inodes of the namespaces that were traced; absent: all were.
pub const NETNS_OPTION: &str = "netns-inodes";
/// The option that says that the Tracker asked for rules: recordings without it are from before it did.
pub const RULES_OPTION: &str = "rules";
/// The option that says that the Tracker asked who is behind numbers.
pub const NAMES_OPTION: &str = "names";
