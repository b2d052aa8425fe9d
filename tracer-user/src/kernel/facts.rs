//! What the running kernel tells about itself: its BTF, its symbols, its modules. No version numbers.

use crate::kernel::btf::{Btf, ParameterKind};
use crate::kernel::hooks::{self, HOOKS, Spec};
use crate::model::hook::How;
use crate::model::reason::{DropReason, RstReason};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use tracer_common::config::{DROP_REASON_SLOTS, REASON_BY_LOCATION};
use tracer_common::offsets::{MISSING, Offsets};
use tracer_common::stat::Hook;

/// What the plan is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Arguments of the tracepoints that exist.
    pub tracepoints: BTreeMap<&'static str, u32>,
    /// The hooks' functions that vmlinux itself has: only these can be reached by a trampoline.
    pub functions: BTreeSet<&'static str>,
    /// The hooks' functions whose parameters are not what the programs take for granted.
    pub strangers: BTreeSet<&'static str>,
    /// The hooks' modules that are loaded, by the identity of their folder below /sys/module.
    pub modules: BTreeMap<&'static str, u64>,
    pub offsets: Offsets,
    /// The listed drop reasons under this kernel's numbers.
    pub drop_reasons: HashMap<u32, DropReason>,
    /// The number of the drop reason NO_SOCKET.
    pub no_socket: Option<u32>,
    /// The reset reasons under this kernel's numbers.
    pub rst_reasons: HashMap<u32, RstReason>,
    pub has_socket_cookie: bool,
    pub has_task_btf: bool,
    /// A rule that answers with a RST closes the conntrack entry before the packet is dropped: seen even without a hook.
    pub rejects_close: bool,
    /// Where `nf_hook_slow` lies, looked for only where drops have no reasons.
    pub dropper: Option<Range<u64>>,
    pub conntrack_listeners: Listeners,
    /// Position of the packet among the arguments of `nf_send_reset` and its twin; `None` where no BTF tells.
    pub rule_reset_packet: Option<u32>,
}

/// The enums whose values are asked for by name.
pub const ENUMS: [&str; 2] = [DROP_REASONS, RESET_REASONS];
/// The functions that are asked for beside those of the hooks.
pub const FUNCTIONS: [&str; 4] = [SOCKET_COOKIE, TASK_BTF, SET_CLOSING, DROPPER];
/// The members that are asked for beside those of [`Offsets`].
pub const PATHS: [&str; 2] = [NET_COOKIE_COUNTER, LISTENERS_OF_EACH];

/// Whose listeners turn conntrack events on in a namespace where they are set to "auto" (the default from 5.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listeners {
    /// Anybody's.
    OfAll,
    /// Those in that very namespace (5.19 to 6.2, less backports).
    OfEach,
}

impl Facts {
    /// Asks the BTF.
    pub fn of(btf: &Btf) -> Self {
        let tracepoints = targets(How::TpBtf);
        let functions = HOOKS.iter().flat_map(|spec| spec.ways).map(|way| way.target);
        let mut facts = Self {
            tracepoints: tracepoints
                .filter_map(|name| Some((name, btf.tracepoint_args(name)?)))
                .collect(),
            functions: functions.filter(|name| btf.has_function(name)).collect(),
            strangers: BTreeSet::new(),
            modules: BTreeMap::new(),
            offsets: Offsets::resolve(|path| btf.offset(path)),
            drop_reasons: numbered(btf, DROP_REASONS, "SKB_DROP_REASON_", DropReason::from_name),
            no_socket: by_name(btf, DROP_REASONS, "SKB_DROP_REASON_")
                .find(|(_, name)| *name == "NO_SOCKET")
                .map(|(number, _)| number),
            rst_reasons: numbered(btf, RESET_REASONS, "SK_RST_REASON_", RstReason::from_name),
            has_socket_cookie: btf.has_function(SOCKET_COOKIE),
            has_task_btf: btf.has_function(TASK_BTF),
            rejects_close: btf.has_function(SET_CLOSING),
            dropper: None,
            conntrack_listeners: match btf.offset(LISTENERS_OF_EACH) {
                Some(_) => Listeners::OfEach,
                None => Listeners::OfAll,
            },
            rule_reset_packet: None,
        };
        // Up to 5.11 it is an atomic counter that stays 0 until a program asks for it: no identity.
        if btf.offset(NET_COOKIE_COUNTER).is_some() {
            facts.offsets.net_cookie = MISSING;
        }
        facts.learn_functions(btf);
        if facts.drops_have_no_reason() {
            facts.drop_reasons.insert(REASON_BY_LOCATION, DropReason::Netfilter);
        }
        facts
    }

    /// Takes in the parameters of the hooks' functions that this BTF has: the kernel's, or that of a loaded module.
    pub fn learn_functions(&mut self, btf: &Btf) {
        for target in HOOKS.iter().flat_map(|spec| spec.ways).map(|way| way.target) {
            let Some(function) = btf.function(target) else { continue };
            let expected = hooks::parameters(target).iter().enumerate();
            let fits = |(index, name): (usize, &&str)| {
                function
                    .parameters
                    .get(index)
                    .is_some_and(|parameter| match parameter.kind {
                        ParameterKind::Pointer(found) => found == *name,
                        ParameterKind::Enum(_) | ParameterKind::Other => name.is_empty(),
                    })
            };
            let is_known = expected.clone().all(fits)
                && (target != "__nf_conntrack_confirm" || function.parameters.len() == expected.len());
            if !is_known || function.is_ambiguous {
                self.strangers.insert(target);
            } else {
                self.strangers.remove(target);
            }
            if matches!(target, "nf_send_reset" | "nf_send_reset6") {
                self.rule_reset_packet = function.pointer_to("sk_buff");
            }
        }
    }

    /// Whether `kfree_skb` has no reason to tell (up to 5.16), or none for netfilter's drops (5.17).
    pub fn drops_have_no_reason(&self) -> bool {
        let told =
            |(number, reason): (&u32, &DropReason)| *number != REASON_BY_LOCATION && *reason == DropReason::Netfilter;
        self.arguments(Hook::Drop) < 3 || !self.drop_reasons.iter().any(told)
    }

    /// How many arguments a tracepoint hook has; 0 where it does not exist.
    pub fn arguments(&self, hook: Hook) -> u32 {
        let target = HOOKS.iter().find(|spec| spec.hook == hook).map(|spec| spec.name);
        target
            .and_then(|target| self.tracepoints.get(target))
            .copied()
            .unwrap_or(0)
    }

    /// Whether a function may be there: in vmlinux, or in its module.
    pub fn may_have(&self, spec: &Spec, function: &str) -> bool {
        self.functions.contains(function) || spec.module.is_none_or(|module| self.modules.contains_key(module))
    }

    /// Where the programs look for the packet among the arguments of `nf_send_reset`.
    pub fn rule_reset_packet(&self) -> u32 {
        self.rule_reset_packet.unwrap_or(USUAL_RULE_RESET_PACKET)
    }

    pub fn is_missing(&self, path: &str) -> bool {
        self.offsets
            .iter()
            .any(|(known, offset)| known == path && offset == MISSING)
    }

    /// The frozen table of listed drop reasons.
    pub fn drop_table(&self) -> [u8; DROP_REASON_SLOTS] {
        std::array::from_fn(|slot| {
            u8::from(u32::try_from(slot).is_ok_and(|number| self.drop_reasons.contains_key(&number)))
        })
    }
}

fn targets(how: How) -> impl Iterator<Item = &'static str> {
    let ways = HOOKS.iter().flat_map(|spec| spec.ways);
    ways.filter(move |way| way.how == how).map(|way| way.target)
}

/// The values of an enum that have the prefix, without it.
fn by_name<'a>(btf: &'a Btf, name: &str, prefix: &'a str) -> impl Iterator<Item = (u32, &'a str)> {
    btf.enum_values(name)
        .filter_map(move |(name, value)| Some((u32::try_from(value).ok()?, name.strip_prefix(prefix)?)))
}

fn numbered<T>(btf: &Btf, name: &str, prefix: &str, known: fn(&str) -> Option<T>) -> HashMap<u32, T> {
    by_name(btf, name, prefix)
        .filter_map(|(number, name)| Some((number, known(name)?)))
        .collect()
}

/// Where no BTF tells: `nf_send_reset(net, sk, oldskb, hook)`, as all kernels have it since 5.10.
const USUAL_RULE_RESET_PACKET: u32 = 2;
const DROP_REASONS: &str = "skb_drop_reason";
const RESET_REASONS: &str = "sk_rst_reason";
const SOCKET_COOKIE: &str = "bpf_get_socket_ptr_cookie";
const TASK_BTF: &str = "bpf_get_current_task_btf";
const SET_CLOSING: &str = "nf_ct_set_closing";
const NET_COOKIE_COUNTER: &str = "net.net_cookie.counter";
const LISTENERS_OF_EACH: &str = "netns_ct.ctnetlink_has_listener";
/// Where netfilter drops packets.
pub const DROPPER: &str = "nf_hook_slow";
