//! One cell of the matrix: a kernel with one rung of hooks. It boots it, runs the tests, and judges what comes back.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::Context as _;

use super::{
    arch::Arch,
    image::{self, Base},
    job::{Job, Step},
    kernel::{Kernel, Line},
    needs,
    programs::Programs,
    qemu::Qemu,
    results::{self, Verdict},
};
use crate::workspace::Workspace;

/// Which hooks the program may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Rung {
    /// The best that the kernel has
    Best,
    /// No trampolines
    Kprobe,
    /// Neither trampolines nor kprobes
    Tracepoint,
}

impl Rung {
    pub(super) const ALL: [Self; 3] = [Self::Best, Self::Kprobe, Self::Tracepoint];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
        }
    }
}

/// What a cell showed.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) label: &'static str,
    pub(super) version: String,
    pub(super) rung: Rung,
    /// By test program and test.
    pub(super) verdicts: BTreeMap<(String, String), Verdict>,
    pub(super) complaints: BTreeMap<(String, String), String>,
    pub(super) probes: String,
    pub(super) took: Duration,
    /// Why the guest did not come to its end.
    pub(super) problem: Option<String>,
}

/// The tests to run in a cell, by test program.
pub(super) type Plan = BTreeMap<String, Vec<String>>;

/// What the cells of an architecture share.
pub(super) struct Bench {
    pub(super) programs: Programs,
    base: Base,
    qemu: Qemu,
}

impl Bench {
    pub(super) fn new(workspace: &Workspace, arch: Arch, scratch: &Path) -> anyhow::Result<Self> {
        needs::install(arch)?;
        let qemu = Qemu::find(arch)?;
        let programs = Programs::build(workspace, arch)?;
        let base = Base::new(&programs, arch, scratch)?.and_folder(&workspace.root.join(GOLDENS))?;
        Ok(Self { programs, base, qemu })
    }

    /// Boots a kernel and runs the planned tests; what the guest sent is kept in `folder`.
    pub(super) fn run(&self, kernel: &Kernel, rung: Rung, plan: &Plan, folder: &Path) -> anyhow::Result<Report> {
        println!(
            "vm: kernel {} ({}), rung {}",
            kernel.line.label,
            kernel.version,
            rung.name()
        );
        let modules = image::modules_of(&kernel.modules)?;
        let image = self.base.with(&modules, self.job(kernel, rung, plan)?)?;
        let outcome = self.qemu.boot(kernel, &image, folder, limit(plan))?;
        for (name, bytes) in &outcome.files {
            let file = folder.join(format!("{name}.txt"));
            fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let (mut verdicts, mut complaints) = (BTreeMap::new(), BTreeMap::new());
        for (program, asked) in plan {
            let output = outcome.text(program);
            for (test, verdict) in results::verdicts(asked, &output) {
                let key = (program.clone(), test);
                if let Some(complaint) = results::complaint(&output, &key.1) {
                    complaints.insert(key.clone(), complaint);
                }
                verdicts.insert(key, verdict);
            }
        }
        Ok(Report {
            label: kernel.line.label,
            version: kernel.version.clone(),
            rung,
            verdicts,
            complaints,
            probes: outcome.text(DOCTOR),
            took: outcome.took,
            problem: outcome.problem,
        })
    }

    fn job(&self, kernel: &Kernel, rung: Rung, plan: &Plan) -> anyhow::Result<Job> {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let mut steps = vec![Step {
            name: DOCTOR.to_owned(),
            program: self.programs.conntracer.display().to_string(),
            args: words(&["doctor", "--format", "text", "--hooks", rung.name()]),
        }];
        for (name, tests) in plan.iter().filter(|(_, tests)| !tests.is_empty()) {
            let program = self
                .programs
                .tests
                .get(name)
                .with_context(|| format!("no tests called {name}"))?;
            steps.push(Step {
                name: name.clone(),
                program: program.display().to_string(),
                args: [words(&["--exact", "--test-threads", THREADS]), tests.clone()].concat(),
            });
        }
        let mut environment = super::environment();
        environment.push(("CONNTRACER_HOOKS".to_owned(), rung.name().to_owned()));
        environment.push((
            "CONNTRACER_EXPECT".to_owned(),
            format!("{}/{}", kernel.line.label, rung.name()),
        ));
        Ok(Job {
            environment,
            steps,
            limit: limit(plan).as_secs(),
            ..Job::default()
        })
    }
}

impl Line {
    /// The rungs that its cells have.
    pub(super) const fn rungs(&self) -> &'static [Rung] {
        match self.arch {
            Arch::Amd64 => &Rung::ALL,
            Arch::Arm64 => &[Rung::Best],
        }
    }
}

/// A boot's time, and each test's as if it ran alone.
fn limit(plan: &Plan) -> Duration {
    let tests = plan.values().map(Vec::len).sum::<usize>();
    BOOT + TEST * u32::try_from(tests).unwrap_or(u32::MAX)
}

/// What the replay tests read.
const GOLDENS: &str = "tracer-user/tests/golden";
const DOCTOR: &str = "doctor";
const THREADS: &str = "4";
const BOOT: Duration = Duration::from_mins(3);
const TEST: Duration = Duration::from_secs(30);
