//! `hello`, `stats`, `loss` and `summary` lines.

use crate::model::finding::Cause;
use crate::model::hook::How;
use crate::sink::jsont::{Cost, Decimal, Limits, Spelled};
use crate::sink::record;
use crate::sink::record::LossSource;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Hello<'a> {
    #[serde(borrow)]
    pub session: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<Cow<'a, str>>,
    pub part: u32,
    pub host: Host<'a>,
    pub kernel: Kernel<'a>,
    pub version: Cow<'a, str>,
    pub options: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    pub hooks: Vec<Hook<'a>>,
}

/// `host.name`, `host.arch`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Host<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub arch: Cow<'a, str>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Kernel<'a> {
    #[serde(borrow)]
    pub release: Cow<'a, str>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "HookState"))]
pub struct Hook<'a> {
    #[serde(borrow, rename = "hook")]
    pub name: Cow<'a, str>,
    pub how: Spelled<How>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weakens: Vec<Spelled<Cause>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stats<'a> {
    #[serde(borrow)]
    pub hooks: Vec<HookStats<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<Ring>,
    pub tracked: u64,
    pub evictions: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_bytes: Option<u64>,
    /// Of the time since the last such line; what it has beside `cost` is not repeated in it.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub cost: Option<Cost<'a>>,
    /// Records lost because the ring buffer was full, by event.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", borrow)]
    #[cfg_attr(test, schemars(extend("propertyNames" = {"$ref": "#/$defs/EventName"})))]
    pub lost: BTreeMap<Cow<'a, str>, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Decimal>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ring {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_water_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HookStats<'a> {
    #[serde(borrow)]
    pub hook: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nanoseconds: Option<Decimal>,
    pub lost: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursion_misses: Option<u64>,
    pub suppressed: u64,
    pub filtered: u64,
    pub failed_reads: u64,
    pub table_full: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Loss<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub hook: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub queue: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    pub lost: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary<'a> {
    pub duration_ms: u64,
    /// Namespaces whose rules were looked at, where nothing was traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspected: Option<u64>,
    pub events: u64,
    pub connections: Connections,
    /// Findings by cause.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(extend("propertyNames" = {"$ref": "#/$defs/Cause"})))]
    pub findings: BTreeMap<Cow<'a, str>, u64>,
    pub lost: u64,
    pub evictions: u64,
    pub unresolved_inquiries: u64,
    /// What a run that traced cost.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub cost: Option<Cost<'a>>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Connections {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub established: Option<u64>,
    pub refused: u64,
    pub aborted: u64,
    pub given_up: u64,
}

impl<'a> Hello<'a> {
    pub fn new(hello: &'a record::Hello, limits: Limits) -> Self {
        let options = hello.options.iter().take(limits.list);
        Self {
            session: limits.text(&hello.session),
            boot_id: hello.boot_id.as_deref().map(|id| limits.text(id)),
            part: hello.part,
            host: Host {
                name: hello.host.as_deref().map(|name| limits.text(name)),
                arch: limits.text(architecture(&hello.architecture)),
            },
            kernel: Kernel {
                release: limits.text(&hello.kernel),
            },
            version: limits.text(&hello.version),
            options: options
                .map(|(name, value)| (limits.text(name), limits.text(value)))
                .collect(),
            hooks: limits
                .list(&hello.hooks)
                .iter()
                .map(|hook| Hook::new(hook, limits))
                .collect(),
        }
    }
}

impl<'a> Hook<'a> {
    fn new(hook: &'a record::Hook, limits: Limits) -> Self {
        Self {
            name: limits.text(&hook.name),
            how: Spelled(hook.how),
            reason: hook.reason.as_deref().map(|reason| limits.text(reason)),
            weakens: hook.weakens.iter().copied().map(Spelled).collect(),
        }
    }
}

impl<'a> Stats<'a> {
    pub fn new(stats: &'a record::Stats, limits: Limits) -> Self {
        let cost = &stats.cost;
        let ring = Ring {
            high_water_bytes: cost.ring_high_water,
            bytes: cost.ring_bytes,
        };
        Self {
            hooks: limits
                .list(&stats.hooks)
                .iter()
                .map(|hook| HookStats::new(hook, limits))
                .collect(),
            ring: (ring.high_water_bytes.is_some() || ring.bytes.is_some()).then_some(ring),
            tracked: stats.tracked,
            evictions: stats.evictions,
            cpu_ms: stats.cpu.map(millis),
            resident_bytes: cost.resident_bytes,
            map_bytes: cost.map_bytes,
            cost: Cost::time(cost, limits),
            lost: super::cost::by_event(&cost.lost),
            watermark: stats.watermark.map(Into::into),
        }
    }
}

impl<'a> HookStats<'a> {
    fn new(hook: &'a record::HookStats, limits: Limits) -> Self {
        let record::HookStats {
            name,
            runs,
            nanos,
            lost,
            recursion_misses,
            suppressed,
            filtered,
            failed_reads,
            table_full,
        } = hook;
        Self {
            hook: limits.text(name),
            runs: runs.map(Decimal),
            nanoseconds: nanos.map(Decimal),
            lost: *lost,
            recursion_misses: *recursion_misses,
            suppressed: *suppressed,
            filtered: *filtered,
            failed_reads: *failed_reads,
            table_full: *table_full,
        }
    }
}

impl<'a> Loss<'a> {
    pub fn new(loss: &'a record::Loss, limits: Limits) -> Self {
        let (hook, queue) = match &loss.source {
            LossSource::Hook(hook) => (Some(limits.text(hook)), None),
            LossSource::Queue(queue) => (None, Some(limits.text(queue))),
        };
        Self {
            hook,
            queue,
            cpu: loss.cpu,
            lost: loss.lost,
        }
    }

    pub fn source(self) -> Option<LossSource> {
        let text = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let hook = self.hook.map(|hook| LossSource::Hook(text(hook)));
        hook.or_else(|| Some(LossSource::Queue(text(self.queue?))))
    }
}

impl<'a> Summary<'a> {
    pub fn new(summary: &'a record::Summary, limits: Limits) -> Self {
        let record::Summary {
            at: _,
            duration,
            inspected,
            events,
            established,
            refused,
            aborted,
            given_up,
            findings,
            lost,
            evictions,
            unresolved_inquiries,
            cost,
        } = summary;
        let findings = findings
            .iter()
            .map(|(cause, count)| (Cow::Borrowed(cause.name()), *count));
        Self {
            duration_ms: millis(*duration),
            inspected: *inspected,
            events: *events,
            connections: Connections {
                established: *established,
                refused: *refused,
                aborted: *aborted,
                given_up: *given_up,
            },
            findings: findings.collect(),
            lost: *lost,
            evictions: *evictions,
            unresolved_inquiries: *unresolved_inquiries,
            cost: cost.as_ref().map(|cost| Cost::whole(cost, limits)),
        }
    }
}

/// `host.arch` as OpenTelemetry spells it.
fn architecture(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
