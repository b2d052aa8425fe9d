//! Which part of the code may use what: the architecture's table of imports.
//!
//! Tests are free. What a crate's name stands for is taken from the workspace's manifest.

use super::{Problem, scan::Scan};

pub(super) fn check(file: &str, scan: &Scan, crates: &[String]) -> Vec<Problem> {
    let Some(part) = part_of(file) else {
        if !file.starts_with(USER) {
            return Vec::new();
        }
        return vec![Problem::new(
            file,
            1,
            "no rule says what this part may import: add it to xtask/src/tidy/imports.rs",
        )];
    };
    let module = module_of(file);
    let used = scan.paths.iter().filter(|found| !found.in_test);
    used.filter_map(|found| {
        let reason = part.objection(&found.what, &module, crates)?;
        Some(Problem::new(
            file,
            found.line,
            format!("`{}`: {} {reason}", found.what.join("::"), part.place),
        ))
    })
    .collect()
}

/// The names under `[workspace.dependencies]`, as code spells them.
pub(super) fn external_crates(manifest: &str) -> Vec<String> {
    let lines = manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1);
    let keys = lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "));
    keys.map(|(name, _)| name.replace('-', "_")).collect()
}

/// One row of the table. A path of `place` belongs to the first row that it starts with.
struct Part {
    place: &'static str,
    /// The other parts of tracer-user.
    parts: Only,
    crates: Only,
    /// What of the standard library is out of bounds.
    without: &'static [&'static str],
}

/// What may be used of a kind.
enum Only {
    All,
    Except(&'static [&'static str]),
    These(&'static [&'static str]),
}

impl Part {
    /// Why the part may not use this path, if so.
    fn objection(&self, path: &[String], module: &[&str], crates: &[String]) -> Option<&'static str> {
        let words = path.iter().map(String::as_str).collect::<Vec<_>>();
        if let Some(other) = part_used(&words, module)
            && module.first() != Some(&other)
            && PARTS.iter().any(|part| part.name() == other)
        {
            return (!self.parts.has(other)).then_some("may not use that part");
        }
        let first = words.first()?;
        if words.len() > 1 && crates.iter().any(|name| name == first) {
            return (!self.crates.has(first)).then_some("may not use that crate");
        }
        let is_out = |bound: &str| {
            let bound = bound.split("::").collect::<Vec<_>>();
            words.windows(bound.len()).any(|window| window == bound)
        };
        self.without
            .iter()
            .any(|bound| is_out(bound))
            .then_some("has no I/O, clock or environment")
    }

    /// The module under `tracer-user/src` that the row is about.
    fn name(&self) -> &str {
        let rest = self.place.strip_prefix(USER).unwrap_or_default();
        rest.split(['/', '.']).next().unwrap_or_default()
    }
}

impl Only {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Except(names) => !names.contains(&name),
            Self::These(names) => names.contains(&name),
        }
    }
}

fn part_of(file: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| file.starts_with(part.place))
}

/// The module path of a file within its crate.
fn module_of(file: &str) -> Vec<&str> {
    let (_, inside) = file.split_once("/src/").unwrap_or_default();
    let inside = inside.strip_suffix(".rs").unwrap_or(inside);
    inside
        .split('/')
        .filter(|word| !matches!(*word, "lib" | "main" | "mod"))
        .collect()
}

/// The top-level module that a path of this crate leads to.
fn part_used<'a>(path: &[&'a str], module: &[&'a str]) -> Option<&'a str> {
    match path {
        ["crate" | "tracer_user", part, ..] => Some(part),
        ["super", ..] => {
            let ups = path.iter().take_while(|word| **word == "super").count();
            let kept = module.len().checked_sub(ups)?;
            if kept == 0 {
                path.get(ups).copied()
            } else {
                module.first().copied()
            }
        }
        _ => None,
    }
}

const USER: &str = "tracer-user/src/";
/// kernel alone knows aya: everything else can be built and tested without a kernel.
const AYA: &[&str] = &["aya"];
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::os",
    "std::process",
    "std::thread",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
];
/// A sink writes where it is told, and gets its time from what it writes.
const SINK: &[&str] = &[
    "std::env",
    "std::process",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
];
/// The shell around a pure part: it reads what the pure part parses.
const fn source(place: &'static str, parts: &'static [&'static str]) -> Part {
    Part {
        place,
        parts: Only::These(parts),
        crates: Only::Except(&["aya", "aya_log"]),
        without: &[],
    }
}

const PARTS: &[Part] = &[
    Part {
        place: "tracer-common/src/",
        parts: Only::All,
        crates: Only::These(&["aya"]),
        without: &["std", "alloc"],
    },
    Part {
        place: "tracer-user/src/model/",
        parts: Only::These(&[]),
        crates: Only::These(&[]),
        without: IMPURE,
    },
    Part {
        place: "tracer-user/src/decode/",
        parts: Only::These(&["model"]),
        crates: Only::These(&["thiserror", "tracer_common"]),
        without: IMPURE,
    },
    Part {
        place: "tracer-user/src/track/",
        parts: Only::These(&["enrich", "inspect", "model"]),
        crates: Only::These(&["foldhash", "hashbrown", "slab", "smallvec", "thiserror"]),
        without: IMPURE,
    },
    source("tracer-user/src/inspect/netns.rs", &["model"]),
    // Both a file and a folder of that name.
    source("tracer-user/src/inspect/source", &["confine", "model"]),
    Part {
        place: "tracer-user/src/inspect/",
        parts: Only::These(&["model"]),
        crates: Only::These(&[
            "bytes",
            "foldhash",
            "libc",
            "netlink_packet_core",
            "netlink_packet_sock_diag",
            "thiserror",
        ]),
        without: IMPURE,
    },
    Part {
        place: "tracer-user/src/audit/",
        parts: Only::These(&["inspect", "inventory", "model"]),
        crates: Only::These(&[]),
        without: IMPURE,
    },
    Part {
        place: "tracer-user/src/board/",
        parts: Only::These(&["model", "sink"]),
        crates: Only::These(&[]),
        without: IMPURE,
    },
    Part {
        place: "tracer-user/src/serve/page/",
        parts: Only::These(&["board", "model", "sink"]),
        crates: Only::These(&["maud"]),
        without: IMPURE,
    },
    Part {
        place: "tracer-user/src/serve/metrics/",
        parts: Only::These(&["board", "model", "sink"]),
        crates: Only::These(&["prometheus_client"]),
        without: IMPURE,
    },
    source("tracer-user/src/serve/", &["board", "model", "sink"]),
    Part {
        place: "tracer-user/src/inventory/",
        parts: Only::These(&["inspect", "model"]),
        crates: Only::These(&[]),
        without: IMPURE,
    },
    source("tracer-user/src/ctnetlink/source", &["confine", "inspect", "model"]),
    Part {
        place: "tracer-user/src/ctnetlink/",
        parts: Only::These(&["inspect", "model"]),
        crates: Only::These(&["libc", "thiserror"]),
        without: IMPURE,
    },
    source("tracer-user/src/enrich/source", &["inspect", "model"]),
    Part {
        place: "tracer-user/src/enrich/",
        parts: Only::These(&["model"]),
        crates: Only::These(&["thiserror"]),
        without: IMPURE,
    },
    Part {
        place: "tracer-user/src/sink/writer/file/",
        parts: Only::These(&[]),
        crates: Only::These(&["flate2", "jiff", "rustix", "tracing"]),
        without: SINK,
    },
    Part {
        place: "tracer-user/src/sink/",
        parts: Only::These(&["model"]),
        crates: Only::These(&[
            "anstream",
            "anstyle",
            "bytes",
            "comfy_table",
            "humantime",
            "jiff",
            "serde",
            "serde_json",
            "thiserror",
        ]),
        without: SINK,
    },
    source("tracer-user/src/otlp/client.rs", &["model", "sink"]),
    source("tracer-user/src/otlp/exporter.rs", &["model", "sink"]),
    source("tracer-user/src/otlp/headers.rs", &["model", "sink"]),
    Part {
        place: "tracer-user/src/otlp/",
        parts: Only::These(&["model", "sink"]),
        crates: Only::These(&[
            "hyper",
            "jiff",
            "opentelemetry_proto",
            "prost",
            "serde_json",
            "thiserror",
        ]),
        // An error of reading is part of what is said.
        without: SINK,
    },
    Part {
        place: "tracer-user/src/redact/",
        parts: Only::These(&["model", "sink"]),
        crates: Only::These(&[]),
        without: IMPURE,
    },
    Part {
        place: "tracer-user/src/config/",
        parts: Only::These(&["filter", "model", "redact"]),
        crates: Only::These(&["humantime", "parse_size", "serde", "toml"]),
        without: IMPURE,
    },
    Part {
        place: "tracer-user/src/confine/",
        parts: Only::These(&[]),
        crates: Only::These(&["caps", "libc", "rustix", "seccompiler", "tracing"]),
        without: &["std::fs", "std::net", "std::process"],
    },
    Part {
        place: "tracer-user/src/confine/",
        parts: Only::These(&[]),
        crates: Only::These(&["caps", "libc", "rustix", "seccompiler", "tracing"]),
        without: &["std::fs", "std::net", "std::process"],
    },
    Part {
        place: "tracer-user/src/filter.rs",
        parts: Only::These(&["model"]),
        crates: Only::These(&["thiserror", "wildmatch"]),
        without: IMPURE,
    },
    Part {
        place: "tracer-user/src/replay.rs",
        parts: Only::These(&["model", "sink", "track"]),
        crates: Only::These(&["humantime", "thiserror"]),
        without: IMPURE,
    },
    Part {
        place: "tracer-user/src/failure.rs",
        parts: Only::These(&["kernel", "lab"]),
        crates: Only::These(&["thiserror"]),
        without: &[],
    },
    Part {
        place: "tracer-user/src/kernel/",
        parts: Only::These(&["confine", "decode", "model"]),
        crates: Only::All,
        without: &[],
    },
    Part {
        place: "tracer-user/src/run.rs",
        parts: Only::All,
        crates: Only::Except(AYA),
        without: &[],
    },
    Part {
        place: "tracer-user/src/run/",
        parts: Only::All,
        crates: Only::Except(AYA),
        without: &[],
    },
    Part {
        place: "tracer-user/src/cli/",
        parts: Only::All,
        crates: Only::Except(AYA),
        without: &[],
    },
    Part {
        place: "tracer-user/src/lab/",
        parts: Only::All,
        crates: Only::Except(AYA),
        without: &[],
    },
    Part {
        place: "tracer-user/src/lib.rs",
        parts: Only::All,
        crates: Only::These(&[]),
        without: &[],
    },
    Part {
        place: "tracer-user/src/main.rs",
        parts: Only::All,
        crates: Only::Except(AYA),
        without: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(file: &str, text: &str) -> Vec<String> {
        let crates = external_crates(
            "[workspace.dependencies]\naya = \"1\"\nnetlink-sys = \"1\"\nserde = \"1\"\ntokio = \"1\"\ntracing = \"1\"\n\n[x]\ny = 1\n",
        );
        check(file, &Scan::of(text).unwrap(), &crates)
            .into_iter()
            .map(|problem| problem.what)
            .collect()
    }

    #[test]
    fn the_crates_are_those_of_the_workspace() {
        assert_eq!(
            external_crates("[a]\nb = 1\n[workspace.dependencies]\nc-d = \"1\"\n[e]\nf = 1"),
            ["c_d"]
        );
    }

    #[test]
    fn every_row_has_a_bad_sample_that_is_found() {
        for (file, text) in [
            ("tracer-common/src/event.rs", "use std::net::IpAddr;"),
            ("tracer-common/src/event.rs", "use serde::Serialize;"),
            ("tracer-user/src/model/event.rs", "use crate::track::Tracker;"),
            ("tracer-user/src/model/event.rs", "use serde::Serialize;"),
            ("tracer-user/src/decode/mod.rs", "use crate::kernel::Ring;"),
            ("tracer-user/src/track/mod.rs", "use std::{fs, fmt};"),
            ("tracer-user/src/track/mod.rs", "use std::time::{Duration, Instant};"),
            ("tracer-user/src/track/mod.rs", "fn f() { time::Instant::now(); }"),
            ("tracer-user/src/track/mod.rs", "fn f() { tracing::info!(\"x\"); }"),
            ("tracer-user/src/track/legs/mod.rs", "use super::super::sink::Jsonl;"),
            ("tracer-user/src/inspect/conntrack.rs", "use netlink_sys::Socket;"),
            ("tracer-user/src/inspect/source.rs", "use aya::Btf;"),
            ("tracer-user/src/ctnetlink/change.rs", "use std::io;"),
            ("tracer-user/src/ctnetlink/source/mod.rs", "use crate::sink::Jsonl;"),
            ("tracer-user/src/enrich/process.rs", "use std::fs;"),
            ("tracer-user/src/sink/term.rs", "use crate::track::Tracker;"),
            ("tracer-user/src/kernel/load.rs", "use crate::sink::Jsonl;"),
            ("tracer-user/src/confine/mod.rs", "use crate::kernel::load;"),
            ("tracer-user/src/run.rs", "use aya::Ebpf;"),
            ("tracer-user/src/newpart/mod.rs", "use std::fmt;"),
        ] {
            assert_eq!(problems(file, text).len(), 1, "{file}: {text}");
        }
    }

    #[test]
    fn what_a_part_may_use_is_not_found() {
        for (file, text) in [
            (
                "tracer-common/src/event.rs",
                "use core::mem::size_of; unsafe impl aya::Pod for X {}",
            ),
            (
                "tracer-user/src/model/event.rs",
                "use std::{net::IpAddr, time::Duration}; use super::time::Timestamp;",
            ),
            (
                "tracer-user/src/track/mod.rs",
                "use crate::model::Event; #[cfg(test)] mod tests { use std::fs; }",
            ),
            (
                "tracer-user/src/track/legs/mod.rs",
                "use super::flow::Flow; use crate::inspect::Walk;",
            ),
            (
                "tracer-user/src/inspect/source.rs",
                "use netlink_sys::Socket; use std::io; use super::conntrack;",
            ),
            (
                "tracer-user/src/sink/jsonl.rs",
                "use std::io::Write; use serde::Serialize; use crate::model::Finding;",
            ),
            (
                "tracer-user/src/kernel/load.rs",
                "use aya::Ebpf; use crate::decode; use std::fs;",
            ),
            (
                "tracer-user/src/run.rs",
                "use tokio::select; use crate::{kernel, sink, track};",
            ),
            ("tracer-user/tests/live.rs", "use aya::Btf;"),
        ] {
            assert_eq!(problems(file, text), [] as [String; 0], "{file}: {text}");
        }
    }
}
