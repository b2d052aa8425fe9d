//! The compiler for the BPF target: any rustc with its library's source and the LLVM that bpf-linker is built for.
//!
//! `target/tools/toolchain` is a link to one of rustup's toolchains, or a folder of links to Debian's compiler and to
//! the cargo in use. rustup accepts its path in place of a toolchain's name, so nothing is registered and clones
//! cannot get in each other's way.

use std::{
    env, fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::packages::Need;
use crate::{
    process::{Exit, find_program, output_of},
    workspace::cargo_program,
};

/// The packages that bring a fitting compiler where rustup cannot.
pub(super) const NEEDS: [Need; 2] = [
    Need {
        package: "rustc-web",
        why: "a Rust compiler whose source is packaged, for the eBPF programs",
    },
    Need {
        package: "rust-web-src",
        why: "the source of that compiler's core library: the BPF target has none prebuilt",
    },
];

pub(super) fn is_ready(tools: &Path) -> bool {
    fits(&folder(tools))
}

/// Whether the toolchain at this path can compile the eBPF programs.
pub(super) fn fits(sysroot: &Path) -> bool {
    sysroot.join("bin/cargo").exists() && sysroot.join(SOURCE).exists() && compiler_fits(&sysroot.join("bin/rustc"))
}

pub(super) fn debian_fits() -> bool {
    Path::new(DEBIAN).join(SOURCE).exists() && compiler_fits(&Path::new(DEBIAN).join("bin/rustc"))
}

pub(super) fn link_rustup(tools: &Path, sysroot: &Path) -> anyhow::Result<()> {
    println!("setup: eBPF compiler: rustup's {}", sysroot.display());
    let folder = emptied(tools)?;
    symlink(sysroot, &folder).with_context(|| format!("cannot make the link {}", folder.display()))
}

pub(super) fn link_debian(tools: &Path) -> anyhow::Result<()> {
    if !debian_fits() {
        return Err(Exit::not_possible(format!(
            "the packages {} are installed, but {DEBIAN}/bin/rustc is not a rustc >= {}.{} with LLVM {LLVM} and its \
             source.\nWhere rustup reaches its server, this helps: {}",
            NEEDS.map(|need| need.package).join(" and "),
            OLDEST.0,
            OLDEST.1,
            super::rustup::INSTALL_COMMAND,
        )));
    }
    println!("setup: eBPF compiler: Debian's {DEBIAN}/bin/rustc");
    let folder = emptied(tools)?;
    for sub in ["bin", "lib"] {
        let sub = folder.join(sub);
        fs::create_dir_all(&sub).with_context(|| format!("cannot make the folder {}", sub.display()))?;
    }
    let cargo = cargo()?;
    for (target, name) in [
        (Path::new(DEBIAN).join("bin/rustc"), "bin/rustc"),
        (Path::new(DEBIAN).join("bin/rustdoc"), "bin/rustdoc"),
        (cargo, "bin/cargo"),
        (Path::new(DEBIAN).join("lib/rustlib"), "lib/rustlib"),
    ] {
        let link = folder.join(name);
        symlink(&target, &link).with_context(|| format!("cannot make the link {}", link.display()))?;
    }
    Ok(())
}

fn folder(tools: &Path) -> PathBuf {
    tools.join("toolchain")
}

/// The toolchain's place with nothing in it, its parent made.
fn emptied(tools: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder(tools);
    fs::create_dir_all(tools).with_context(|| format!("cannot make the folder {}", tools.display()))?;
    let removed = if folder.is_symlink() {
        fs::remove_file(&folder)
    } else {
        fs::remove_dir_all(&folder)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(folder),
    }
}

/// The cargo in use, as a real program: one of rustup's stand-ins would ask for a toolchain again.
fn cargo() -> anyhow::Result<PathBuf> {
    let in_use = PathBuf::from(cargo_program());
    if in_use.is_absolute() && env::var_os("CARGO").is_some() {
        return Ok(in_use);
    }
    if let Some(path) = output_of(Command::new("rustup").args(["which", "cargo"])) {
        return Ok(PathBuf::from(path.trim()));
    }
    match find_program("cargo") {
        Some(cargo) => Ok(cargo),
        None => bail!("no cargo found; run this as `cargo xtask setup`"),
    }
}

fn compiler_fits(rustc: &Path) -> bool {
    output_of(Command::new(rustc).arg("-vV").env_remove("RUSTUP_TOOLCHAIN")).is_some_and(|text| version_fits(&text))
}

/// Reads `rustc -vV`: new enough for the workspace, and with an LLVM whose output bpf-linker can read.
fn version_fits(verbose: &str) -> bool {
    let field = |name: &str| verbose.lines().find_map(|line| line.strip_prefix(name)).map(numbers);
    let new_enough = field("release: ").is_some_and(|[major, minor]| (major, minor) >= OLDEST);
    new_enough && field("LLVM version: ").is_some_and(|[major, _]| major == LLVM)
}

/// Whether a version's text names a release older than the workspace's `rust-version`.
pub(super) fn is_older_than_needed(version: &str) -> bool {
    let [major, minor] = numbers(version);
    (major, minor) < OLDEST
}

fn numbers(version: &str) -> [u32; 2] {
    let mut parts = version.trim().split('.').map(|part| part.parse().unwrap_or(0));
    [parts.next().unwrap_or(0), parts.next().unwrap_or(0)]
}

/// The LLVM of the compilers used here, and the one that bpf-linker is built for.
pub(super) const LLVM: u32 = 22;
/// The workspace's `rust-version`.
const OLDEST: (u32, u32) = (1, 95);
const SOURCE: &str = "lib/rustlib/src/rust/library/core/Cargo.toml";
const DEBIAN: &str = "/usr";

#[cfg(test)]
mod tests {
    use super::*;

    fn verbose(release: &str, llvm: &str) -> String {
        format!(
            "rustc {release}\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: {release}\nLLVM version: {llvm}\n"
        )
    }

    #[test]
    fn a_compiler_fits_by_its_release_and_its_llvm() {
        assert!(version_fits(&verbose("1.96.0", "22.1.8")));
        assert!(version_fits(&verbose("1.97.0-nightly", "22.1.4")));
        assert!(version_fits(&verbose("1.95.0", "22.1.2")));
    }

    #[test]
    fn an_old_release_another_llvm_or_no_version_at_all_does_not_fit() {
        assert!(!version_fits(&verbose("1.85.0", "19.1.7")));
        assert!(!version_fits(&verbose("1.94.1", "22.1.0")));
        assert!(!version_fits(&verbose("1.99.0", "23.1.0")));
        assert!(!version_fits(""));
    }

    #[test]
    fn a_sysroot_without_source_does_not_fit() {
        assert!(!fits(Path::new("/nonexistent")));
    }
}
