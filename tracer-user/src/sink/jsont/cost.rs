//! What tracing costs, in `stats` and `summary` lines.

use crate::sink::cost::{self, ProbeCost, Share};
use crate::sink::jsont::session::millis;
use crate::sink::jsont::{EventName, Limits, Spell as _};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What tracing costs. Probes have these fields only where the kernel let us measure them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cost<'a> {
    /// Time spent in probes in a second, on all processors together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_ns_per_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_runs_per_s: Option<u64>,
    /// How long probes were measured; the rest is taken to be like it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_ms: Option<u64>,
    /// What measuring added to each run of a probe, which is taken off; absent: it is not known, and still in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<CpuPercent>,
    /// Most bytes that were taken out of the ring buffer in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_high_water_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_bytes: Option<u64>,
    /// Of the process, without its view of the ring buffer, which is among the maps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_bytes: Option<u64>,
    /// Records lost because the ring buffer was full, by event.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", borrow)]
    #[cfg_attr(test, schemars(extend("propertyNames" = {"$ref": "#/$defs/EventName"})))]
    pub lost: BTreeMap<Cow<'a, str>, u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub hooks: Vec<HookRate<'a>>,
}

/// Of one core: two whole cores are 200.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CpuPercent {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HookRate<'a> {
    #[serde(borrow)]
    pub hook: Cow<'a, str>,
    pub runs_per_s: u64,
    pub ns_per_s: u64,
}

impl<'a> Cost<'a> {
    /// Everything that is known.
    pub fn whole(cost: &'a cost::Cost, limits: Limits) -> Self {
        let cost::Cost {
            probes: _,
            process: _,
            ring_high_water,
            ring_bytes,
            resident_bytes,
            map_bytes,
            lost,
        } = cost;
        Self {
            ring_high_water_bytes: *ring_high_water,
            ring_bytes: *ring_bytes,
            resident_bytes: *resident_bytes,
            map_bytes: *map_bytes,
            lost: by_event(lost),
            ..Self::time(cost, limits).unwrap_or_default()
        }
    }

    /// Only the time spent, where it is known.
    pub fn time(cost: &'a cost::Cost, limits: Limits) -> Option<Self> {
        let probes = cost.probes.as_ref();
        if probes.is_none() && cost.process.is_none() {
            return None;
        }
        let total = probes.map(ProbeCost::total);
        let clock = probes.and_then(|probes| probes.clock);
        let hooks = limits.list(probes.map_or(&[][..], |probes| &probes.hooks));
        Some(Self {
            probe_ns_per_s: total.map(|total| total.nanos),
            probe_runs_per_s: total.map(|total| total.runs),
            measured_ms: probes.map(|probes| millis(probes.measured)),
            clock_ns: clock.and_then(|clock| u64::try_from(clock.as_nanos()).ok()),
            cpu_percent: Some(CpuPercent {
                process: cost.process.map(Share::percent),
                probes: probes.map(|probes| probes.share().percent()),
            }),
            hooks: hooks
                .iter()
                .map(|(name, rate)| HookRate {
                    hook: limits.text(name),
                    runs_per_s: rate.runs,
                    ns_per_s: rate.nanos,
                })
                .collect(),
            ..Self::default()
        })
    }
}

pub(super) fn by_event(lost: &[(EventName, u64)]) -> BTreeMap<Cow<'static, str>, u64> {
    let lost = lost.iter();
    lost.map(|(event, count)| (Cow::Borrowed(event.spell()), *count))
        .collect()
}
