//! What the running program has given up, as the kernel tells it.

use crate::tracer::{Tracer, User};
use caps::{CapSet, CapsHashSet};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::thread;
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
    let mut seen = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{}/task", tracer.pid())).unwrap() {
        let folder = task.unwrap().path();
        let status = fs::read_to_string(folder.join("status")).unwrap();
        let field = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
            line.unwrap_or_else(|| panic!("{name} in {status}")).trim().to_owned()
        };
        let name = field("Name");
        let role = match &*name {
            "inspect" | "inspect-home" | "sweep" | "sweep-home" => Role::Inspect,
            "conntracer" | "output" => main,
            other => panic!("a thread that no document tells of: {other}"),
        };
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            let mask = u64::from_str_radix(&field(set), 16).unwrap();
            assert_eq!(mask, mask_of(&role.keeps()), "{set} of {name}");
        }
        assert_eq!(
            (field("NoNewPrivs"), field("Seccomp")),
            ("1".into(), "2".into()),
            "{name}"
        );
        *seen.entry(name).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
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
