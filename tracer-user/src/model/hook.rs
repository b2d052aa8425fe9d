//! How hooks run.

use crate::model::named::named;

named! {
    /// The way in which a hook is attached, in the words of the JSONL contract.
    How {
        /// At a function's entry, by a trampoline.
        Fentry = "fentry",
        /// At a function's return, by a trampoline.
        Fexit = "fexit",
        Kprobe = "kprobe",
        Kretprobe = "kretprobe",
        /// A BTF tracepoint.
        TpBtf = "tp_btf",
        /// Its events come by netlink.
        Netlink = "netlink",
        Absent = "absent",
    }
}
