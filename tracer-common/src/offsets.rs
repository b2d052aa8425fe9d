//! Where the running kernel keeps the fields that the probes read: resolved from its BTF at start.

/// The value of an offset whose field the kernel does not have; the branch on it is folded away by the verifier.
pub const MISSING: u32 = u32::MAX;

macro_rules! offsets {
    ($($field:ident = $path:literal,)*) => {
        /// Byte offsets, the frozen global `OFFSETS`; each field's text is the path to resolve in BTF.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Offsets {
            $(#[doc = $path] pub $field: u32,)*
        }

        impl Offsets {
            /// Asks `resolve` for each path; `None` becomes [`MISSING`].
            pub fn resolve(mut resolve: impl FnMut(&str) -> Option<u32>) -> Self {
                Self { $($field: resolve($path).unwrap_or(MISSING),)* }
            }

            /// Each field's path and offset.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u32)> {
                [$(($path, self.$field)),*].into_iter()
            }

            /// Every field missing: what the object is compiled with, so that an unpatched one reads nothing.
            pub const fn missing() -> Self {
                Self { $($field: MISSING,)* }
            }
        }
    };
}

offsets! {
    sk_daddr = "sock.__sk_common.skc_daddr",
    sk_rcv_saddr = "sock.__sk_common.skc_rcv_saddr",
    sk_dport = "sock.__sk_common.skc_dport",
    sk_num = "sock.__sk_common.skc_num",
    sk_family = "sock.__sk_common.skc_family",
    sk_state = "sock.__sk_common.skc_state",
    sk_net = "sock.__sk_common.skc_net.net",
    sk_v6_daddr = "sock.__sk_common.skc_v6_daddr",
    sk_v6_rcv_saddr = "sock.__sk_common.skc_v6_rcv_saddr",
    sk_cookie = "sock.__sk_common.skc_cookie",
    sk_protocol = "sock.sk_protocol",
    sk_mark = "sock.sk_mark",
    sk_err = "sock.sk_err",
    inet_sport = "inet_sock.inet_sport",
    icsk_retransmits = "inet_connection_sock.icsk_retransmits",
    icsk_rto = "inet_connection_sock.icsk_rto",
    tcp_snd_nxt = "tcp_sock.snd_nxt",
    tcp_snd_una = "tcp_sock.snd_una",
    net_inode = "net.ns.inum",
    net_cookie = "net.net_cookie",
    skb_dev = "sk_buff.dev",
    skb_sk = "sk_buff.sk",
    skb_nfct = "sk_buff._nfct",
    skb_mark = "sk_buff.mark",
    skb_protocol = "sk_buff.protocol",
    skb_head = "sk_buff.head",
    skb_network_header = "sk_buff.network_header",
    skb_transport_header = "sk_buff.transport_header",
    skb_refdst = "sk_buff._skb_refdst",
    rtable_type = "rtable.rt_type",
    rt6_flags = "rt6_info.rt6i_flags",
    dev_ifindex = "net_device.ifindex",
    dev_net = "net_device.nd_net.net",
    ct_net = "nf_conn.ct_net.net",
    ct_zone = "nf_conn.zone.id",
    ct_tuplehash = "nf_conn.tuplehash",
    ct_hash_size = "sizeof nf_conntrack_tuple_hash",
    ct_hash_tuple = "nf_conntrack_tuple_hash.tuple",
    ct_tuple_src = "nf_conntrack_tuple.src.u3",
    ct_tuple_sport = "nf_conntrack_tuple.src.u.tcp.port",
    ct_tuple_l3num = "nf_conntrack_tuple.src.l3num",
    ct_tuple_dst = "nf_conntrack_tuple.dst.u3",
    ct_tuple_dport = "nf_conntrack_tuple.dst.u.tcp.port",
    ct_tuple_protocol = "nf_conntrack_tuple.dst.protonum",
    ct_status = "nf_conn.status",
    ct_mark = "nf_conn.mark",
    ct_state = "nf_conn.proto.tcp.state",
    task_pid = "task_struct.pid",
    task_tgid = "task_struct.tgid",
    task_comm = "task_struct.comm",
    task_cred = "task_struct.cred",
    task_cgroups = "task_struct.cgroups",
    cred_uid = "cred.uid.val",
    css_set_dfl_cgrp = "css_set.dfl_cgrp",
    cgroup_kn = "cgroup.kn",
    kernfs_node_id = "kernfs_node.id",
}

// SAFETY: `repr(C)`, u32 only, no padding.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Offsets {}
