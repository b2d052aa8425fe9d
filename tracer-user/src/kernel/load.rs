//! Loads the object with this kernel's facts frozen into it, and attaches hook by hook.
//!
//! A hook that fails is data in [`Probes::hooks`], not an error; an error is what leaves nothing to run.

use crate::kernel::btf::{Btf, BtfError};
use crate::kernel::log::ProbeLog;
use crate::kernel::memory;
use crate::kernel::plan::{Facts, HookStatus, How};
use crate::kernel::privilege::{self, PrivilegeError};
use crate::kernel::ring::Ring;
use crate::kernel::stat::{self, Cost, Stats};
use aya::maps::{MapData, MapError, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, ProgramError};
use aya::{Ebpf, EbpfError, EbpfLoader, include_bytes_aligned};
use rustix::process::{Resource, Rlimit, setrlimit};
use tracer_common::config::{CONNECTIONS, RING_BYTES};
use tracer_common::stat::Hook;

/// What can be chosen about the probes.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Send every connection, not only suspects.
    pub export_all: bool,
    /// Drops sent per processor and second.
    pub drops_per_second: u32,
    /// Size of the ring; rounded up to a power of two of pages.
    pub ring_bytes: u32,
    /// Entries of the kernel's table of connections.
    pub connections: u32,
    /// Level of the probes' own log (1 errors to 5 trace), 0: compiled away by the verifier.
    pub log_level: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            export_all: false,
            drops_per_second: 1000,
            ring_bytes: RING_BYTES,
            connections: CONNECTIONS,
            log_level: 0,
        }
    }
}

/// Why no probe runs.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    #[error(transparent)]
    Btf(#[from] BtfError),
    #[error("the kernel refused the probes' maps: {0}")]
    Object(#[from] EbpfError),
    #[error("the eBPF object has no map {0}: it does not belong to this program; build both again")]
    NoMap(&'static str),
    #[error("a map of the probes cannot be opened: {0}")]
    Map(#[from] MapError),
    #[error("the probes' log cannot be opened: {0}")]
    Log(#[from] aya_log::Error),
    #[error("no probe could be attached; {name}: {reason}")]
    NothingAttached { name: &'static str, reason: String },
}

/// The loaded probes. They are detached when this is dropped, or the process dies.
pub struct Probes {
    ebpf: Ebpf,
    facts: Facts,
    hooks: Vec<HookStatus>,
}

impl Probes {
    /// Loads and attaches everything that this kernel can run.
    pub fn load(settings: &Settings) -> Result<Self, LoadError> {
        privilege::check()?;
        let facts = Facts::of(&Btf::of_running_kernel()?);
        raise_memlock();
        let btf = aya::Btf::from_sys_fs().map_err(EbpfError::from)?;
        let mut ebpf = load_object(settings, &facts, &btf)?;
        let mut hooks = facts.plan();
        for status in &mut hooks {
            if status.how == How::TpBtf
                && let Err(error) = attach(&mut ebpf, status.name, &btf)
            {
                status.fail(explain(&error));
            }
        }
        if let Some(first) = hooks.first()
            && hooks.iter().all(|status| status.how == How::Absent)
        {
            let reason = first.reason.clone().unwrap_or_default();
            return Err(LoadError::NothingAttached {
                name: first.name,
                reason,
            });
        }
        drop(btf);
        memory::give_back();
        Ok(Self { ebpf, facts, hooks })
    }

    /// How each hook runs, or why not.
    pub fn hooks(&self) -> &[HookStatus] {
        &self.hooks
    }

    /// What the kernel told about itself: the tables that decoding needs.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The ring of records; can be taken once.
    pub fn take_ring(&mut self) -> Result<Ring, LoadError> {
        let map = self.ebpf.take_map(EVENTS).ok_or(LoadError::NoMap(EVENTS))?;
        let ring: RingBuf<MapData> = map.try_into()?;
        Ok(Ring::new(ring))
    }

    /// The counters; can be taken once.
    pub fn take_stats(&mut self) -> Result<Stats, LoadError> {
        let map = self.ebpf.take_map(STATS).ok_or(LoadError::NoMap(STATS))?;
        let map: PerCpuArray<MapData, _> = map.try_into()?;
        Ok(Stats::new(map))
    }

    /// What the kernel counted for each attached program.
    pub fn costs(&self) -> Vec<(Hook, Cost)> {
        let attached = self.hooks.iter().filter(|status| status.how == How::TpBtf);
        attached
            .filter_map(|status| {
                let program = self.ebpf.program(status.name)?;
                Some((status.hook, stat::cost(program.fd().ok()?).ok()?))
            })
            .collect()
    }

    /// The probes' own log, which has lines only above level 0; can be taken once.
    pub fn take_log(&mut self) -> Result<ProbeLog, LoadError> {
        Ok(ProbeLog::new(&mut self.ebpf)?)
    }
}

fn load_object(settings: &Settings, facts: &Facts, btf: &aya::Btf) -> Result<Ebpf, EbpfError> {
    let config = facts.config(settings.export_all, settings.drops_per_second);
    let drop_table = facts.drop_table();
    EbpfLoader::new()
        .btf(Some(btf))
        .override_global("OFFSETS", &facts.offsets, true)
        .override_global("CONFIG", &config, true)
        .override_global("DROP_REASONS", &drop_table, true)
        .override_global("AYA_LOG_LEVEL", &settings.log_level, false)
        .map_max_entries(EVENTS, settings.ring_bytes)
        .map_max_entries("CONNECTIONS", settings.connections)
        .load(OBJECT)
}

fn attach(ebpf: &mut Ebpf, name: &str, btf: &aya::Btf) -> Result<(), ProgramError> {
    let program = ebpf
        .program_mut(name)
        .ok_or_else(|| ProgramError::InvalidName { name: name.to_owned() })?;
    let program: &mut BtfTracePoint = program.try_into()?;
    program.load(name, btf)?;
    program.attach()?;
    Ok(())
}

/// The error in one line: of the verifier's log only what it says last before its statistics.
fn explain(error: &ProgramError) -> String {
    let ProgramError::LoadError { io_error, verifier_log } = error else {
        return error.to_string();
    };
    let log = verifier_log.to_string();
    let verdict = log
        .lines()
        .rev()
        .find(|line| !line.is_empty() && !line.starts_with("processed "));
    match verdict {
        Some(verdict) => format!("the kernel's verifier refused it ({io_error}): {verdict}"),
        None => format!("the kernel refused it: {io_error}"),
    }
}

/// Up to 5.10 maps count against this limit; later it is ignored, and so is a failure to raise it.
fn raise_memlock() {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    if let Err(error) = setrlimit(Resource::Memlock, unlimited) {
        tracing::debug!(%error, "cannot raise RLIMIT_MEMLOCK");
    }
}

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer-ebpf"));
const EVENTS: &str = "EVENTS";
const STATS: &str = "STATS";
