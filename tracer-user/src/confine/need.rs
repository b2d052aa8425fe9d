//! The table of capabilities: what each is for, and what is lost without it. docs/privileges.md shows these very words.

use caps::{CapSet, Capability, CapsHashSet};

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    pub capability: Capability,
    pub used_for: &'static str,
    /// At which moment of a run.
    pub when: &'static str,
    /// What happens without it.
    pub without: &'static str,
}

/// Every capability that is of use, the indispensable ones first.
pub const NEEDS: [Need; 10] = [
    Need {
        capability: Capability::CAP_BPF,
        used_for: "loading the probes and their maps",
        when: "start; while a hook waits for its module",
        without: "exit 2, naming it, unless CAP_SYS_ADMIN stands in",
    },
    Need {
        capability: Capability::CAP_PERFMON,
        used_for: "probes that read kernel memory, kprobes",
        when: "start; while a hook waits for its module",
        without: "exit 2, naming it, unless CAP_SYS_ADMIN stands in",
    },
    Need {
        capability: Capability::CAP_SYS_ADMIN,
        used_for: "entering network namespaces, opening them by handle, finding BPF programs of others, measuring what the probes cost",
        when: "each inquiry and sweep; a tenth of a second in ten",
        without: "other namespaces are not looked into: drops at most likely, translated connections at most possible, no rule is named, redirect-target-stalled and connections that hang already are not found; what the probes cost is not told",
    },
    Need {
        capability: Capability::CAP_NET_ADMIN,
        used_for: "reading conntrack entries, nf_tables, legacy tables",
        when: "each inquiry",
        without: "rules and entries are not read: drops at most likely, translated connections at most possible, no rule is named, redirect-target-stalled is not found",
    },
    Need {
        capability: Capability::CAP_SYS_PTRACE,
        used_for: "looking up who holds a socket, and namespaces by their processes",
        when: "each inquiry and sweep",
        without: "processes of others are not looked into: holders and listeners have no process, and sweeps leave out namespaces without a name",
    },
    Need {
        capability: Capability::CAP_DAC_READ_SEARCH,
        used_for: "the same, and the list of legacy tables, for a user other than root",
        when: "each inquiry and sweep",
        without: "root: nothing; others: holders and listeners have no process, rules of legacy tables are not named, and findings by rules are at most likely",
    },
    Need {
        capability: Capability::CAP_SYSLOG,
        used_for: "names for addresses (kernel.kptr_restrict, kernel.perf_event_paranoid)",
        when: "start",
        without: "drops have no location; up to Linux 5.16, whose drops have no reason, those of rules are not seen",
    },
    Need {
        capability: Capability::CAP_NET_BROADCAST,
        used_for: "conntrack changes of other namespaces by netlink",
        when: "start, with --conntrack-events where hooks cannot tell them",
        without: "no conntrack events there; hello says so",
    },
    Need {
        capability: Capability::CAP_SYS_CHROOT,
        used_for: "keeping a library from reading the kernel's types a second time",
        when: "start",
        without: "the start takes longer, and more memory while it lasts; found is the same",
    },
    Need {
        capability: Capability::CAP_SYS_RESOURCE,
        used_for: "locked memory for maps, up to Linux 5.10",
        when: "start",
        without: "up to Linux 5.10 exit 2, naming it; later nothing",
    },
];

/// The rows whose capability the calling thread lacks, and that make a difference to it.
pub fn missing() -> Vec<&'static Need> {
    let held = caps::read(None, CapSet::Effective).unwrap_or_default();
    let is_root = rustix::process::geteuid().is_root();
    NEEDS.iter().filter(|need| need.is_missed(&held, is_root)).collect()
}

impl Need {
    fn is_missed(&self, held: &CapsHashSet, is_root: bool) -> bool {
        let is_stood_in_for = [Capability::CAP_BPF, Capability::CAP_PERFMON].contains(&self.capability)
            && held.contains(&Capability::CAP_SYS_ADMIN);
        let is_of_no_use = is_root && self.capability == Capability::CAP_DAC_READ_SEARCH;
        !(held.contains(&self.capability) || is_stood_in_for || is_of_no_use || TOLD_ON_USE.contains(&self.capability))
    }
}

/// Few runs have a use for these, and those say so themselves.
const TOLD_ON_USE: [Capability; 3] = [
    Capability::CAP_NET_BROADCAST,
    Capability::CAP_SYS_CHROOT,
    Capability::CAP_SYS_RESOURCE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_shows_this_table() {
        let shown = include_str!("../../../docs/privileges.md");
        let rows: Vec<_> = shown.lines().filter(|line| line.starts_with("| `CAP_")).collect();
        let expected = NEEDS.map(|need| {
            let Need {
                capability,
                used_for,
                when,
                without,
            } = need;
            format!("| `{capability}` | {used_for} | {when} | {without} |")
        });
        assert_eq!(rows, expected);
    }

    #[test]
    fn what_another_one_stands_in_for_is_not_missed() {
        let all: CapsHashSet = NEEDS.iter().map(|need| need.capability).collect();
        for need in &NEEDS {
            let mut held = all.clone();
            held.remove(&need.capability);
            let missed = need.is_missed(&held, true);
            let expected = matches!(
                need.capability,
                Capability::CAP_SYS_ADMIN
                    | Capability::CAP_NET_ADMIN
                    | Capability::CAP_SYS_PTRACE
                    | Capability::CAP_SYSLOG
            );
            assert_eq!(missed, expected, "{}", need.capability);
        }
        let none = CapsHashSet::new();
        assert!(NEEDS[0].is_missed(&none, true) && NEEDS[1].is_missed(&none, true));
        assert!(NEEDS[5].is_missed(&none, false));
    }
}
