//! Where `unsafe` may stand outside of tests, and that each says why it is sound.

use super::{Problem, scan::Scan};

pub(super) fn check(file: &str, text: &str, scan: &Scan) -> Vec<Problem> {
    let lines = text.lines().collect::<Vec<_>>();
    let allowed = ALLOWED.iter().any(|(place, _)| *place == file);
    let mut problems = Vec::new();
    for found in &scan.unsafes {
        if !allowed && !found.in_test {
            let what =
                "unsafe code has no place in this file; the table in xtask/src/tidy/safety.rs names those that may";
            problems.push(Problem::new(file, found.line, what));
        }
        if !is_explained(&lines, found.line) {
            problems.push(Problem::new(
                file,
                found.line,
                "unsafe without a `// SAFETY:` comment above it",
            ));
        }
    }
    problems
}

/// A comment stands above the statement, which may have begun some lines before its `unsafe`.
fn is_explained(lines: &[&str], line: usize) -> bool {
    let above = lines.iter().take(line).rev().take(LINES_ABOVE);
    above
        .into_iter()
        .any(|line| line.contains("SAFETY:") || line.contains("# Safety"))
}

const LINES_ABOVE: usize = 8;
/// The files with unsafe code, and what it does there.
const ALLOWED: &[(&str, &str)] = &[
    ("tracer-common/src/config.rs", "says that the record is plain data"),
    ("tracer-common/src/event.rs", "says that the record is plain data"),
    ("tracer-common/src/filter.rs", "says that the record is plain data"),
    ("tracer-common/src/offsets.rs", "says that the record is plain data"),
    ("tracer-common/src/stat.rs", "says that the record is plain data"),
    (
        "tracer-ebpf/src/read/frame.rs",
        "reads the registers that a kprobe is called with",
    ),
    ("tracer-ebpf/src/read/helper.rs", "calls helpers"),
    (
        "tracer-ebpf/src/read/mod.rs",
        "loads through kernel pointers, and calls helpers",
    ),
    (
        "tracer-ebpf/src/read/own.rs",
        "map values, ring records and frozen globals",
    ),
    ("tracer-user/src/ctnetlink/source/raw.rs", "raw system calls"),
    ("tracer-user/src/inspect/source/raw.rs", "raw system calls"),
    (
        "tracer-user/src/kernel/loader.rs",
        "gives one thread a root folder of its own",
    ),
    ("tracer-user/src/kernel/memory.rs", "gives freed memory back"),
    (
        "tracer-user/benches/measure/symptom.rs",
        "enters a network namespace of its own",
    ),
    ("tracer-user/benches/measure/system.rs", "raw system calls"),
    ("tracer-user/src/run/code.rs", "unmaps pages of code"),
    (
        "tracer-user/src/lab/host/mod.rs",
        "leaves the network namespace that it is in",
    ),
    ("tracer-user/src/lab/host/packet.rs", "sets up a packet socket"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(file: &str, text: &str) -> usize {
        check(file, text, &Scan::of(text).unwrap()).len()
    }

    #[test]
    fn explained_unsafe_in_a_named_file_is_fine() {
        assert_eq!(
            problems(
                "tracer-ebpf/src/read/mod.rs",
                "// SAFETY: the verifier checks it.\nlet x = unsafe { f() };"
            ),
            0
        );
    }

    #[test]
    fn unsafe_without_an_explanation_or_in_another_file_is_found() {
        assert_eq!(problems("tracer-ebpf/src/read/mod.rs", "let x = unsafe { f() };"), 1);
        assert_eq!(
            problems("tracer-user/src/run.rs", "// SAFETY: no.\nlet x = unsafe { f() };"),
            1
        );
    }
}
