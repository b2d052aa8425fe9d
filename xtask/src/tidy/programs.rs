//! Only the lab of `demo` runs programs: the product refuses itself to (docs/privileges.md).

use super::{Problem, scan::Scan};

pub(super) fn check(file: &str, scan: &Scan) -> Vec<Problem> {
    if !file.starts_with("tracer-user/src/") || file.starts_with(LAB) {
        return Vec::new();
    }
    let used = scan.paths.iter().filter(|found| !found.in_test);
    let starts = used.filter(|found| {
        let words = found.what.iter().map(String::as_str).collect::<Vec<_>>();
        let named = |name: &[&str]| words.windows(name.len()).any(|window| window == name);
        named(&["process", "Command"]) || named(&["CommandExt"])
    });
    starts
        .map(|found| Problem::new(file, found.line, "runs a program: only the lab does"))
        .collect()
}

const LAB: &str = "tracer-user/src/lab/";

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(file: &str, text: &str) -> usize {
        check(file, &Scan::of(text).unwrap()).len()
    }

    #[test]
    fn a_program_is_run_by_the_lab_and_by_tests_alone() {
        for text in [
            "use std::process::{Command, Stdio};",
            "fn f() { std::process::Command::new(\"sh\"); }",
            "use std::os::unix::process::CommandExt;",
        ] {
            assert_eq!(problems("tracer-user/src/run/mod.rs", text), 1, "{text}");
            assert_eq!(problems("tracer-user/src/lab/node.rs", text), 0, "{text}");
            let test = format!("#[cfg(test)] mod tests {{ {text} }}");
            assert_eq!(problems("tracer-user/src/run/mod.rs", &test), 0, "{text}");
        }
        assert_eq!(problems("tracer-user/src/cli/mod.rs", "use clap::Command;"), 0);
        assert_eq!(problems("tracer-user/src/cli/mod.rs", "use std::process::ExitCode;"), 0);
    }
}
