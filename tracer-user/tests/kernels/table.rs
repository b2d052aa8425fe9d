//! What is known of the kernels whose files are here.

use tracer_user::kernel::plan::Ladder;

/// What differs between them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) kernel: &'static str,
    /// Arguments of tracepoints.
    pub(crate) send_reset: Option<u32>,
    pub(crate) kfree_skb: Option<u32>,
    pub(crate) retransmit: Option<u32>,
    pub(crate) error_report: Option<u32>,
    /// Position of the reason in `tcp_v4_send_reset`, and in `tcp_send_active_reset`.
    pub(crate) v4_reason: Option<u32>,
    pub(crate) active_reason: Option<u32>,
    pub(crate) sk_err: Option<u32>,
    pub(crate) sk_mark: Option<u32>,
    pub(crate) ct_mark: Option<u32>,
    pub(crate) ct_state: Option<u32>,
    /// `net.net_cookie` is an atomic counter, and not used.
    pub(crate) cookie_is_counter: bool,
    /// The numbers of a drop reason and of a reset reason.
    pub(crate) netfilter_drop: Option<u64>,
    pub(crate) reset_no_socket: Option<u64>,
    pub(crate) socket_cookie: bool,
    pub(crate) task_btf: bool,
}

const SIX_TWELVE: Row = Row {
    kernel: "6.12",
    send_reset: Some(3),
    kfree_skb: Some(4),
    retransmit: Some(2),
    error_report: Some(1),
    v4_reason: Some(2),
    active_reason: Some(2),
    sk_err: Some(284),
    sk_mark: Some(524),
    ct_mark: Some(168),
    ct_state: Some(224),
    cookie_is_counter: false,
    netfilter_drop: Some(8),
    reset_no_socket: Some(1),
    socket_cookie: true,
    task_btf: true,
};

pub(crate) const FACTS: [Row; 6] = [
    Row {
        kernel: "5.10",
        send_reset: Some(2),
        kfree_skb: Some(2),
        error_report: None,
        v4_reason: None,
        active_reason: None,
        sk_err: Some(568),
        sk_mark: Some(460),
        ct_mark: Some(176),
        ct_state: Some(232),
        cookie_is_counter: true,
        netfilter_drop: None,
        reset_no_socket: None,
        socket_cookie: false,
        task_btf: false,
        ..SIX_TWELVE
    },
    Row {
        kernel: "6.1",
        send_reset: Some(2),
        kfree_skb: Some(3),
        v4_reason: None,
        active_reason: None,
        sk_err: Some(544),
        sk_mark: Some(452),
        netfilter_drop: Some(7),
        reset_no_socket: None,
        ..SIX_TWELVE
    },
    SIX_TWELVE,
    Row {
        kernel: "6.12-arm64",
        ..SIX_TWELVE
    },
    // The one that CI runs on.
    Row {
        kernel: "6.18",
        retransmit: Some(3),
        netfilter_drop: Some(12),
        ..SIX_TWELVE
    },
    Row {
        kernel: "7.2",
        retransmit: Some(3),
        active_reason: Some(1),
        sk_mark: Some(532),
        netfilter_drop: Some(12),
        ..SIX_TWELVE
    },
];

type Plan = (&'static [&'static str], Ladder, &'static [&'static str]);

/// How the hooks are planned that are not on a tracepoint of their own, with every module loaded and before the kernel
/// refuses anything.
pub(crate) const PLANS: [Plan; 10] = [
    (
        &["5.10"],
        Ladder::Best,
        &[
            "inet_sk_error_report absent",
            "tcp_connect fentry",
            "tcp_v4_send_reset fentry",
            "tcp_v6_send_reset fentry",
            "nf_send_reset kprobe",
            "nf_send_reset6 kprobe",
            "__nf_conntrack_confirm kretprobe",
            "nf_conntrack_tcp_packet kretprobe",
            "nf_ct_delete kprobe",
        ],
    ),
    (
        &["5.10"],
        Ladder::Kprobe,
        &[
            "inet_sk_error_report absent",
            "tcp_connect kprobe",
            "tcp_v4_send_reset kprobe",
            "tcp_v6_send_reset kprobe",
            "nf_send_reset kprobe",
            "nf_send_reset6 kprobe",
            "__nf_conntrack_confirm kretprobe",
            "nf_conntrack_tcp_packet kretprobe",
            "nf_ct_delete kprobe",
        ],
    ),
    (
        &["5.10"],
        Ladder::Tracepoint,
        &[
            "inet_sk_error_report absent",
            "tcp_connect absent",
            "tcp_v4_send_reset absent",
            "tcp_v6_send_reset absent",
            "nf_send_reset absent",
            "nf_send_reset6 absent",
            "__nf_conntrack_confirm netlink",
            "nf_conntrack_tcp_packet netlink",
            "nf_ct_delete netlink",
        ],
    ),
    (
        &["6.1"],
        Ladder::Best,
        &[
            "tcp_connect fentry",
            "tcp_v4_send_reset fentry",
            "tcp_v6_send_reset fentry",
            "nf_send_reset kprobe",
            "nf_send_reset6 kprobe",
            "__nf_conntrack_confirm kretprobe",
            "nf_conntrack_tcp_packet kretprobe",
            "nf_ct_delete kprobe",
        ],
    ),
    (
        &["6.1"],
        Ladder::Kprobe,
        &[
            "tcp_connect kprobe",
            "tcp_v4_send_reset kprobe",
            "tcp_v6_send_reset kprobe",
            "nf_send_reset kprobe",
            "nf_send_reset6 kprobe",
            "__nf_conntrack_confirm kretprobe",
            "nf_conntrack_tcp_packet kretprobe",
            "nf_ct_delete kprobe",
        ],
    ),
    (
        &["6.1"],
        Ladder::Tracepoint,
        &[
            "tcp_connect absent",
            "tcp_v4_send_reset tp_btf",
            "tcp_v6_send_reset tp_btf",
            "nf_send_reset absent",
            "nf_send_reset6 absent",
            "__nf_conntrack_confirm netlink",
            "nf_conntrack_tcp_packet netlink",
            "nf_ct_delete netlink",
        ],
    ),
    (
        &["6.12", "6.12-arm64", "7.2"],
        Ladder::Best,
        &[
            "tcp_connect fentry",
            "nf_send_reset kprobe",
            "nf_send_reset6 kprobe",
            "__nf_conntrack_confirm kretprobe",
            "nf_conntrack_tcp_packet kretprobe",
            "nf_ct_delete kprobe",
        ],
    ),
    (
        &["6.18"],
        Ladder::Best,
        &[
            "tcp_connect fentry",
            "nf_send_reset fentry",
            "nf_send_reset6 fentry",
            "__nf_conntrack_confirm fexit",
            "nf_conntrack_tcp_packet kretprobe",
            "nf_ct_delete fentry",
        ],
    ),
    (
        &["6.12", "6.12-arm64", "6.18", "7.2"],
        Ladder::Kprobe,
        &[
            "tcp_connect kprobe",
            "nf_send_reset kprobe",
            "nf_send_reset6 kprobe",
            "__nf_conntrack_confirm kretprobe",
            "nf_conntrack_tcp_packet kretprobe",
            "nf_ct_delete kprobe",
        ],
    ),
    (
        &["6.12", "6.12-arm64", "6.18", "7.2"],
        Ladder::Tracepoint,
        &[
            "tcp_connect absent",
            "nf_send_reset absent",
            "nf_send_reset6 absent",
            "__nf_conntrack_confirm netlink",
            "nf_conntrack_tcp_packet netlink",
            "nf_ct_delete netlink",
        ],
    ),
];
