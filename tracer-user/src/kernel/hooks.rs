//! The hooks: what each is called, in which ways it can be attached, and what is found less surely without it. Data.

use crate::model::hook::How;
use tracer_common::stat::{HOOKS as COUNT, Hook};

/// One way to attach a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub how: How,
    /// The tracepoint, or the kernel's function.
    pub target: &'static str,
    /// The programs of the object; only all of them together are the hook.
    pub programs: &'static [&'static str],
}

/// What the programs on a function take for granted of its parameters: for each of the first ones the struct that it
/// points to, or "" for anything else. With a return value to read, these are all of them.
pub fn parameters(function: &str) -> &'static [&'static str] {
    match function {
        "tcp_connect" | "tcp_send_active_reset" => &["sock"],
        "tcp_v4_send_reset" | "tcp_v6_send_reset" => &["sock", "sk_buff"],
        // Where the packet is among the others differs: it is looked for.
        "nf_send_reset" | "nf_send_reset6" => &["net"],
        "__nf_conntrack_confirm" => &["sk_buff"],
        "nf_conntrack_tcp_packet" => &["nf_conn"],
        "nf_ct_delete" => &["nf_conn", ""],
        "nf_conntrack_destroy" => &["nf_conntrack"],
        _ => &[],
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub hook: Hook,
    /// The tracepoint or function that gives it its name.
    pub name: &'static str,
    /// The module that a function belongs to where it is not built in.
    pub module: Option<&'static str>,
    /// Without it, tracing lacks a leg of its own (`doctor` fails).
    pub core: bool,
    /// Best first.
    pub ways: &'static [Way],
    /// Causes that are found less surely, or not at all, without it. Names: some belong to later versions.
    pub weakens: &'static [&'static str],
}

/// The row of a hook.
pub fn spec(hook: Hook) -> Option<&'static Spec> {
    HOOKS.iter().find(|spec| spec.hook == hook)
}

/// The name of a hook, as `hello`, `stats` and `loss` have it.
pub fn name(hook: Hook) -> &'static str {
    spec(hook).map_or("unknown", |spec| spec.name)
}

macro_rules! tracepoint {
    ($hook:ident, $name:literal, [$($cause:literal),*]) => {
        Spec {
            hook: Hook::$hook,
            name: $name,
            module: None,
            core: true,
            ways: &[Way { how: How::TpBtf, target: $name, programs: &[$name] }],
            weakens: &[$($cause),*],
        }
    };
}

macro_rules! function {
    ($hook:ident, $name:literal, $module:expr, [$($way:expr),*], [$($cause:literal),*]) => {
        Spec {
            hook: Hook::$hook,
            name: $name,
            module: $module,
            core: false,
            ways: &[$($way),*],
            weakens: &[$($cause),*],
        }
    };
}

macro_rules! fentry {
    ($target:literal) => {
        Way {
            how: How::Fentry,
            target: $target,
            programs: &[concat!("fentry_", $target)],
        }
    };
}

macro_rules! kprobe {
    ($target:literal) => {
        Way {
            how: How::Kprobe,
            target: $target,
            programs: &[concat!("kprobe_", $target)],
        }
    };
}

const fn fexit(target: &'static str, programs: &'static [&'static str]) -> Way {
    Way {
        how: How::Fexit,
        target,
        programs,
    }
}

/// The program at the entry keeps the arguments for the one at the return.
const fn kretprobe(target: &'static str, programs: &'static [&'static str]) -> Way {
    Way {
        how: How::Kretprobe,
        target,
        programs,
    }
}

/// Every hook, in the order of [`Hook`].
pub const HOOKS: [Spec; COUNT] = [
    tracepoint!(
        SetState,
        "inet_sock_set_state",
        [
            "accept-queue-full",
            "redirect-target-blocked",
            "redirect-target-stalled",
            "redirect-to-dead-port",
            "rejected-by-rule",
            "reply-rejected",
            "reset-by-peer",
            "syn-dropped",
            "unanswered"
        ]
    ),
    tracepoint!(
        Retransmit,
        "tcp_retransmit_skb",
        [
            "accept-queue-full",
            "redirect-target-blocked",
            "reply-rejected",
            "unanswered"
        ]
    ),
    tracepoint!(
        SendReset,
        "tcp_send_reset",
        ["redirect-to-dead-port", "rejected-by-rule", "reset-by-peer"]
    ),
    tracepoint!(
        ReceiveReset,
        "tcp_receive_reset",
        ["redirect-to-dead-port", "reset-by-peer"]
    ),
    tracepoint!(
        Drop,
        "kfree_skb",
        [
            "dropped-in-kernel",
            "redirect-target-blocked",
            "rejected-by-rule",
            "reply-rejected",
            "syn-dropped"
        ]
    ),
    // From 5.15; the change to CLOSE tells the same failures.
    Spec {
        core: false,
        ..tracepoint!(ErrorReport, "inet_sk_error_report", [])
    },
    tracepoint!(DestroySock, "tcp_destroy_sock", []),
    function!(
        Connect,
        "tcp_connect",
        None,
        [fentry!("tcp_connect"), kprobe!("tcp_connect")],
        []
    ),
    function!(
        NoSocketReset4,
        "tcp_v4_send_reset",
        None,
        [fentry!("tcp_v4_send_reset"), kprobe!("tcp_v4_send_reset")],
        [
            "invalid-packet-reset",
            "loopback-only-mismatch",
            "redirect-to-dead-port"
        ]
    ),
    function!(
        NoSocketReset6,
        "tcp_v6_send_reset",
        None,
        [fentry!("tcp_v6_send_reset"), kprobe!("tcp_v6_send_reset")],
        [
            "invalid-packet-reset",
            "loopback-only-mismatch",
            "redirect-to-dead-port"
        ]
    ),
    function!(
        ActiveReset,
        "tcp_send_active_reset",
        None,
        [fentry!("tcp_send_active_reset"), kprobe!("tcp_send_active_reset")],
        ["reset-by-peer", "socket-destroyed"]
    ),
    function!(
        RuleReset4,
        "nf_send_reset",
        Some("nf_reject_ipv4"),
        [fentry!("nf_send_reset"), kprobe!("nf_send_reset")],
        ["no-endpoints", "rejected-by-rule", "reply-rejected"]
    ),
    function!(
        RuleReset6,
        "nf_send_reset6",
        Some("nf_reject_ipv6"),
        [fentry!("nf_send_reset6"), kprobe!("nf_send_reset6")],
        ["no-endpoints", "rejected-by-rule", "reply-rejected"]
    ),
    function!(
        ConntrackNew,
        "__nf_conntrack_confirm",
        Some("nf_conntrack"),
        [
            fexit("__nf_conntrack_confirm", &["fexit_nf_conntrack_confirm"]),
            kretprobe(
                "__nf_conntrack_confirm",
                &["kretprobe_nf_conntrack_confirm", "kprobe_nf_conntrack_confirm"]
            )
        ],
        ["nat-binding-lost", "stale-conntrack"]
    ),
    function!(
        ConntrackUpdate,
        "nf_conntrack_tcp_packet",
        Some("nf_conntrack"),
        [
            // At its return alone a trampoline does not know what the state was before.
            kretprobe(
                "nf_conntrack_tcp_packet",
                &["kretprobe_nf_conntrack_tcp_packet", "kprobe_nf_conntrack_tcp_packet"]
            )
        ],
        ["stale-conntrack"]
    ),
    function!(
        ConntrackDestroy,
        "nf_ct_delete",
        Some("nf_conntrack"),
        [
            fentry!("nf_ct_delete"),
            kprobe!("nf_ct_delete"),
            fentry!("nf_conntrack_destroy"),
            kprobe!("nf_conntrack_destroy")
        ],
        ["nat-binding-lost", "original-destination-lost"]
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_numbers() {
        for (index, spec) in HOOKS.iter().enumerate() {
            assert_eq!(spec.hook as usize, index, "{}", spec.name);
        }
    }

    #[test]
    fn every_way_has_a_program_of_its_own() {
        let mut programs: Vec<_> = HOOKS
            .iter()
            .flat_map(|spec| spec.ways)
            .flat_map(|way| way.programs)
            .collect();
        let all = programs.len();
        programs.sort_unstable();
        programs.dedup();
        assert_eq!(programs.len(), all);
    }
}
