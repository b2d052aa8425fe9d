//! Small phrases: counts, durations, processes, namespaces.

use crate::model::conntrack::Conntrack;
use crate::model::evidence::Evidence;
use crate::model::finding::{Connection, Culprit, Finding};
use crate::model::identity::{Comm, Netns};
use crate::model::time::Timestamp;
use crate::sink::text::Shown;
use crate::sink::words::command::netns_name;
use std::time::Duration;

/// `1 packet`, `1,234 packets`.
pub fn count(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{} {one}s", thousands(number)),
    }
}

/// What a finding cannot know.
pub fn lost_meanwhile(finding: &Finding) -> Option<String> {
    let events = count(finding.lost, "event");
    let verb = if finding.lost == 1 { "was" } else { "were" };
    (finding.lost > 0)
        .then(|| format!("{events} {verb} lost meanwhile: counts are lower bounds, and a step may be missing"))
}

/// `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `850 ms`, `3.2 s`, `2 min 5 s`, `3 h 10 min`.
pub fn seconds(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        _ => format!("{} h {} min", secs / 3600, secs / 60 % 60),
    }
}

/// `+3.001 s` after `zero`, `-0.200 s` before it.
pub fn after(zero: Timestamp, at: Timestamp) -> String {
    let (sign, distance) = if at < zero {
        ('-', zero.since(at))
    } else {
        ('+', at.since(zero))
    };
    format!("{sign}{}.{:03} s", distance.as_secs(), distance.subsec_millis())
}

/// `37.3 MiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut tenths = u128::from(number) * 10 / 1024;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while tenths >= 10_240 && units.len() > 0 {
        tenths /= 1024;
        unit = units.next();
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, unit.unwrap_or(&"B"))
}

/// `curl (pid 4711)`.
pub fn process(pid: u32, comm: Comm) -> String {
    match (pid, comm.as_bytes()) {
        (0, _) => "the kernel".to_owned(),
        (pid, []) => format!("pid {pid}"),
        (pid, name) => format!("{} (pid {pid})", Shown(name)),
    }
}

/// Who connected, or who holds the socket.
pub fn holder(connection: &Connection) -> Option<String> {
    let owner = connection.owner.map(|owner| process(owner.pid, owner.comm));
    owner.or_else(|| connection.holder.map(|holder| process(holder.pid, holder.comm)))
}

/// `10.0.0.1:4000 -> 10.0.0.2:80`; a port that is not bound yet is a star.
pub fn connection(connection: &Connection) -> String {
    let tuple = connection.tuple;
    match tuple.source.port {
        0 => format!("{}:* -> {}", tuple.source.address, tuple.destination),
        _ => tuple.to_string(),
    }
}

/// `netns blue`, or by its inode where it has no name.
pub fn netns(finding: &Finding, netns: Netns) -> String {
    match enter(finding, netns).and_then(netns_name) {
        Some(name) => format!("netns {}", Shown(name.as_bytes())),
        None if netns.inode != 0 => format!("netns {}", netns.inode),
        None => "a network namespace".to_owned(),
    }
}

/// How a person enters `netns`, where the finding knows.
pub(super) fn enter(finding: &Finding, netns: Netns) -> Option<&str> {
    let connection = finding
        .connection
        .iter()
        .chain(&finding.examples)
        .chain(&finding.victims);
    let connection = connection.filter(|connection| connection.netns == netns);
    let culprits = finding.culprits.iter().filter_map(|culprit| {
        let (Culprit::Rule { netns: of, enter, .. } | Culprit::Sysctl { netns: of, enter, .. }) = culprit else {
            return None;
        };
        enter.as_deref().filter(|_| *of == netns)
    });
    let inspected = finding.evidence.iter().filter_map(|evidence| {
        let Evidence::Inspected { netns: of, enter, .. } = evidence else {
            return None;
        };
        enter.as_deref().filter(|_| *of == netns)
    });
    connection
        .filter_map(|connection| connection.enter.as_deref())
        .chain(culprits)
        .chain(inspected)
        .next()
}

/// `SYN ACK`.
pub fn flags(byte: u8) -> String {
    const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
    let names = NAMES.iter().enumerate().filter(|(bit, _)| byte >> bit & 1 == 1);
    let names: Vec<_> = names.map(|(_, name)| *name).collect();
    names.join(" ")
}

/// The bits that tell something to a person.
pub fn status(entry: &Conntrack) -> String {
    const SHOWN: [&str; 5] = ["SEEN_REPLY", "ASSURED", "DYING", "OFFLOAD", "HW_OFFLOAD"];
    let names = Conntrack::STATUS.iter().enumerate();
    let names = names.filter(|(bit, name)| entry.status >> bit & 1 == 1 && SHOWN.contains(name));
    let names: Vec<_> = names.map(|(_, name)| *name).collect();
    match names.as_slice() {
        [] => "UNREPLIED".to_owned(),
        names => names.join(" "),
    }
}

/// The first letter as a capital.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| {
        first.to_ascii_uppercase().to_string() + chars.as_str()
    })
}

/// `ECONNREFUSED (111)`.
pub fn errno(errno: u32) -> String {
    let name = match errno {
        0 => return "no error".to_owned(),
        1 => "EPERM",
        13 => "EACCES",
        32 => "EPIPE",
        71 => "EPROTO",
        98 => "EADDRINUSE",
        99 => "EADDRNOTAVAIL",
        100 => "ENETDOWN",
        101 => "ENETUNREACH",
        102 => "ENETRESET",
        103 => "ECONNABORTED",
        104 => "ECONNRESET",
        105 => "ENOBUFS",
        110 => "ETIMEDOUT",
        111 => "ECONNREFUSED",
        112 => "EHOSTDOWN",
        113 => "EHOSTUNREACH",
        _ => return format!("errno {errno}"),
    };
    format!("{name} ({errno})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_and_exact_enough() {
        let text = |millis| seconds(Duration::from_millis(millis));
        assert_eq!(
            [
                text(7),
                text(999),
                text(3_249),
                text(59_940),
                text(125_000),
                text(11_400_000)
            ],
            ["7 ms", "999 ms", "3.2 s", "59.9 s", "2 min 5 s", "3 h 10 min"]
        );
        let zero = Timestamp::from_nanos(2_000_000_000);
        assert_eq!(after(zero, Timestamp::from_nanos(5_001_000_000)), "+3.001 s");
        assert_eq!(after(zero, Timestamp::from_nanos(1_800_000_000)), "-0.200 s");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [thousands(0), thousands(999), thousands(1_234_567)],
            ["0", "999", "1,234,567"]
        );
        assert_eq!(
            [count(1, "packet"), count(1000, "packet")],
            ["1 packet", "1,000 packets"]
        );
        assert_eq!(
            [bytes(12), bytes(1536), bytes(39_111_885)],
            ["12 B", "1.5 KiB", "37.3 MiB"]
        );
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
    }
}
