//! The programs of another architecture: Debian's packages, unpacked in the cache, for a guest that this machine cannot
//! lend its own.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{arch::Arch, archive::Archive, cache, cpio::Tree};

/// Adds all of it to a guest's file system.
pub(super) fn add(tree: &mut Tree, arch: Arch) -> anyhow::Result<()> {
    let folder = folder(arch)?;
    add_below(tree, &folder, &folder)?;
    for name in ["iptables", "ip6tables"] {
        // Debian makes these when the package is configured.
        for end in ["", "-save", "-restore"] {
            tree.link(&format!("usr/sbin/{name}{end}"), &format!("{name}-nft{end}"));
        }
    }
    Ok(())
}

fn folder(arch: Arch) -> anyhow::Result<PathBuf> {
    let folder = cache::folder()?.join(format!("userland/{}", arch.debian()));
    if !folder.exists() {
        println!(
            "vm: fetching Debian's programs for {} into the cache (20 MB)",
            arch.debian()
        );
        fs::create_dir_all(folder.with_file_name("")).context("cannot make the cache's folder of programs")?;
        let archive = Archive::open(&cache::folder()?, arch.debian(), &[SUITE])?;
        cache::replace(&folder, |folder| archive.unpack_with_dependencies(&PACKAGES, folder))?;
    }
    Ok(folder)
}

fn add_below(tree: &mut Tree, root: &Path, folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .flatten()
    {
        let path = entry.path();
        let place = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let kind = entry
            .file_type()
            .with_context(|| format!("cannot look at {}", path.display()))?;
        if SKIPPED.contains(&place.as_str()) {
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).with_context(|| format!("cannot read {}", path.display()))?;
            tree.link(&place, &target.display().to_string());
        } else if kind.is_dir() {
            add_below(tree, root, &path)?;
        } else {
            let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let mode = entry.metadata().map_or(0o755, |metadata| metadata.permissions().mode());
            if mode & 0o100 == 0 {
                tree.file(&place, content);
            } else {
                tree.program(&place, content);
            }
        }
    }
    Ok(())
}

/// A release whose C library is at least as new as the one that programs are linked with here.
const SUITE: &str = "trixie";
const PACKAGES: [&str; 8] = [
    "conntrack",
    "coreutils",
    "dash",
    "iproute2",
    "iptables",
    "libc6",
    "libgcc-s1",
    "nftables",
];
/// What no program opens.
const SKIPPED: [&str; 8] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/i18n",
    "usr/share/bash-completion",
    "usr/share/lintian",
    "usr/share/perl5",
    "usr/lib/aarch64-linux-gnu/gconv",
];
