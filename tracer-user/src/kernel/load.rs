//! Loads the object with this kernel's facts frozen into it, and attaches hook by hook: plans, tries, and plans again
//! with what was refused.
//!
//! A hook that fails is data in [`Probes::hooks`], not an error; an error is what leaves nothing to run.

use crate::kernel::attach::{self, Attached, Refused};
use crate::kernel::btf::{Btf, BtfError};
use crate::kernel::capacity::Capacity;
use crate::kernel::facts::{DROPPER, Facts};
use crate::kernel::filter::{self, Filters};
use crate::kernel::hooks::{self, HOOKS, Way};
use crate::kernel::log::ProbeLog;
use crate::kernel::meter::{self, Meter};
use crate::kernel::plan::{self, HookStatus, Ladder, Refusals, Wishes};
use crate::kernel::privilege::{self, PrivilegeError};
use crate::kernel::ring::{Ring, Rings};
use crate::kernel::stat::{self, Cost, Stats};
use crate::kernel::symbols;
use crate::kernel::{loader, memory, module};
use crate::model::hook::How;
use aya::maps::{MapData, MapError, RingBuf};
use aya::programs::ProgramFd;
use aya::{Ebpf, EbpfError, include_bytes_aligned};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tracer_common::config::{Config, RING_BYTES};
use tracer_common::filter::{Filter, PART_CGROUPS, UNWANTED};
use tracer_common::stat::Hook;

/// What can be chosen about the probes.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Send every connection, not only suspects.
    pub export_all: bool,
    /// Send every change of a conntrack entry.
    pub conntrack_events: bool,
    /// The best way to attach a hook that may be used.
    pub ladder: Ladder,
    /// Drops sent per processor and second.
    pub drops_per_second: u32,
    /// RSTs for packets without a socket sent per processor and second.
    pub resets_per_second: u32,
    /// Size of each ring; rounded up to a power of two of pages.
    pub ring_bytes: u32,
    /// Of the kernel's table of connections.
    pub capacity: Capacity,
    /// What the user wants to see.
    pub filter: Filter,
    /// The parts of it that may ever have values: `PART_*`.
    pub filters: u32,
    /// Level of the probes' own log (1 errors to 5 trace), 0: compiled away by the verifier.
    pub log_level: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            export_all: false,
            conntrack_events: false,
            ladder: Ladder::Best,
            drops_per_second: 1000,
            resets_per_second: 2_000,
            ring_bytes: RING_BYTES,
            capacity: Capacity::default(),
            filter: Filter::default(),
            filters: 0,
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
    #[error(
        "the probes' maps take more memory than RLIMIT_MEMLOCK allows (up to Linux 5.10): needs CAP_SYS_RESOURCE, or `ulimit -l unlimited`"
    )]
    LockedMemory,
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
    wishes: Wishes,
    refusals: Refusals,
    hooks: Vec<HookStatus>,
    attached: BTreeMap<&'static str, Attached>,
    /// Where the loaded programs look for the packet that `nf_send_reset` is given.
    frozen_rule_reset_packet: u32,
    /// What the programs began with.
    filter: Filter,
}

impl Probes {
    /// Loads and attaches everything that this kernel can run.
    pub fn load(settings: &Settings) -> Result<Self, LoadError> {
        privilege::check()?;
        let (facts, btf) = {
            let kernel = Arc::new(Btf::of_running_kernel()?);
            (facts(&kernel), targets(&kernel)?)
        };
        let memlock_raised = raise_memlock();
        let wishes = Wishes {
            export_all: settings.export_all,
            conntrack_events: settings.conntrack_events,
            drops_per_second: settings.drops_per_second,
            resets_per_second: settings.resets_per_second,
            slots: settings.capacity.slots,
        };
        let mut refusals = Refusals::of(settings.ladder);
        let probes = loop {
            let config = plan::config(&facts, wishes, &plan::plan(&facts, wishes, &refusals));
            let mut probes = Self {
                ebpf: load_object(settings, &facts, &config).map_err(|error| refused(error, memlock_raised))?,
                facts: facts.clone(),
                wishes,
                refusals,
                hooks: Vec::new(),
                attached: BTreeMap::new(),
                frozen_rule_reset_packet: config.rule_reset_packet,
                filter: settings.filter,
            };
            filter::begin(&mut probes.ebpf, &settings.filter)?;
            probes.attach_all(Some(&btf));
            if plan::config(&facts, wishes, &probes.hooks) == config {
                break probes;
            }
            // A way that was counted on was refused, and what makes up for it has to know. Refusals only grow.
            refusals = probes.refusals;
        };
        drop(btf);
        memory::give_back();
        match probes.hooks.iter().find(|status| status.way.is_some()) {
            Some(_) => Ok(probes),
            None => Err(probes.nothing_attached()),
        }
    }

    /// How each hook runs, or why not.
    pub fn hooks(&self) -> &[HookStatus] {
        &self.hooks
    }

    /// What the kernel told about itself: the tables that decoding needs.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether the changes of conntrack entries that were asked for have to come by netlink.
    pub fn needs_ctnetlink(&self) -> bool {
        self.hooks.iter().any(|status| status.how == How::Netlink)
    }

    /// Whether a hook can still come or go with its module: [`Self::follow_modules`] then needs what loading needs.
    pub fn follows_modules(&self) -> bool {
        self.hooks.iter().any(|status| {
            let module = hooks::spec(status.hook).and_then(|spec| spec.module);
            let by_kprobe = |way: Way| matches!(way.how, How::Kprobe | How::Kretprobe);
            let comes_and_goes = module.is_some_and(module::is_loadable) && status.way.is_some_and(by_kprobe);
            status.awaits.is_some() || comes_and_goes
        })
    }

    /// Hooks the functions of modules that were loaded since, and lets go of those that were unloaded. `true`: a hook
    /// runs in another way than before.
    pub fn follow_modules(&mut self) -> bool {
        let modules = loaded_modules();
        if modules == self.facts.modules {
            return false;
        }
        let before = std::mem::replace(&mut self.facts.modules, modules);
        let btf = self.learn_modules();
        for spec in &HOOKS {
            let Some(name) = spec.module else { continue };
            if before.get(name) != self.facts.modules.get(name) {
                // The kernel disarmed what was in it, and a new one is worth a new try.
                let functions = &self.facts.functions;
                let stays = |attached: &Attached| functions.contains(attached.way.target);
                self.attached
                    .retain(|hook, attached| *hook != spec.name || stays(attached));
                self.refusals
                    .ways
                    .retain(|(_, target), _| spec.ways.iter().all(|way| way.target != *target));
            }
        }
        if self.facts.rule_reset_packet() != self.frozen_rule_reset_packet {
            let reason = "its parameters are others than at the start: start conntracer again";
            for target in ["nf_send_reset", "nf_send_reset6"] {
                self.refusals.ways.insert((How::Kprobe, target), reason.to_owned());
            }
        }
        let old = std::mem::take(&mut self.hooks);
        self.attach_all(btf.as_ref());
        drop(btf);
        memory::give_back();
        self.hooks != old
    }

    /// The rings of records; can be taken once.
    pub fn take_rings(&mut self) -> Result<Rings, LoadError> {
        let mut ring = |name| {
            let map = self.ebpf.take_map(name).ok_or(LoadError::NoMap(name))?;
            let ring: RingBuf<MapData> = map.try_into()?;
            Ok::<_, LoadError>(Ring::new(ring))
        };
        Ok(Rings {
            events: ring(EVENTS)?,
            bulk: ring(BULK)?,
        })
    }

    /// The counters; can be taken once.
    pub fn take_stats(&mut self) -> Result<Stats, LoadError> {
        let map = self.ebpf.take_map(STATS).ok_or(LoadError::NoMap(STATS))?;
        let lost = self.ebpf.take_map(LOST).ok_or(LoadError::NoMap(LOST))?;
        Ok(Stats::new(map.try_into()?, lost.try_into()?))
    }

    /// What the programs leave out; can be taken once.
    pub fn take_filters(&mut self) -> Result<Filters, LoadError> {
        Filters::take(&mut self.ebpf, &self.filter)
    }

    /// What the kernel counted for the programs of each attached hook.
    pub fn costs(&self) -> Vec<(Hook, Cost)> {
        let costs = self.programs().map(|(hook, programs)| {
            let costs = programs.filter_map(|program| stat::cost(program).ok());
            (hook, costs.fold(Cost::default(), Cost::plus))
        });
        costs.collect()
    }

    /// The programs of each attached hook, for another thread to read what they cost.
    pub fn meter(&self) -> io::Result<Meter> {
        let hooks = self
            .programs()
            .map(|(hook, programs)| Ok((hook, programs.map(ProgramFd::try_clone).collect::<io::Result<_>>()?)));
        Ok(Meter::new(hooks.collect::<io::Result<_>>()?))
    }

    /// What the kernel's statistics add to each run of a program, where that can be measured.
    pub fn clock_cost(&mut self) -> Option<Duration> {
        meter::clock(&mut self.ebpf)
            .inspect_err(|error| tracing::debug!(%error, "what measuring the probes costs is not known"))
            .ok()
    }

    fn programs(&self) -> impl Iterator<Item = (Hook, impl Iterator<Item = &ProgramFd>)> {
        let attached = self.hooks.iter().filter_map(|status| Some((status.hook, status.way?)));
        attached.map(|(hook, way)| {
            let programs = way.programs.iter();
            (hook, programs.filter_map(|name| self.ebpf.program(name)?.fd().ok()))
        })
    }

    /// The probes' own log, which has lines only above level 0; can be taken once.
    pub fn take_log(&mut self) -> Result<ProbeLog, LoadError> {
        Ok(ProbeLog::new(&mut self.ebpf)?)
    }

    /// Attaches what is planned and not attached yet, planning again after each refusal. `btf` is needed for programs
    /// that were not loaded before.
    fn attach_all(&mut self, btf: Option<&aya::Btf>) {
        loop {
            self.hooks = plan::plan(&self.facts, self.wishes, &self.refusals);
            let mut refused = false;
            // A connection that was entered into the table before anything takes it out would stay there, and up to
            // Linux 5.11, where the key is an address, pass for the next socket that gets the memory.
            let leave = self.hooks.iter().position(|status| status.hook == Hook::DestroySock);
            for index in leave.into_iter().chain(0..self.hooks.len()) {
                refused |= self.attach_one(index, btf);
                if refused {
                    break;
                }
            }
            if !refused {
                break;
            }
        }
        let planned = |name: &str| {
            self.hooks
                .iter()
                .any(|status| status.name == name && status.way.is_some())
        };
        self.attached.retain(|name, _| planned(name));
    }

    /// `true`: it was refused, and the plan is another one.
    fn attach_one(&mut self, index: usize, btf: Option<&aya::Btf>) -> bool {
        let Some(status) = self.hooks.get(index) else {
            return false;
        };
        let Some(way) = status.way else { return false };
        if self
            .attached
            .get(status.name)
            .is_some_and(|attached| attached.way == way)
        {
            return false;
        }
        match attach::attach(&mut self.ebpf, way, btf) {
            Ok(attached) => {
                self.attached.insert(status.name, attached);
                false
            }
            Err(Refused::Trampolines(reason)) => {
                self.refusals.trampolines = Some(reason);
                true
            }
            Err(Refused::Kprobes(reason)) => {
                self.refusals.kprobes = Some(reason);
                true
            }
            Err(Refused::Way(reason)) => {
                self.refusals.ways.insert((way.how, way.target), reason);
                true
            }
        }
    }

    /// Reads the kernel's types once more, for those of modules that came; what can be attached to, for aya.
    fn learn_modules(&mut self) -> Option<aya::Btf> {
        match Btf::of_running_kernel() {
            Ok(btf) => {
                let btf = Arc::new(btf);
                learn_modules(&mut self.facts, &btf);
                targets(&btf).ok()
            }
            Err(error) => {
                tracing::warn!(%error, "what a module's functions take is not known");
                None
            }
        }
    }

    /// Asks the verifier about every program of the object, also about those that nobody has a use for here; each that it
    /// refuses, and why. What this kernel has no function for cannot be asked. For tests: a way that is rarely taken must
    /// not be a way that is closed.
    pub fn refused_by_the_verifier(&mut self) -> Vec<(&'static str, String)> {
        let Ok(btf) = Btf::of_running_kernel()
            .map_err(|_| ())
            .and_then(|btf| targets(&btf).map_err(|_| ()))
        else {
            return vec![("vmlinux", "its BTF cannot be read".to_owned())];
        };
        let mut refused = Vec::new();
        for way in HOOKS.iter().flat_map(|spec| spec.ways) {
            let by_trampoline = matches!(way.how, How::Fentry | How::Fexit);
            let is_missing = way.how == How::TpBtf && !self.facts.tracepoints.contains_key(way.target);
            if is_missing
                || by_trampoline && (self.refusals.trampolines.is_some() || !self.facts.functions.contains(way.target))
            {
                continue;
            }
            for program in way.programs {
                if let Err(error) = attach::load(&mut self.ebpf, program, way.target, &btf) {
                    refused.push((*program, error));
                }
            }
        }
        refused
    }

    fn nothing_attached(&self) -> LoadError {
        let first = self.hooks.first();
        LoadError::NothingAttached {
            name: first.map_or("no hook", |status| status.name),
            reason: first.and_then(|status| status.reason.clone()).unwrap_or_default(),
        }
    }
}

/// The facts of the running kernel.
fn facts(btf: &Arc<Btf>) -> Facts {
    let mut facts = Facts::of(btf);
    facts.modules = loaded_modules();
    learn_modules(&mut facts, btf);
    if facts.drops_have_no_reason() {
        facts.dropper = symbols::range(DROPPER);
    }
    facts
}

/// What the hooks are attached to, for aya.
fn targets(btf: &Btf) -> Result<aya::Btf, EbpfError> {
    let ways = || HOOKS.iter().flat_map(|spec| spec.ways);
    let of = |is_wanted: fn(How) -> bool| ways().filter(move |way| is_wanted(way.how)).map(|way| way.target);
    Ok(btf.targets(
        of(|how| how == How::TpBtf),
        of(|how| matches!(how, How::Fentry | How::Fexit)),
    )?)
}

fn learn_modules(facts: &mut Facts, btf: &Arc<Btf>) {
    for module in facts.modules.clone().into_keys() {
        match Btf::of_running_module(btf, module) {
            Ok(Some(module)) => facts.learn_functions(&module),
            // Built in, or from before 5.11.
            Ok(None) => {}
            Err(error) => tracing::warn!(module, %error, "its types cannot be read"),
        }
    }
}

fn loaded_modules() -> BTreeMap<&'static str, u64> {
    let modules: BTreeSet<_> = HOOKS.iter().filter_map(|spec| spec.module).collect();
    modules
        .into_iter()
        .filter_map(|name| Some((name, module::identity(name)?)))
        .collect()
}

fn load_object(settings: &Settings, facts: &Facts, config: &Config) -> Result<Ebpf, EbpfError> {
    let drop_table = facts.drop_table();
    let Capacity { slots, overflow, .. } = settings.capacity;
    let is_bulky = settings.export_all || settings.conntrack_events;
    // What is ordinary comes thicker: 100 ms of what two processors can connect are more than 4 MiB.
    let bulk_bytes = if is_bulky {
        settings.ring_bytes.saturating_mul(2)
    } else {
        1
    };
    let unwanted = if settings.filters & PART_CGROUPS == 0 {
        1
    } else {
        UNWANTED
    };
    loader::loader()
        .btf(None)
        .override_global("OFFSETS", &facts.offsets, true)
        .override_global("CONFIG", config, true)
        .override_global("DROP_REASONS", &drop_table, true)
        .override_global("FILTERS", &settings.filters, true)
        .override_global("AYA_LOG_LEVEL", &settings.log_level, false)
        .map_max_entries(EVENTS, settings.ring_bytes)
        .map_max_entries(BULK, bulk_bytes)
        .map_max_entries("SLOTS", slots)
        .map_max_entries("OVERFLOW", overflow)
        .map_max_entries(filter::UNWANTED, unwanted)
        .load(OBJECT)
}

/// Without permission to lock more memory it is that which a refusal means: the other permissions were looked at.
fn refused(error: EbpfError, memlock_raised: bool) -> LoadError {
    let is_permission = matches!(
        &error,
        EbpfError::MapError(MapError::CreateError { io_error, .. }) if io_error.raw_os_error() == Some(libc::EPERM)
    );
    if is_permission && !memlock_raised {
        LoadError::LockedMemory
    } else {
        error.into()
    }
}

/// Up to 5.10 maps count against this limit; later it is ignored, and so is a failure to raise it.
fn raise_memlock() -> bool {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    let raised = setrlimit(Resource::Memlock, unlimited);
    if let Err(error) = raised {
        tracing::debug!(%error, "cannot raise RLIMIT_MEMLOCK");
    }
    raised.is_ok()
}

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer-ebpf"));
const EVENTS: &str = "EVENTS";
const BULK: &str = "BULK";
const STATS: &str = "STATS";
const LOST: &str = "LOST";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_carry_types_and_no_debug_information() {
        let has = |name: &[u8]| OBJECT.windows(name.len()).any(|bytes| bytes == name);
        assert!(has(b".BTF.ext\0") && has(b".rel.BTF"));
        assert!(!has(b".debug_"));
    }
}
