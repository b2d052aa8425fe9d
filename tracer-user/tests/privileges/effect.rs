//! What is found of the traffic without a capability: the table's last column, as far as it can be seen here.

use crate::tracer::User;
use caps::Capability;
use std::collections::BTreeMap;
use std::fs;

/// Findings by their destination's port.
pub(crate) type Findings = BTreeMap<u64, Found>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) cause: String,
    pub(crate) confidence: String,
    pub(crate) names_rule: bool,
    /// The listener's process; not told of findings without a listener.
    pub(crate) names_listener: bool,
}

pub(crate) struct Expected {
    pub(crate) findings: Findings,
    /// `hello` and the log name it.
    pub(crate) is_missed: bool,
    pub(crate) tells_location: bool,
}

pub(crate) fn expected(user: User, without: Capability) -> Expected {
    let mut findings = whole();
    let cannot_look = [Capability::CAP_SYS_ADMIN, Capability::CAP_NET_ADMIN].contains(&without);
    let cannot_read = without == Capability::CAP_DAC_READ_SEARCH && user == User::Other;
    let cannot_search = without == Capability::CAP_SYS_PTRACE;
    if cannot_look {
        findings = [
            (9000, found("syn-dropped", "likely", false)),
            (9001, found("redirect-to-dead-port", "possible", false)),
            (9003, found("syn-dropped", "likely", false)),
        ]
        .into();
    }
    if cannot_search || cannot_read {
        for found in findings.values_mut() {
            found.names_listener = false;
        }
    }
    if cannot_read {
        findings.insert(9000, found("syn-dropped", "likely", true));
        findings.insert(9003, found("syn-dropped", "likely", false));
    }
    let is_missed = cannot_look || cannot_search || cannot_read || without == Capability::CAP_SYSLOG;
    Expected {
        findings,
        is_missed,
        tells_location: without != Capability::CAP_SYSLOG || addresses_are_open(),
    }
}

/// With every capability.
fn whole() -> Findings {
    let stalled = Found {
        names_listener: true,
        ..found("redirect-target-stalled", "proved", true)
    };
    [
        (9000, found("syn-dropped", "proved", true)),
        (9001, found("redirect-to-dead-port", "proved", true)),
        (9002, stalled),
        (9003, found("syn-dropped", "proved", true)),
    ]
    .into()
}

fn found(cause: &str, confidence: &str, names_rule: bool) -> Found {
    Found {
        cause: cause.to_owned(),
        confidence: confidence.to_owned(),
        names_rule,
        names_listener: false,
    }
}

/// Whether the kernel shows addresses to everybody.
fn addresses_are_open() -> bool {
    let setting = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    let number = |name: &str| setting(name).trim().parse::<i32>().unwrap_or(i32::MAX);
    number("kptr_restrict") == 0 && number("perf_event_paranoid") <= 1
}
