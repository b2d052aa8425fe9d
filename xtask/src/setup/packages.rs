//! The system's packages: which are needed, and how apt installs them. Only root installs; others are told how.

use std::{
    process::{Command, Output},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};

use super::{rustup, toolchain::LLVM};
use crate::process::{Exit, find_program, is_root, output_of, shown};

/// A package and the reason for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Need {
    pub(crate) package: &'static str,
    pub(crate) why: &'static str,
}

/// The packages of the programs that the demo and the tests run and that are not there.
pub(super) fn missing_programs() -> Vec<Need> {
    needs_of(&PROGRAMS, is_there)
}

/// Installs what the benchmarks run beside us; what cannot be had is missing there, and shown to be.
pub(crate) fn install_for_bench() {
    for need in needs_of(&BENCH, is_there) {
        if let Err(problem) = install(&[need]) {
            println!("setup: without {}: {problem:#}", need.package);
        }
    }
}

/// Installs packages, or ends with the commands that a person can run.
pub(crate) fn install(needs: &[Need]) -> anyhow::Result<()> {
    let names = needs.iter().map(|need| need.package).collect::<Vec<_>>();
    if find_program("apt-get").is_none() || !is_root() {
        return Err(Exit::not_possible(advice(needs, find_program("apt-get").is_some())));
    }
    for Need { package, why } in needs {
        println!("setup: installing {package}: {why}");
    }
    if lists_are_stale(&names) {
        update()?;
    } else if apt(&mut install_command(&names))?.status.success() {
        return Ok(());
    } else {
        // The usual reason: the lists name a version that the archive has replaced.
        update()?;
    }
    let output = apt(&mut install_command(&names))?;
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    bail!("`{}` failed:\n{}", shown(&install_command(&names)), reason.trim_end())
}

fn is_there(program: &str) -> bool {
    find_program(program).is_some()
}

fn needs_of(programs: &[(&str, Need)], is_there: impl Fn(&str) -> bool) -> Vec<Need> {
    let missing = programs.iter().filter(|(program, _)| !is_there(program));
    missing.map(|&(_, need)| need).collect()
}

fn advice(needs: &[Need], has_apt: bool) -> String {
    let list = needs
        .iter()
        .map(|need| format!("  {}: {}", need.package, need.why))
        .collect::<Vec<_>>()
        .join("\n");
    let names = needs.iter().map(|need| need.package).collect::<Vec<_>>().join(" ");
    if has_apt {
        return format!(
            "only root may install what is missing:\n{list}\nRun this, then the same chore again:\n  sudo apt-get update\n  \
             sudo apt-get install --no-install-recommends {names}"
        );
    }
    format!(
        "this system has no apt to install what is missing (named as Debian names it):\n{list}\nInstall the programs with \
         your system's packages, and where they are in the list:\n  a compiler with its source: {}\n  LLVM {LLVM}'s \
         development files: set LLVM_PREFIX to their folder\nThen run the same chore again.",
        rustup::INSTALL_COMMAND
    )
}

fn update() -> anyhow::Result<()> {
    println!("setup: updating apt's package lists");
    let mut command = Command::new("apt-get");
    command.args(["update", "--quiet"]);
    let output = apt(&mut command)?;
    if !output.status.success() {
        // Another source's failure does not matter where ours could be read; the installation will tell.
        println!("setup: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}

/// `--no-remove`: a machine with the distribution's own rustc keeps it, and is told so by apt.
fn install_command(names: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .args([
            "install",
            "--yes",
            "--quiet",
            "--no-install-recommends",
            "--no-remove",
            "-o",
            "DPkg::Lock::Timeout=300",
        ])
        .args(names)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Runs apt-get, again while another one holds its lock: the lists' lock has no waiting of its own.
fn apt(command: &mut Command) -> anyhow::Result<Output> {
    for _ in 0..LOCK_TRIES {
        let output = command
            .output()
            .with_context(|| format!("cannot start {}", shown(command)))?;
        if output.status.success() || !String::from_utf8_lossy(&output.stderr).contains("Could not get lock") {
            return Ok(output);
        }
        println!("setup: another program is using apt; waiting");
        thread::sleep(LOCK_PAUSE);
    }
    bail!("another program kept apt locked; wait for its end, then run the same chore again")
}

fn lists_are_stale(names: &[&str]) -> bool {
    output_of(Command::new("apt-cache").env("LC_ALL", "C").arg("policy").args(names))
        .is_none_or(|policy| lacks_candidate(&policy, names))
}

/// Reads `apt-cache policy`: whether a package is unknown, or known only in a version that is too old.
fn lacks_candidate(policy: &str, names: &[&str]) -> bool {
    names.iter().any(|name| {
        let heading = format!("{name}:");
        let mut lines = policy.lines().skip_while(|line| *line != heading).skip(1);
        let mut own = lines.by_ref().take_while(|line| line.starts_with(' '));
        let candidate = own.find_map(|line| line.trim().strip_prefix("Candidate: "));
        candidate.is_none_or(|version| version == "(none)" || (*name == "rustc-web" && is_too_old(version)))
    })
}

fn is_too_old(version: &str) -> bool {
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    super::toolchain::is_older_than_needed(version)
}

const PROGRAMS: [(&str, Need); 5] = [
    (
        "ip",
        Need {
            package: "iproute2",
            why: "`ip`: the namespaces and links of the demo and the tests",
        },
    ),
    (
        "iptables",
        Need {
            package: "iptables",
            why: "`iptables`: the rules of the demo and the tests",
        },
    ),
    (
        "nft",
        Need {
            package: "nftables",
            why: "`nft`: the rules of the demo and the tests",
        },
    ),
    (
        "conntrack",
        Need {
            package: "conntrack",
            why: "`conntrack`: looks at connections in tests, and in fixes",
        },
    ),
    (
        "groff",
        Need {
            package: "groff-base",
            why: "`groff`: sets the manual's pages in tests, as man does",
        },
    ),
];
/// For `bench` alone.
const BENCH: [(&str, Need); 3] = [
    (
        "bpftrace",
        Need {
            package: "bpftrace",
            why: "`bpftrace`: a peer in the benchmarks",
        },
    ),
    (
        "tcpstates",
        Need {
            package: "libbpf-tools",
            why: "`tcpstates` and `tcplife`: peers in the benchmarks",
        },
    ),
    (
        "valgrind",
        Need {
            package: "valgrind",
            why: "`valgrind`: counts instructions in the benchmarks",
        },
    ),
];
const LOCK_TRIES: u32 = 60;
const LOCK_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "\
rustc-web:
  Installed: (none)
  Candidate: 1.96.0+dfsg1-1~deb12u2
  Version table:
     1.96.0+dfsg1-1~deb12u2 500
llvm-22-dev:
  Installed: (none)
  Candidate: 1:22.1.8-1~deb12u1
  Version table:
";

    #[test]
    fn a_new_machine_needs_the_package_of_every_program() {
        let names = needs_of(&PROGRAMS, |_| false)
            .iter()
            .map(|need| need.package)
            .collect::<Vec<_>>();
        assert_eq!(names, ["iproute2", "iptables", "nftables", "conntrack", "groff-base"]);
    }

    #[test]
    fn a_program_that_is_there_needs_no_package() {
        let needs = needs_of(&PROGRAMS, |program| program != "nft");
        assert_eq!(needs.iter().map(|need| need.package).collect::<Vec<_>>(), ["nftables"]);
        assert_eq!(needs_of(&PROGRAMS, |_| true), []);
    }

    #[test]
    fn the_benchmarks_need_their_peers_and_only_those_that_are_missing() {
        let needs = needs_of(&BENCH, |program| program == "valgrind");
        let names = needs.iter().map(|need| need.package).collect::<Vec<_>>();
        assert_eq!(names, ["bpftrace", "libbpf-tools"]);
    }

    #[test]
    fn known_packages_need_no_update_of_the_lists() {
        assert!(!lacks_candidate(KNOWN, &["rustc-web", "llvm-22-dev"]));
    }

    #[test]
    fn an_unknown_package_an_empty_candidate_or_an_old_compiler_needs_an_update() {
        assert!(lacks_candidate(KNOWN, &["nftables"]));
        assert!(lacks_candidate("nftables:\n  Candidate: (none)\n", &["nftables"]));
        assert!(lacks_candidate(
            "rustc-web:\n  Candidate: 1.85.0+dfsg3-1\n",
            &["rustc-web"]
        ));
        assert!(lacks_candidate("", &["rustc-web"]));
    }

    #[test]
    fn the_advice_names_each_package_its_reason_and_the_command() {
        let needs = needs_of(&PROGRAMS, |program| program != "ip");
        let text = advice(&needs, true);
        assert!(text.contains("iproute2: `ip`"), "{text}");
        assert!(
            text.contains("sudo apt-get install --no-install-recommends iproute2"),
            "{text}"
        );
    }

    #[test]
    fn without_apt_the_advice_says_how_to_get_the_compiler() {
        assert!(advice(&super::super::toolchain::NEEDS, false).contains(rustup::INSTALL_COMMAND));
    }

    #[test]
    fn an_installation_never_removes_a_package() {
        assert!(shown(&install_command(&["nftables"])).contains("--no-remove"));
    }
}
