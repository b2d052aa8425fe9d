//! QEMU: this system's, else Debian's unpacked in the cache; and one boot of a guest with it, without KVM.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use super::{arch::Arch, archive::Archive, cache, job, kernel::Kernel, wire};
use crate::process::find_program;

/// How to start QEMU here.
#[derive(Clone, Debug)]
pub(super) struct Qemu {
    arch: Arch,
    words: Vec<PathBuf>,
    counts: bool,
}

/// What a boot gave.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What the guest sent, by name.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) took: Duration,
    /// Why the guest did not come to its end.
    pub(super) problem: Option<String>,
}

impl Outcome {
    pub(super) fn text(&self, name: &str) -> String {
        let bytes = self.files.get(name).map_or(&[][..], Vec::as_slice);
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// What [`Job::collect`](job::Job::collect) asks for.
    pub(super) fn collected(&self) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        self.files
            .iter()
            .filter(|(name, _)| *name != job::END && !name.starts_with(job::OWN))
    }
}

impl Qemu {
    pub(super) fn find(arch: Arch) -> anyhow::Result<Self> {
        let (program, package) = arch.qemu();
        if let Some(program) = find_program(program) {
            return Ok(Self {
                arch,
                words: vec![program],
                counts: false,
            });
        }
        let folder = cache::folder()?.join(format!("tools/{package}"));
        if !folder.exists() {
            println!("vm: no {program} here: fetching Debian's {package} into the cache (40 MB, nothing is installed)");
            fs::create_dir_all(folder.with_file_name("")).context("cannot make the cache's folder of tools")?;
            let archive = Archive::open(&cache::folder()?, Arch::native()?.debian(), &[SUITE])?;
            cache::replace(&folder, |folder| archive.unpack_with_dependencies(&[package], folder))?;
        }
        Ok(Self {
            arch,
            words: unpacked(&folder, program),
            counts: false,
        })
    }

    /// A guest whose clock counts instructions, a nanosecond each: slow, and the same in every run.
    pub(super) fn counting(self) -> Self {
        Self { counts: true, ..self }
    }

    /// Boots a kernel with an image and waits for the guest's end; logs go to `folder`.
    pub(super) fn boot(
        &self,
        kernel: &Kernel,
        image: &[u8],
        folder: &Path,
        limit: Duration,
    ) -> anyhow::Result<Outcome> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let (initrd, sent) = (folder.join("image"), folder.join("sent"));
        fs::write(&initrd, image).with_context(|| format!("cannot write {}", initrd.display()))?;
        fs::write(&sent, []).with_context(|| format!("cannot write {}", sent.display()))?;
        let start = Instant::now();
        let mut child = self
            .command(kernel, &initrd, &sent, folder)
            .spawn()
            .context("cannot start QEMU")?;
        let ended = wait(&mut child, limit);
        let took = start.elapsed();
        let bytes = fs::read(&sent).with_context(|| format!("cannot read {}", sent.display()))?;
        for file in [&initrd, &sent] {
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        let files = wire::receive(&bytes);
        let problem = match ended? {
            false => Some(format!("no end within {} s", limit.as_secs())),
            true if !files.contains_key(job::END) => Some("the guest ended early".to_owned()),
            true => None,
        };
        let problem = problem.map(|problem| format!("{problem}\n{}", last_lines(&folder.join(CONSOLE))));
        Ok(Outcome { files, took, problem })
    }

    fn command(&self, kernel: &Kernel, initrd: &Path, sent: &Path, folder: &Path) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map_or(Path::new("qemu"), PathBuf::as_path));
        command.args(words);
        let path = |path: &Path| path.display().to_string();
        command
            .args(self.arch.machine())
            .args(if self.counts { &COUNTING } else { &FAST })
            .args(["-m", "1536"])
            .args(["-display", "none", "-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-serial", &format!("file:{}", path(&folder.join(CONSOLE)))])
            .args(["-device", "virtio-serial-pci"])
            .args(["-chardev", &format!("file,id=sent,path={}", path(sent))])
            .args(["-device", &format!("virtserialport,chardev=sent,name={}", job::PORT)])
            .args(["-kernel", &path(&kernel.image), "-initrd", &path(initrd)])
            .args([
                "-append",
                &format!("console={} quiet panic=-1 random.trust_cpu=on", self.arch.console()),
            ])
            .stdin(Stdio::null());
        command
    }
}

const FAST: [&str; 4] = ["-accel", "tcg,thread=multi", "-smp", "2"];
const COUNTING: [&str; 4] = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"];

/// Debian's QEMU runs with the loader and the libraries that came with it.
fn unpacked(folder: &Path, program: &str) -> Vec<PathBuf> {
    let triplet = format!("{}-linux-gnu", env::consts::ARCH);
    let loaders = [
        "usr/lib64/ld-linux-x86-64.so.2",
        "lib64/ld-linux-x86-64.so.2",
        "usr/lib/ld-linux-aarch64.so.1",
    ];
    let loaders = loaders.map(|loader| folder.join(loader));
    let loader = loaders.into_iter().find(|loader| loader.exists()).unwrap_or_default();
    let libraries = ["usr/lib", "lib"].map(|sub| folder.join(sub).join(&triplet).display().to_string());
    vec![
        loader,
        "--library-path".into(),
        libraries.join(":").into(),
        folder.join("usr/bin").join(program),
        "-L".into(),
        folder.join("usr/share/qemu"),
        "-L".into(),
        folder.join("usr/share/seabios"),
    ]
}

/// Whether QEMU ended by itself in time; past it, it is killed.
fn wait(child: &mut Child, limit: Duration) -> anyhow::Result<bool> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().context("cannot wait for QEMU")? {
            if !status.success() {
                bail!("QEMU failed: {status}");
            }
            return Ok(true);
        }
        thread::sleep(POLL);
    }
    child.kill().context("cannot end QEMU")?;
    child.wait().context("cannot wait for QEMU")?;
    Ok(false)
}

fn last_lines(file: &Path) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().collect::<Vec<_>>();
    let lines = lines.get(lines.len().saturating_sub(LAST)..).unwrap_or_default();
    format!("  | {}", lines.join("\n  | "))
}

/// The release whose QEMU is fetched where the system has none.
const SUITE: &str = "trixie";
const CONSOLE: &str = "console.log";
const POLL: Duration = Duration::from_millis(50);
const LAST: usize = 20;
