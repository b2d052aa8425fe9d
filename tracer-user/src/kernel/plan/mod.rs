//! Which hook runs in which way on this kernel, and what is weaker for it. Pure: facts and refusals in, plan out.
//!
//! Nothing is decided by a version: what the facts do not rule out is tried, and what is refused is not tried again.

use crate::kernel::facts::Facts;
use crate::kernel::hooks::{self, HOOKS, Spec, Way};
use crate::model::hook::How;
use std::collections::BTreeMap;
use tracer_common::config::{Config, NO_REASON};
use tracer_common::stat::Hook;

/// The best way that may be used; the others are for kernels and people that mistrust it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ladder {
    /// Trampolines, else kprobes, else tracepoints.
    #[default]
    Best,
    /// No trampolines.
    Kprobe,
    /// Neither trampolines nor kprobes.
    Tracepoint,
}

impl Ladder {
    pub const ALL: [Self; 3] = [Self::Best, Self::Kprobe, Self::Tracepoint];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
        }
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Every connection is to be told.
    pub export_all: bool,
    /// Every change of a conntrack entry is to be told.
    pub conntrack_events: bool,
    /// Drops sent per processor and second.
    pub drops_per_second: u32,
    /// RSTs for packets without a socket sent per processor and second.
    pub resets_per_second: u32,
    /// Places of the table of connections, a power of two.
    pub slots: u32,
}

/// What the kernel, or the user, did not let us do.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    /// fentry and fexit, whatever the function.
    pub trampolines: Option<String>,
    /// Kprobes, whatever the function.
    pub kprobes: Option<String>,
    /// One way of one hook.
    pub ways: BTreeMap<(How, &'static str), String>,
}

impl Refusals {
    pub fn of(ladder: Ladder) -> Self {
        let off = |off: bool| off.then(|| format!("switched off by --hooks {}", ladder.name()));
        Self {
            trampolines: off(ladder != Ladder::Best),
            kprobes: off(ladder == Ladder::Tracepoint),
            ways: BTreeMap::new(),
        }
    }

    fn has_way(&self, how: How, target: &'static str) -> bool {
        self.ways.contains_key(&(how, target))
    }

    fn of_way(&self, way: &Way) -> Option<&str> {
        let kind = match way.how {
            How::Fentry | How::Fexit => self.trampolines.as_deref(),
            How::Kprobe | How::Kretprobe => self.kprobes.as_deref(),
            How::TpBtf | How::Netlink | How::Absent => None,
        };
        kind.or_else(|| self.ways.get(&(way.how, way.target)).map(String::as_str))
    }
}

/// A hook as it is planned, and after loading as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookStatus {
    pub hook: Hook,
    /// The tracepoint or function that gives it its name.
    pub name: &'static str,
    pub how: How,
    /// The way it is attached; `None` where nothing is attached for it.
    pub way: Option<Way>,
    /// Why it is absent, or is not attached in the best way, or sees less than it could.
    pub reason: Option<String>,
    /// Causes that are weaker or lost.
    pub weakens: &'static [&'static str],
    /// The module that it waits for.
    pub awaits: Option<&'static str>,
}

impl HookStatus {
    /// Every hook, absent for one reason.
    pub fn none(reason: &str) -> Vec<Self> {
        HOOKS.iter().map(|spec| Self::absent(spec, reason.to_owned())).collect()
    }

    fn absent(spec: &Spec, reason: String) -> Self {
        Self {
            hook: spec.hook,
            name: spec.name,
            how: How::Absent,
            way: None,
            reason: Some(reason),
            weakens: spec.weakens,
            awaits: None,
        }
    }

    /// Its events come from somewhere else than its own programs.
    fn replaced(spec: &Spec, how: How, reason: String) -> Self {
        Self {
            how,
            weakens: &[],
            ..Self::absent(spec, reason)
        }
    }
}

/// The plan, hook by hook; hooks that nobody has a use for are not in it.
pub fn plan(facts: &Facts, wishes: Wishes, refusals: &Refusals) -> Vec<HookStatus> {
    let wanted = HOOKS
        .iter()
        .filter(|spec| is_wanted(spec.hook, facts, wishes, refusals));
    let drops = hooks::spec(Hook::Drop).map(|spec| plan_hook(spec, facts, refusals, false));
    let sees_drops = drops.is_some_and(|drops| drops.way.is_some());
    let mut plan: Vec<_> = wanted
        .map(|spec| plan_hook(spec, facts, refusals, sees_drops))
        .collect();
    one_no_socket_source(&mut plan);
    if wishes.conntrack_events {
        one_conntrack_source(&mut plan);
        say_that_ends_may_be_missing(&mut plan);
    }
    plan
}

/// The frozen settings that follow from the facts, the wishes and the plan.
pub fn config(facts: &Facts, wishes: Wishes, plan: &[HookStatus]) -> Config {
    let runs = |hook| plan.iter().any(|status| status.hook == hook && status.way.is_some());
    let by_drops = plan
        .iter()
        .any(|status| is_no_socket(status.hook) && status.how == How::TpBtf);
    let dropper = facts.dropper.clone().unwrap_or_default();
    Config {
        export_all: u32::from(wishes.export_all),
        send_reset_args: facts.arguments(Hook::SendReset),
        // Reasons that do not tell netfilter's drops (5.17) are as good as none.
        kfree_skb_args: if facts.drops_have_no_reason() {
            2
        } else {
            facts.arguments(Hook::Drop)
        },
        no_socket_reason: facts.no_socket.filter(|_| by_drops).unwrap_or(NO_REASON),
        has_connect_hook: u32::from(runs(Hook::Connect)),
        conntrack_all: u32::from(wishes.conntrack_events),
        rule_reset_packet: facts.rule_reset_packet(),
        has_socket_cookie: u32::from(facts.has_socket_cookie),
        has_task_btf: u32::from(facts.has_task_btf),
        drops_per_second: wishes.drops_per_second,
        resets_per_second: wishes.resets_per_second,
        slot_mask: wishes.slots.saturating_sub(1),
        dropper_from: dropper.start,
        dropper_to: dropper.end,
    }
}

/// Whether anybody has a use for the hook.
fn is_wanted(hook: Hook, facts: &Facts, wishes: Wishes, refusals: &Refusals) -> bool {
    match hook {
        Hook::Connect => wishes.export_all,
        Hook::ConntrackUpdate => wishes.conntrack_events,
        // From 6.10 the tracepoint tells them.
        Hook::NoSocketReset4 | Hook::NoSocketReset6 => {
            facts.arguments(Hook::SendReset) < 3 || refusals.has_way(How::TpBtf, "tcp_send_reset")
        }
        Hook::ActiveReset => facts.arguments(Hook::SendReset) == 0 || refusals.has_way(How::TpBtf, "tcp_send_reset"),
        Hook::SetState
        | Hook::Retransmit
        | Hook::SendReset
        | Hook::ReceiveReset
        | Hook::Drop
        | Hook::ErrorReport
        | Hook::DestroySock
        | Hook::RuleReset4
        | Hook::RuleReset6
        | Hook::ConntrackNew
        | Hook::ConntrackDestroy => true,
    }
}

fn plan_hook(spec: &'static Spec, facts: &Facts, refusals: &Refusals, sees_drops: bool) -> HookStatus {
    if let Some(path) = essential(spec.hook).iter().find(|path| facts.is_missing(path)) {
        return HookStatus::absent(spec, format!("this kernel's BTF has no {path}"));
    }
    if let Some(reason) = sees_nothing(spec.hook, facts) {
        return HookStatus::absent(spec, reason.to_owned());
    }
    let mut reasons: Vec<String> = Vec::new();
    for way in spec.ways {
        match obstacle(spec, way, facts, refusals) {
            None => {
                let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
                return attached(spec, *way, reason, facts);
            }
            Some(reason) => {
                let reason = format!("{}: {reason}", way.how.name());
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
    }
    let module = spec.module.filter(|module| !facts.modules.contains_key(module));
    if let Some(module) = module.filter(|_| refusals.kprobes.is_none() && !facts.functions.contains(spec.name)) {
        let reason = format!("module {module} is not loaded: hooked when it is");
        return HookStatus {
            awaits: Some(module),
            ..HookStatus::replaced(spec, How::Absent, reason)
        };
    }
    without_a_way(spec, facts, reasons.join("; "), sees_drops)
}

/// Why a way is not even tried.
fn obstacle(spec: &Spec, way: &Way, facts: &Facts, refusals: &Refusals) -> Option<String> {
    if let Some(reason) = refusals.of_way(way) {
        return Some(reason.to_owned());
    }
    let target = way.target;
    let is_function = way.how != How::TpBtf;
    if is_function && facts.strangers.contains(target) {
        return Some(format!("the parameters of {target} are others than this program knows"));
    }
    match way.how {
        How::TpBtf if !facts.tracepoints.contains_key(target) => {
            Some(format!("this kernel has no tracepoint {target}"))
        }
        How::Fentry | How::Fexit if !facts.functions.contains(target) => Some(if spec.module.is_some() {
            format!("{target} is not in the kernel's own BTF, but in a module")
        } else {
            format!("this kernel's BTF has no function {target}")
        }),
        How::Kprobe | How::Kretprobe if !facts.may_have(spec, target) => {
            Some(format!("module {} is not loaded", spec.module.unwrap_or("?")))
        }
        How::TpBtf | How::Fentry | How::Fexit | How::Kprobe | How::Kretprobe | How::Netlink | How::Absent => None,
    }
}

fn attached(spec: &'static Spec, way: Way, reason: Option<String>, facts: &Facts) -> HookStatus {
    let mut status = HookStatus {
        hook: spec.hook,
        name: spec.name,
        how: way.how,
        way: Some(way),
        reason,
        weakens: &[],
        awaits: None,
    };
    if spec.hook == Hook::Drop && facts.drops_have_no_reason() {
        status.reason = Some("this kernel's drops have no reason: those of netfilter are told by their place".into());
        status.weakens = &["dropped-in-kernel", "martian-redirect", "reverse-path-filtered"];
    }
    if way.target == "nf_conntrack_destroy" {
        status.weakens = &["nat-binding-lost"];
    }
    status
}

/// A hook that no way leads to: perhaps another one can tell a part of it.
fn without_a_way(spec: &Spec, facts: &Facts, reason: String, sees_drops: bool) -> HookStatus {
    let hook = spec.hook;
    if hook == Hook::Connect {
        let reason = format!("{reason}; connects are told by inet_sock_set_state, without their source port");
        HookStatus::absent(spec, reason)
    } else if is_rule_reset(hook) && facts.rejects_close && sees_drops {
        HookStatus::replaced(
            spec,
            How::Absent,
            format!("{reason}; told by conntrack's state at the drop"),
        )
    } else if is_no_socket(hook) && facts.no_socket.is_some() && sees_drops {
        let reason = format!("{reason}; told by kfree_skb, whose drop for NO_SOCKET follows the reset");
        HookStatus::replaced(spec, How::TpBtf, reason)
    } else {
        HookStatus::absent(spec, reason)
    }
}

/// The drops tell the resets of both families or of none: with a hook for one of them, its resets would come twice.
fn one_no_socket_source(plan: &mut [HookStatus]) {
    let replaced = plan
        .iter()
        .find(|status| is_no_socket(status.hook) && is_by_drops(status));
    let Some(reason) = replaced.map(|status| status.reason.clone()) else {
        return;
    };
    for status in plan.iter_mut().filter(|status| is_no_socket(status.hook)) {
        status.how = How::TpBtf;
        status.way = None;
        status.weakens = &[];
        status.reason.clone_from(&reason);
    }
}

fn is_by_drops(status: &HookStatus) -> bool {
    status.how == How::TpBtf && status.way.is_none()
}

/// With every change asked for, either the hooks tell all of them or netlink does.
fn one_conntrack_source(plan: &mut [HookStatus]) {
    let is_of_it = |status: &HookStatus| is_conntrack(status.hook);
    let complete = plan
        .iter()
        .filter(|status| is_of_it(status))
        .all(|status| status.way.is_some() || status.awaits.is_some());
    if complete {
        return;
    }
    let reason = plan
        .iter()
        .filter(|status| is_of_it(status))
        .find_map(|status| status.reason.as_ref().filter(|_| status.way.is_none()));
    let reason = reason.map(|reason| format!("{reason}; told by ctnetlink with --conntrack-events"));
    for status in plan.iter_mut().filter(|status| is_of_it(status)) {
        status.how = How::Netlink;
        status.way = None;
        status.awaits = None;
        status.weakens = &[];
        status.reason.clone_from(&reason);
    }
}

/// Some builds of conntrack delete entries without passing the function's entry (seen on 5.10 and 7.2).
fn say_that_ends_may_be_missing(plan: &mut [HookStatus]) {
    let by_deletion = |way: Way| way.target == "nf_ct_delete";
    for status in plan.iter_mut().filter(|status| status.way.is_some_and(by_deletion)) {
        let limit = "some builds hide ends that conntrack decides by itself from it; those by request are told";
        let reason = status.reason.take();
        status.reason = Some(reason.map_or(limit.to_owned(), |reason| format!("{reason}; {limit}")));
    }
}

/// Why an attached hook would have nothing to tell.
fn sees_nothing(hook: Hook, facts: &Facts) -> Option<&'static str> {
    let is_hidden =
        hook == Hook::Drop && facts.arguments(hook) > 0 && facts.drops_have_no_reason() && facts.dropper.is_none();
    is_hidden
        .then_some("this kernel's drops have no reason, and where nf_hook_slow lies is hidden (kernel.kptr_restrict)")
}

fn is_conntrack(hook: Hook) -> bool {
    matches!(
        hook,
        Hook::ConntrackNew | Hook::ConntrackUpdate | Hook::ConntrackDestroy
    )
}

fn is_rule_reset(hook: Hook) -> bool {
    matches!(hook, Hook::RuleReset4 | Hook::RuleReset6)
}

fn is_no_socket(hook: Hook) -> bool {
    matches!(hook, Hook::NoSocketReset4 | Hook::NoSocketReset6)
}

/// Fields without which a hook would see nothing.
const fn essential(hook: Hook) -> &'static [&'static str] {
    match hook {
        Hook::Drop | Hook::RuleReset4 | Hook::RuleReset6 => {
            &["sk_buff.head", "sk_buff.network_header", "sk_buff.protocol"]
        }
        Hook::NoSocketReset4 => &[
            "sk_buff.head",
            "sk_buff.network_header",
            "sk_buff.protocol",
            "sk_buff._skb_refdst",
            "rtable.rt_type",
        ],
        Hook::NoSocketReset6 => &[
            "sk_buff.head",
            "sk_buff.network_header",
            "sk_buff.protocol",
            "sk_buff._skb_refdst",
            "rt6_info.rt6i_flags",
        ],
        Hook::SetState
        | Hook::Retransmit
        | Hook::ReceiveReset
        | Hook::ErrorReport
        | Hook::Connect
        | Hook::ActiveReset => &["sock.sk_protocol"],
        Hook::ConntrackNew | Hook::ConntrackUpdate | Hook::ConntrackDestroy => &[
            "nf_conn.tuplehash",
            "nf_conn.status",
            "nf_conn.proto.tcp.state",
            "sizeof nf_conntrack_tuple_hash",
            "nf_conntrack_tuple_hash.tuple",
            "nf_conntrack_tuple.dst.protonum",
        ],
        Hook::SendReset | Hook::DestroySock => &[],
    }
}

#[cfg(test)]
mod tests;
