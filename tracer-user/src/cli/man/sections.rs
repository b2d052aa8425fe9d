//! The sections of the manual that the help does not have.

use clap_mangen::roff::{Roff, bold, italic, roman};

pub(super) fn exit_status(page: &mut Roff) {
    page.control("SH", ["EXIT STATUS"]);
    definitions(page, &EXIT_STATUS);
}

pub(super) fn environment(page: &mut Roff) {
    page.control("SH", ["ENVIRONMENT"]);
    definitions(page, &ENVIRONMENT);
}

pub(super) fn files(page: &mut Roff) {
    page.control("SH", ["FILES"]);
    for (path, what) in FILES {
        page.control("TP", []);
        page.text([italic(path)]);
        page.text([roman(what)]);
    }
}

pub(super) fn examples(page: &mut Roff) {
    page.control("SH", ["EXAMPLES"]);
    definitions(page, &EXAMPLES);
}

pub(super) fn see_also(page: &mut Roff) {
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("conntracer"), roman("(8)")]);
}

fn definitions(page: &mut Roff, rows: &[(&str, &str)]) {
    for &(term, what) in rows {
        page.control("TP", []);
        page.text([bold(term)]);
        page.text([roman(what)]);
    }
}

const EXIT_STATUS: [(&str, &str); 3] = [
    (
        "0",
        "Done. A closed pipe and the signals SIGINT and SIGTERM end it so, too, after what was found has been written.",
    ),
    (
        "1",
        "Something was found: by audit at or above --fail-on, which is a warning unless said otherwise; by trace and \
         replay only with --fail-on-finding. For doctor: a core hook is missing.",
    ),
    (
        "2",
        "It could not run, or the arguments are wrong. One line on standard error names what is wrong and what to do.",
    ),
];
const ENVIRONMENT: [(&str, &str); 3] = [
    (
        "CONNTRACER_SERVE_LISTEN",
        "Where the agent serves metrics, health and the page of findings, as --listen does.",
    ),
    (
        "NO_COLOR",
        "Where it is set, text has no colour unless --color asks for it.",
    ),
    (
        "RUST_LOG",
        "Which steps are logged to standard error, as in conntracer=debug; otherwise -v decides.",
    ),
];
const FILES: [(&str, &str); 4] = [
    (
        "/etc/conntracer/agent.toml",
        "Configuration of the agent, unless --config names another.",
    ),
    (
        "/sys/kernel/btf/vmlinux",
        "The kernel's account of its own types. Without it nothing can be traced.",
    ),
    (
        "/run/netns",
        "Network namespaces by name; those without a name are found by their processes in /proc.",
    ),
    (
        "FILE given to -o",
        "Created with mode 0600, since findings name addresses and processes.",
    ),
];
const EXAMPLES: [(&str, &str); 9] = [
    (
        "conntracer",
        "As root: watch every namespace of this machine until interrupted.",
    ),
    (
        "conntracer agent --listen 127.0.0.1:9469 -o /var/log/conntracer/events.jsonl",
        "Watch it for months: metrics, a page of findings, and files that are rotated.",
    ),
    (
        "conntracer --netns pid:4711 --port 9000",
        "Watch the namespace of one process, and one port.",
    ),
    (
        "conntracer --json --events all -o trace.jsonl",
        "Keep everything in a file.",
    ),
    (
        "conntracer replay trace.jsonl",
        "Find the same again, on any machine, without privileges.",
    ),
    (
        "conntracer ports",
        "List the ports that rules take over: by whom, where to, and who listens there.",
    ),
    (
        "conntracer audit --fail-on error",
        "Look for what is wrong with the rules, without any traffic; end with 1 only for an error.",
    ),
    (
        "conntracer demo --list",
        "List the failures that can be made in throwaway namespaces, to see how each is found.",
    ),
    (
        "conntracer doctor",
        "Say which hooks run with this kernel and these privileges, and what is found less surely without the others.",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::super::Arguments;
    use super::*;
    use clap::Parser as _;

    #[test]
    fn every_example_is_a_command_line_that_the_program_takes() {
        for (line, _) in EXAMPLES {
            let outcome = Arguments::try_parse_from(line.split(' '));
            assert!(outcome.is_ok(), "{line}: {outcome:?}");
        }
    }
}
