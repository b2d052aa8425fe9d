//! Where fetched kernels and tools are kept: outside of the repository, for all its clones together.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

use anyhow::Context as _;

/// The folder, made.
pub(super) fn folder() -> anyhow::Result<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|base| base.is_absolute());
    let folder = base
        .or_else(home)
        .context("neither XDG_CACHE_HOME nor HOME says where to keep kernels")?
        .join("conntracer/vm");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(folder)
}

/// Makes a folder in one step: filled beside its place by `fill`, then renamed, so that it is never seen half-done.
pub(super) fn replace(place: &Path, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let beside = place.with_extension(format!("{}.new", process::id()));
    let filled = fs::create_dir_all(&beside)
        .with_context(|| format!("cannot make the folder {}", beside.display()))
        .and_then(|()| fill(&beside));
    if filled.is_err() {
        let _ = fs::remove_dir_all(&beside);
        return filled;
    }
    let _ = fs::remove_dir_all(place);
    fs::rename(&beside, place).with_context(|| format!("cannot make {}", place.display()))
}
