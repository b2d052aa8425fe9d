//! A namespace of its own with probes watching it.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt::set_socket_linger};
use rustix::thread::{UnshareFlags, gettid, unshare_unsafe};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, process};
use tracer_common::stat::{Counters, Hook};
use tracer_user::decode::Tables;
use tracer_user::kernel::clock;
use tracer_user::kernel::filter::Filters;
use tracer_user::kernel::hooks::spec;
use tracer_user::kernel::load::{Probes, Settings};
use tracer_user::kernel::plan::Ladder;
use tracer_user::kernel::ring::Rings;
use tracer_user::kernel::stat::Stats;
use tracer_user::kernel::symbols::Symbols;
use tracer_user::model::event::{Event, EventKind};
use tracer_user::model::hook::How;
use tracer_user::model::identity::Comm;

pub(crate) struct Scene {
    probes: Probes,
    rings: Rings,
    stats: Stats,
    tables: Tables,
    symbols: Symbols,
    netns: u32,
}

impl Scene {
    /// Moves this thread into a new namespace and loads the probes.
    pub(crate) fn new(export_all: bool) -> Self {
        Self::with(&Settings {
            export_all,
            ..Settings::default()
        })
    }

    /// The same with a limit on drops a second.
    pub(crate) fn limited(drops_per_second: u32) -> Self {
        Self::with(&Settings {
            drops_per_second,
            ..Settings::default()
        })
    }

    pub(crate) fn with(settings: &Settings) -> Self {
        let settings = Settings {
            ladder: ladder(),
            ..*settings
        };
        // SAFETY: only the namespace is unshared, no file table.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("these tests make network namespaces: run them as root");
        let mut probes = Probes::load(&settings).expect("the probes load");
        let facts = probes.facts();
        let tables = Tables {
            drop_reasons: facts.drop_reasons.clone(),
            rst_reasons: facts.rst_reasons.clone(),
            jiffy: clock::jiffy(),
        };
        let scene = Self {
            rings: probes.take_rings().unwrap(),
            stats: probes.take_stats().unwrap(),
            probes,
            tables,
            symbols: Symbols::default(),
            netns: u32::try_from(fs::metadata("/proc/thread-self/ns/net").unwrap().ino()).unwrap(),
        };
        run("ip link set lo up");
        scene
    }

    /// The hooks that no trace is whole without and that do not run.
    pub(crate) fn absent_core_hooks(&self) -> Vec<&'static str> {
        let hooks = self.probes.hooks().iter();
        let absent = hooks.filter(|status| status.how == How::Absent && spec(status.hook).unwrap().core);
        absent.map(|status| status.name).collect()
    }

    /// How a hook runs.
    pub(crate) fn how(&self, hook: Hook) -> How {
        let found = self.probes.hooks().iter().find(|status| status.hook == hook);
        found.map_or(How::Absent, |status| status.how)
    }

    /// From 6.10.
    pub(crate) fn tells_rst_reasons(&self) -> bool {
        !self.tables.rst_reasons.is_empty()
    }

    /// From 6.10 by the tracepoint, before that by a hook by name, or by the drop that follows (from 5.17).
    pub(crate) fn tells_no_socket_resets(&self) -> bool {
        self.tells_rst_reasons() || self.how(Hook::NoSocketReset4) != How::Absent
    }

    /// Up to 6.17 a retransmit that does not leave the host fires no tracepoint.
    pub(crate) fn tells_failed_retransmits(&self) -> bool {
        self.probes.facts().arguments(Hook::Retransmit) >= 3
    }

    pub(crate) fn probes(&mut self) -> &mut Probes {
        &mut self.probes
    }

    /// The namespace's events up to the one that `is_last`.
    pub(crate) fn until(&mut self, what: &str, mut is_last: impl FnMut(&Event) -> bool) -> Vec<Event> {
        let deadline = Instant::now() + PATIENCE;
        let mut events = Vec::new();
        while Instant::now() < deadline {
            let mut event = None;
            // What is ordinary comes before the symptom that ends a test.
            let Rings { events: symptoms, bulk } = &mut self.rings;
            let mut take = |bytes: &[u8]| event = Some(bytes.to_vec());
            if bulk.drain(1, &mut take) == 0 && symptoms.drain(1, take) == 0 {
                self.wait();
            }
            let Some(bytes) = event else { continue };
            let event = self
                .tables
                .decode(&bytes, |address| self.symbols.name(address))
                .unwrap();
            if event.netns.inode != self.netns {
                continue;
            }
            let last = is_last(&event);
            events.push(event);
            if last {
                return events;
            }
        }
        panic!("waited for {what}; came: {events:#?}\n{}", misses());
    }

    fn wait(&self) {
        let timeout = Timespec::try_from(Duration::from_millis(100)).unwrap();
        let of = |ring| PollFd::new(ring, PollFlags::IN);
        poll(&mut [of(&self.rings.events), of(&self.rings.bulk)], Some(&timeout)).unwrap();
    }

    /// What the programs leave out.
    pub(crate) fn filters(&mut self) -> Filters {
        self.probes.take_filters().unwrap()
    }

    /// Drops that the limiter kept back.
    pub(crate) fn suppressed(&self) -> u64 {
        self.counted(Hook::Drop).suppressed
    }

    /// What a hook counted, in every namespace.
    pub(crate) fn counted(&self, hook: Hook) -> Counters {
        let counters = self.stats.read().unwrap();
        counters.iter().find(|row| row.hook == hook).unwrap().total()
    }
}

/// The best way to attach a hook that may be used; set by the matrix of kernels.
fn ladder() -> Ladder {
    let Ok(name) = std::env::var("CONNTRACER_HOOKS") else {
        return Ladder::Best;
    };
    let known = Ladder::ALL.into_iter().find(|ladder| ladder.name() == name);
    known.expect("CONNTRACER_HOOKS names a way to attach hooks")
}

/// Whether this is a cell of the matrix of kernels whose hooks by name must run.
pub(crate) fn must_have_named_hooks() -> bool {
    std::env::var("CONNTRACER_EXPECT").is_ok_and(|cell| !cell.ends_with("/tracepoint"))
}

/// Runs a command in this thread's namespace.
pub(crate) fn run(command: &str) {
    let mut words = command.split_whitespace();
    let status = Command::new(words.next().unwrap()).args(words).status();
    assert!(status.is_ok_and(|status| status.success()), "{command}");
}

/// Connects to a port that nobody listens on; returns it.
pub(crate) fn refuse(address: &str) -> u16 {
    let address: SocketAddr = format!("{address}:0").parse().unwrap();
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    // Not a listener that is closed again: a program that another test starts right now would keep it for a moment.
    let bound = socket(family, SocketType::STREAM, None).unwrap();
    bind(&bound, &address).unwrap();
    let target = SocketAddr::try_from(getsockname(&bound).unwrap()).unwrap();
    TcpStream::connect(target).unwrap_err();
    target.port()
}

/// How often the kernel left out eBPF programs of this process, since one ran on that processor already.
fn misses() -> String {
    let descriptors = fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
    let texts = descriptors.filter_map(|descriptor| fs::read_to_string(descriptor.path()).ok());
    let missed = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let missed = missed.filter(|line| line.starts_with("recursion_misses:") && !line.ends_with("\t0"));
    missed.collect::<Vec<_>>().join("\n")
}

/// The server's port of a connection's event.
pub(crate) fn port(event: &Event) -> Option<u16> {
    let packet = match &event.kind {
        EventKind::RstSent(rst) => rst.packet.map(|packet| packet.tuple),
        EventKind::Drop(dropped) => Some(dropped.packet.tuple),
        EventKind::Conntrack(changed) => Some(changed.entry.original),
        EventKind::Connect
        | EventKind::Established
        | EventKind::Failed { .. }
        | EventKind::Closed { .. }
        | EventKind::Retransmit(_)
        | EventKind::Destroyed(_)
        | EventKind::RstReceived { .. } => event.tuple,
    };
    Some(packet?.destination.port)
}

/// Closes with a RST.
pub(crate) fn abort(stream: TcpStream) {
    set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

pub(crate) fn this_thread() -> (u32, u32, u32) {
    let thread = u32::try_from(gettid().as_raw_nonzero().get()).unwrap();
    (process::id(), thread, rustix::process::getuid().as_raw())
}

pub(crate) fn this_comm() -> Comm {
    let name = fs::read("/proc/thread-self/comm").unwrap();
    Comm::new(name.strip_suffix(b"\n").unwrap())
}

const PATIENCE: Duration = Duration::from_secs(20);
