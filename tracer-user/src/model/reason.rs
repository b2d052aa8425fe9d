//! The kernel's reasons for drops and resets, by name: the numbers change from release to release.

use crate::model::named::named;

named! {
    /// The listed reasons of `enum skb_drop_reason` (prefix `SKB_DROP_REASON_`): the only ones the probe sends.
    DropReason {
        Netfilter = "NETFILTER_DROP",
        IpLocalnet = "IP_LOCALNET",
        IpRpfilter = "IP_RPFILTER",
        IpOutNoRoutes = "IP_OUTNOROUTES",
        NeighFailed = "NEIGH_FAILED",
        TcIngress = "TC_INGRESS",
        TcEgress = "TC_EGRESS",
        Xdp = "XDP",
        BpfCgroupEgress = "BPF_CGROUP_EGRESS",
        SecurityHook = "SECURITY_HOOK",
        TcpListenOverflow = "TCP_LISTEN_OVERFLOW",
        SocketBacklog = "SOCKET_BACKLOG",
    }
}

named! {
    /// `enum sk_rst_reason` (prefix `SK_RST_REASON_`), from 6.10.
    RstReason {
        NotSpecified = "NOT_SPECIFIED",
        NoSocket = "NO_SOCKET",
        TcpInvalidAckSequence = "TCP_INVALID_ACK_SEQUENCE",
        TcpRfc7323Paws = "TCP_RFC7323_PAWS",
        TcpTooOldAck = "TCP_TOO_OLD_ACK",
        TcpAckUnsentData = "TCP_ACK_UNSENT_DATA",
        TcpFlags = "TCP_FLAGS",
        TcpOldAck = "TCP_OLD_ACK",
        TcpAbortOnData = "TCP_ABORT_ON_DATA",
        TcpTimewaitSocket = "TCP_TIMEWAIT_SOCKET",
        InvalidSyn = "INVALID_SYN",
        TcpAbortOnClose = "TCP_ABORT_ON_CLOSE",
        TcpAbortOnLinger = "TCP_ABORT_ON_LINGER",
        TcpAbortOnMemory = "TCP_ABORT_ON_MEMORY",
        TcpState = "TCP_STATE",
        TcpKeepaliveTimeout = "TCP_KEEPALIVE_TIMEOUT",
        TcpDisconnectWithData = "TCP_DISCONNECT_WITH_DATA",
        MptcpRstEunspec = "MPTCP_RST_EUNSPEC",
        MptcpRstEmptcp = "MPTCP_RST_EMPTCP",
        MptcpRstEresource = "MPTCP_RST_ERESOURCE",
        MptcpRstEprohibit = "MPTCP_RST_EPROHIBIT",
        MptcpRstEwq2big = "MPTCP_RST_EWQ2BIG",
        MptcpRstEbadperf = "MPTCP_RST_EBADPERF",
        MptcpRstEmiddlebox = "MPTCP_RST_EMIDDLEBOX",
        Error = "ERROR",
    }
}
