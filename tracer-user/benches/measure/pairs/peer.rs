//! The peers that trace connections: how each is started, and which of its lines show that it saw a connection.

use std::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Bpftrace,
    Tcpstates,
    Tcplife,
    Conntrack,
}

/// The lines to count, and how many of them there are for each connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yardstick {
    pub(crate) marker: &'static str,
    pub(crate) each: u32,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bpftrace => "`bpftrace`, the same tracepoints",
            Self::Tcpstates => "`tcpstates`",
            Self::Tcplife => "`tcplife`",
            Self::Conntrack => "`conntrack -E`",
        }
    }

    pub(super) fn yardstick(self) -> Yardstick {
        let (marker, each) = match self {
            Self::Bpftrace => ("destroy ", 2),
            Self::Tcpstates => ("-> ESTABLISHED", 2),
            // Every line but the head has an address in it.
            Self::Tcplife => (".", 2),
            Self::Conntrack => ("[NEW]", 1),
        };
        Yardstick { marker, each }
    }

    /// Adds the command to one that runs its arguments. Conntrack's events are those of a process's namespace.
    pub(super) fn add_to(self, command: &mut Command, namespace_of: u32) {
        match self {
            Self::Bpftrace => with_tracefs(command).args(["bpftrace", "-e", SCRIPT]),
            Self::Tcpstates => with_tracefs(command).args(["stdbuf", "-oL", "tcpstates"]),
            Self::Tcplife => with_tracefs(command).args(["stdbuf", "-oL", "tcplife"]),
            Self::Conntrack => command
                .arg("nsenter")
                .arg(format!("--net=/proc/{namespace_of}/ns/net"))
                .args(["conntrack", "-E", "-o", "timestamp"]),
        };
    }
}

/// In a mount namespace of its own; what is mounted already stays.
fn with_tracefs(command: &mut Command) -> &mut Command {
    command.args(["unshare", "--mount", "sh", "-c", MOUNT, "sh"])
}

const MOUNT: &str = "\
mount -t tracefs tracefs /sys/kernel/tracing 2>&-
mount -t debugfs debugfs /sys/kernel/debug 2>&-
exec \"$@\"";
const SCRIPT: &str = r#"
tracepoint:sock:inet_sock_set_state { printf("state %d %d %d %d %s\n", args->sport, args->dport, args->oldstate, args->newstate, comm); }
tracepoint:tcp:tcp_retransmit_skb { printf("retransmit %d %d %d\n", args->sport, args->dport, args->state); }
tracepoint:tcp:tcp_send_reset { printf("send-reset %d\n", args->state); }
tracepoint:tcp:tcp_receive_reset { printf("receive-reset %d %d\n", args->sport, args->dport); }
tracepoint:tcp:tcp_destroy_sock { printf("destroy %d %d\n", args->sport, args->dport); }
"#;
