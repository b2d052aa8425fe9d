//! What the running program has given up, as the kernel tells it.

use crate::tracer::{Tracer, User};
use caps::{CapSet, CapsHashSet};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tracer_user::confine::{self, Forbidden, Role};

/// Has this program forbid itself what conntracer forbids itself.
pub(crate) const FORBIDDEN: &str = "try-what-is-forbidden";

pub(crate) fn each_thread_keeps_what_its_role_needs() {
    let tracer = Tracer::start(&caps::read(None, CapSet::Permitted).unwrap(), User::Root, &[]);
    let follows = tracer.hello["hooks"].as_array().unwrap().iter().any(|hook| {
        let waits = hook["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("is not loaded"));
        waits || hook["how"] == "kprobe" || hook["how"] == "kretprobe"
    });
    let main = if follows { Role::Follow } else { Role::Shell };
    let end = Instant::now() + PATIENCE;
    // Those that were there before the first line may still be on their way to give it up, or to their end.
    while let Err(what) = are_as_documented(tracer.pid(), main) {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn are_as_documented(pid: u32, main: Role) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let path = task.unwrap().path().join("status");
        let status = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let field = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
            line.unwrap_or_else(|| panic!("{name} in {status}")).trim().to_owned()
        };
        let name = field("Name");
        let role = match &*name {
            "inspect" | "inspect-home" | "sweep" | "sweep-home" | "names" | "cri" => Role::Inspect,
            "cost" => Role::Measure,
            "conntracer" | "output" => main,
            other => return Err(format!("a thread that no document tells of: {other}")),
        };
        let expected = mask_of(&role.keeps());
        let masks = ["CapPrm", "CapEff", "CapBnd"].map(|set| u64::from_str_radix(&field(set), 16).unwrap());
        if masks != [expected; 3] || (&*field("NoNewPrivs"), &*field("Seccomp")) != ("1", "2") {
            return Err(format!("{name} has {masks:x?} instead of {expected:x}: {status}"));
        }
        names.insert(name);
    }
    if names.len() >= 8 {
        Ok(())
    } else {
        Err(format!("threads: {names:?}"))
    }
}

fn mask_of(capabilities: &CapsHashSet) -> u64 {
    let held = caps::read(None, CapSet::Permitted).unwrap();
    capabilities.intersection(&held).map(caps::Capability::bitmask).sum()
}

pub(crate) fn no_program_can_be_run_and_no_probe_loaded() {
    let own = std::env::current_exe().unwrap();
    let tried = Command::new(own).arg(FORBIDDEN).output().unwrap();
    let said = String::from_utf8_lossy(&tried.stderr);
    assert!(tried.status.success(), "{said}");
}

/// On a thread that was there before, too.
pub(crate) fn try_what_is_forbidden() -> ExitCode {
    let run = || Command::new("/bin/true").status().map_err(|error| error.kind());
    assert!(run().is_ok(), "a program can be run before");
    let (go, gone) = mpsc::channel();
    let before = thread::spawn(move || {
        gone.recv().unwrap();
        run()
    });
    confine::process(Forbidden::Programs);
    confine::process(Forbidden::Probes);
    go.send(()).unwrap();
    assert_eq!(run(), Err(ErrorKind::PermissionDenied));
    assert_eq!(before.join().unwrap(), Err(ErrorKind::PermissionDenied));
    let load = tracer_user::kernel::load::Probes::load(&tracer_user::kernel::load::Settings::default());
    assert!(load.is_err(), "probes are loaded in spite of the filter");
    ExitCode::SUCCESS
}

const PATIENCE: Duration = Duration::from_secs(20);
