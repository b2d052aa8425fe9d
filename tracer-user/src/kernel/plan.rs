//! Which hook runs in which way on this kernel, and what is weaker for it. Pure: facts in, plan out.

use crate::kernel::btf::Btf;
use crate::model::reason::{DropReason, RstReason};
use std::collections::HashMap;
use tracer_common::config::{Config, DROP_REASON_SLOTS};
use tracer_common::offsets::{MISSING, Offsets};
use tracer_common::stat::Hook;

/// Every hook, in the order of [`Hook`].
pub const HOOKS: [Hook; tracer_common::stat::HOOKS] = [
    Hook::SetState,
    Hook::Retransmit,
    Hook::SendReset,
    Hook::ReceiveReset,
    Hook::Drop,
    Hook::ErrorReport,
    Hook::DestroySock,
];

/// What the running kernel told about itself.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Arguments of each hook's tracepoint, `None` where it does not exist; in the order of [`HOOKS`].
    pub arguments: [Option<u32>; HOOKS.len()],
    pub offsets: Offsets,
    /// The listed drop reasons under this kernel's numbers.
    pub drop_reasons: HashMap<u32, DropReason>,
    /// The reset reasons under this kernel's numbers.
    pub rst_reasons: HashMap<u32, RstReason>,
    pub has_socket_cookie: bool,
    pub has_task_btf: bool,
}

/// How a hook is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    TpBtf,
    Absent,
}

impl How {
    /// The word of the JSONL contract.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TpBtf => "tp_btf",
            Self::Absent => "absent",
        }
    }
}

/// A hook as it is planned, and after loading as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookStatus {
    pub hook: Hook,
    /// The tracepoint, which is also the program's name.
    pub name: &'static str,
    pub how: How,
    /// Why it is absent, or sees less than it could.
    pub reason: Option<String>,
    /// Causes that are weaker or lost.
    pub weakens: &'static [&'static str],
}

impl HookStatus {
    /// The hook cannot run.
    pub fn fail(&mut self, reason: String) {
        self.how = How::Absent;
        self.reason = Some(reason);
        self.weakens = weakened_without(self.hook);
    }
}

impl Facts {
    /// Asks the BTF.
    pub fn of(btf: &Btf) -> Self {
        let by_name = |name, prefix| {
            btf.enum_values(name)
                .filter_map(move |(name, value)| Some((u32::try_from(value).ok()?, name.strip_prefix(prefix)?)))
        };
        Self {
            arguments: HOOKS.map(|hook| btf.tracepoint_args(tracepoint(hook))),
            offsets: Offsets::resolve(|path| btf.offset(path)),
            drop_reasons: by_name("skb_drop_reason", "SKB_DROP_REASON_")
                .filter_map(|(value, name)| Some((value, DropReason::from_name(name)?)))
                .collect(),
            rst_reasons: by_name("sk_rst_reason", "SK_RST_REASON_")
                .filter_map(|(value, name)| Some((value, RstReason::from_name(name)?)))
                .collect(),
            has_socket_cookie: btf.has_function("bpf_get_socket_ptr_cookie"),
            has_task_btf: btf.has_function("bpf_get_current_task_btf"),
        }
    }

    /// The plan, hook by hook.
    pub fn plan(&self) -> Vec<HookStatus> {
        HOOKS
            .into_iter()
            .zip(self.arguments)
            .map(|(hook, arguments)| self.plan_hook(hook, arguments))
            .collect()
    }

    fn plan_hook(&self, hook: Hook, arguments: Option<u32>) -> HookStatus {
        let name = tracepoint(hook);
        let mut status = HookStatus {
            hook,
            name,
            how: How::TpBtf,
            reason: None,
            weakens: &[],
        };
        match (hook, arguments) {
            (_, None) => status.fail(format!("this kernel has no tracepoint {name}")),
            (Hook::Drop, Some(..3)) => {
                status.fail("this kernel's kfree_skb gives no reason (from 5.17 it does)".into());
            }
            (Hook::Drop, _) if self.drop_reasons.is_empty() => {
                status.fail("none of the listed drop reasons has a name in this kernel".into());
            }
            (Hook::SendReset, Some(..3)) => {
                status.reason =
                    Some("this kernel reports no resets of packets without a socket (from 6.10 it does)".into());
                status.weakens = &[
                    "invalid-packet-reset",
                    "loopback-only-mismatch",
                    "redirect-to-dead-port",
                ];
            }
            _ => {}
        }
        if let Some(path) = essential(hook).iter().find(|path| self.is_missing(path)) {
            status.fail(format!("this kernel's BTF has no {path}"));
        }
        status
    }

    fn is_missing(&self, path: &str) -> bool {
        self.offsets
            .iter()
            .any(|(known, offset)| known == path && offset == MISSING)
    }

    /// The frozen settings that follow from the facts.
    pub fn config(&self, export_all: bool, drops_per_second: u32) -> Config {
        let arguments = |hook: Hook| self.arguments.get(hook as usize).copied().flatten().unwrap_or(0);
        Config {
            export_all: u32::from(export_all),
            send_reset_args: arguments(Hook::SendReset),
            kfree_skb_args: arguments(Hook::Drop),
            has_socket_cookie: u32::from(self.has_socket_cookie),
            has_task_btf: u32::from(self.has_task_btf),
            drops_per_second,
        }
    }

    /// The frozen table of listed drop reasons.
    pub fn drop_table(&self) -> [u8; DROP_REASON_SLOTS] {
        std::array::from_fn(|slot| {
            u8::from(u32::try_from(slot).is_ok_and(|number| self.drop_reasons.contains_key(&number)))
        })
    }
}

/// The tracepoint of a hook.
pub const fn tracepoint(hook: Hook) -> &'static str {
    match hook {
        Hook::SetState => "inet_sock_set_state",
        Hook::Retransmit => "tcp_retransmit_skb",
        Hook::SendReset => "tcp_send_reset",
        Hook::ReceiveReset => "tcp_receive_reset",
        Hook::Drop => "kfree_skb",
        Hook::ErrorReport => "inet_sk_error_report",
        Hook::DestroySock => "tcp_destroy_sock",
    }
}

/// Fields without which a hook would see nothing.
const fn essential(hook: Hook) -> &'static [&'static str] {
    match hook {
        Hook::Drop => &["sk_buff.head", "sk_buff.network_header", "sk_buff.protocol"],
        Hook::SetState | Hook::Retransmit | Hook::ReceiveReset | Hook::ErrorReport => &["sock.sk_protocol"],
        Hook::SendReset | Hook::DestroySock => &[],
    }
}

/// Causes that nothing proves without the hook.
const fn weakened_without(hook: Hook) -> &'static [&'static str] {
    match hook {
        Hook::SetState => &[
            "accept-queue-full",
            "redirect-target-blocked",
            "redirect-target-stalled",
            "redirect-to-dead-port",
            "rejected-by-rule",
            "reply-rejected",
            "reset-by-peer",
            "syn-dropped",
            "unanswered",
        ],
        Hook::Retransmit => &[
            "accept-queue-full",
            "redirect-target-blocked",
            "reply-rejected",
            "unanswered",
        ],
        Hook::SendReset => &["redirect-to-dead-port", "rejected-by-rule", "reset-by-peer"],
        Hook::ReceiveReset => &["redirect-to-dead-port", "reset-by-peer"],
        Hook::Drop => &[
            "redirect-target-blocked",
            "rejected-by-rule",
            "reply-rejected",
            "syn-dropped",
        ],
        Hook::ErrorReport | Hook::DestroySock => &[],
    }
}
