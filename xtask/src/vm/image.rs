//! A guest's first file system: the programs with their libraries, the kernel's modules, and the job.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::{
    arch::Arch,
    cpio::Tree,
    job::{self, Job},
    modules::{self, Module},
    programs::Programs,
    userland,
};
use crate::process::{find_program, required_output_of};

/// The part that all kernels share.
pub(super) struct Base(Vec<u8>);

impl Base {
    /// The programs at the paths that they have here, and what tests and programs need besides.
    pub(super) fn new(programs: &Programs, arch: Arch, scratch: &Path) -> anyhow::Result<Self> {
        let strip = Strip {
            program: match arch {
                Arch::Amd64 => "strip",
                Arch::Arm64 => "aarch64-linux-gnu-strip",
            },
            scratch,
        };
        let mut tree = skeleton();
        tree.program("init", strip.strip(&programs.init)?);
        for program in programs.all() {
            tree.program(&placed(program)?, strip.strip(program)?);
        }
        match arch {
            Arch::Amd64 => {
                let linked = programs.all().chain([programs.init.as_path()]).map(Path::to_owned);
                add_from_here(&mut tree, linked.collect())?;
            }
            Arch::Arm64 => userland::add(&mut tree, arch)?,
        }
        Ok(Self(tree.archive()))
    }

    /// Only a first process, for a guest of this machine's architecture.
    pub(super) fn of_init_alone(scratch: &Path) -> anyhow::Result<Self> {
        let init = env::current_exe().context("the path of this program")?;
        let mut tree = skeleton();
        tree.program(
            "init",
            Strip {
                program: "strip",
                scratch,
            }
            .strip(&init)?,
        );
        add_from_here(&mut tree, vec![init])?;
        Ok(Self(tree.archive()))
    }

    /// Puts a folder of this machine's at the same path.
    pub(super) fn and_folder(mut self, folder: &Path) -> anyhow::Result<Self> {
        let mut tree = Tree::default();
        for entry in fs::read_dir(folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .flatten()
        {
            let path = entry.path();
            if path.is_file() {
                tree.file(&placed(&path)?, fs::read(&path)?);
            }
        }
        self.0.extend(tree.archive());
        Ok(self)
    }

    /// The whole image for one boot.
    pub(super) fn with(&self, modules: &[Module], mut job: Job) -> anyhow::Result<Vec<u8>> {
        let mut tree = Tree::default();
        for (name, code) in modules {
            let place = format!("/modules/{name}.ko");
            tree.file(&place, code.clone());
            job.modules.push(place);
        }
        tree.file(job::PLACE, serde_json::to_vec(&job).context("the job")?);
        Ok([&self.0[..], &tree.archive()].concat())
    }
}

/// The modules of a kernel, for [`Base::with`].
pub(super) fn modules_of(folder: &Path) -> anyhow::Result<Vec<Module>> {
    modules::for_tests(folder).with_context(|| format!("the modules in {}", folder.display()))
}

fn skeleton() -> Tree {
    let mut tree = Tree::default();
    for folder in [
        "proc", "sys", "dev", "tmp", "run", "etc", "root", "var", "usr/bin", "usr/sbin", "usr/lib",
    ] {
        tree.folder(folder);
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        tree.link(name, &format!("usr/{name}"));
    }
    tree.link("var/run", "/run");
    tree.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n".to_vec());
    tree.file("etc/group", b"root:x:0:\n".to_vec());
    tree.file("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n".to_vec());
    tree
}

/// Where a file goes: the path that it has here, with the links to merged folders (`/lib`, `/sbin`) followed.
fn placed(file: &Path) -> anyhow::Result<String> {
    let parent = file.parent().unwrap_or(Path::new("/"));
    let parent = fs::canonicalize(parent).with_context(|| format!("no folder {}", parent.display()))?;
    let name = file.file_name().context("a program without a name")?;
    Ok(parent.join(name).display().to_string())
}

/// Takes the debug information from programs: it would fill the guest's memory.
struct Strip<'all> {
    program: &'static str,
    scratch: &'all Path,
}

impl Strip<'_> {
    fn strip(&self, program: &Path) -> anyhow::Result<Vec<u8>> {
        let folder = self.scratch;
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let out = folder.join("stripped");
        let mut strip = Command::new(self.program);
        required_output_of(strip.arg("--strip-debug").arg("-o").arg(&out).arg(program))?;
        fs::read(&out).with_context(|| format!("cannot read {}", out.display()))
    }
}

/// This machine's helpers and libraries.
fn add_from_here(tree: &mut Tree, mut linked: Vec<PathBuf>) -> anyhow::Result<()> {
    for (name, required) in HELPERS {
        match find_program(name) {
            Some(program) => {
                tree.program(&placed(&program)?, fs::read(&program)?);
                linked.push(program);
            }
            None if *required => bail!("no program `{name}` here; the tests in a guest need it"),
            None => {}
        }
    }
    for plugin in plugins() {
        tree.program(&placed(&plugin)?, fs::read(&plugin)?);
        linked.push(plugin);
    }
    for library in libraries(&linked)? {
        tree.program(&placed(&library)?, fs::read(&library)?);
    }
    for file in FILES.iter().filter(|file| Path::new(file).exists()) {
        tree.file(file, fs::read(file)?);
    }
    Ok(())
}

/// iptables' extensions, which it opens by name.
fn plugins() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in PLUGINS {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path()).filter(|path| path.is_file()));
    }
    found
}

/// Every shared library that these files need, the loader among them.
fn libraries(files: &[PathBuf]) -> anyhow::Result<BTreeSet<PathBuf>> {
    // It ends with 1 where a file is not dynamic.
    let output = Command::new("ldd").args(files).output().context("cannot start ldd")?;
    Ok(paths(&String::from_utf8_lossy(&output.stdout)))
}

/// Of lines such as `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f)` and `/lib64/ld-linux-x86-64.so.2 (0x7f)`.
fn paths(ldd: &str) -> BTreeSet<PathBuf> {
    let path = |line: &str| {
        let path = line
            .strip_prefix('\t')?
            .rsplit("=> ")
            .next()?
            .split(" (")
            .next()?
            .trim();
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    ldd.lines().filter_map(path).collect()
}

/// The programs that tests, lab and inspector start, and whether there is no test without them; the rest is for a
/// person's eyes.
#[rustfmt::skip]
const HELPERS: &[(&str, bool)] = &[
    ("sh", true), ("ip", true), ("nft", true), ("conntrack", true),
    ("iptables", true), ("iptables-nft", true), ("iptables-legacy", true),
    ("ip6tables", true), ("ip6tables-nft", true), ("ip6tables-legacy", true),
    ("iptables-save", true), ("iptables-nft-save", true), ("iptables-legacy-save", true),
    ("ip6tables-save", true), ("ip6tables-nft-save", true), ("ip6tables-legacy-save", true),
    ("iptables-restore", false), ("iptables-nft-restore", false), ("iptables-legacy-restore", false),
    ("ip6tables-restore", false), ("ip6tables-nft-restore", false), ("ip6tables-legacy-restore", false),
    ("nsenter", false), ("unshare", false), ("ss", false), ("tc", false), ("cat", false), ("sysctl", false),
    ("mount", false), ("umount", false), ("dmesg", false), ("ls", false), ("sleep", false),
];
const PLUGINS: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/xtables",
    "/usr/lib64/xtables",
    "/usr/lib/xtables",
];
const FILES: [&str; 5] = [
    "/etc/protocols",
    "/etc/services",
    "/etc/iproute2/rt_tables",
    "/etc/ethertypes",
    "/etc/nsswitch.conf",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_prints() {
        let text = "/usr/sbin/nft:\n\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x7f)\n\tlibno.so => not found\n\tnot a dynamic executable\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(paths(text), expected.into_iter().map(PathBuf::from).collect());
    }

    #[test]
    fn a_file_keeps_its_name_and_its_real_folder() {
        assert_eq!(placed(Path::new("/usr/../proc/version")).unwrap(), "/proc/version");
    }
}
