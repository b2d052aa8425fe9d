//! `cargo xtask dist`: static programs for both architectures, as archives with all that belongs to them and as a
//! container image, and a check of every one of them.
//!
//! It needs no container engine, and the same commit gives the same bytes.

mod build;
mod digest;
mod elf;
mod notices;
mod oci;
mod pack;
mod platform;
mod release;
mod tree;
mod verify;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use self::{oci::Image, pack::Printed, platform::Platform, release::Release, tree::gzip};
use crate::{
    cross,
    process::find_program,
    setup::{install, setup},
    workspace::Workspace,
};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Build nothing: check what is there
    #[arg(long)]
    check: bool,
    /// Leave out the other architecture
    #[arg(long, value_name = "ARCHITECTURE", value_parser = ["x86_64", "aarch64"])]
    only: Option<String>,
}

pub(crate) fn dist(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let is_wanted = |platform: &Platform| options.only.as_ref().is_none_or(|only| only == platform.name);
    let platforms = Platform::ALL.into_iter().filter(is_wanted).collect::<Vec<_>>();
    if !options.check {
        make(workspace, &platforms)?;
    }
    verify::verify(workspace, &platforms)?;
    println!("dist: all there in {}", workspace.target.join(FOLDER).display());
    Ok(())
}

fn make(workspace: &Workspace, platforms: &[Platform]) -> anyhow::Result<()> {
    setup(workspace)?;
    install_cross(platforms)?;
    let release = Release::of(workspace)?;
    let mut programs = Vec::new();
    for platform in platforms {
        programs.push((*platform, build::build(workspace, platform)?));
    }
    // What it prints is the same everywhere, and only a program of this machine is sure to run.
    let (_, printing) = programs
        .iter()
        .find(|(platform, _)| platform.is_native())
        .context("what the program prints takes one of this machine: leave out --only")?;
    let printed = Printed::by(printing, &workspace.target.join("dist-manual"))?;
    let folder = emptied(&workspace.target.join(FOLDER))?;
    let (mut names, mut layers) = (Vec::new(), Vec::new());
    for (platform, path) in &programs {
        let program = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (name, licences) = (release.name(platform.name), pack::licences(workspace, platform)?);
        let archive = pack::archive(workspace, &program, &licences, &printed)?.within(&name);
        let packed = gzip(&archive.tar(release.seconds)?)?;
        names.push(keep(&folder, &format!("{name}.tar.gz"), &packed)?);
        names.push(keep(&folder, &bare(platform), &program)?);
        make_executable(&folder.join(bare(platform)))?;
        layers.push((*platform, pack::layer(&program, licences)));
    }
    Image::of(&release, &layers)?.write(&folder.join(IMAGE))?;
    digest::write_list(&folder, &names)
}

/// The program alone: a Dockerfile names it by the architecture as BuildKit knows it.
fn bare(platform: &Platform) -> String {
    format!("conntracer-{}", platform.image)
}

fn keep(folder: &Path, name: &str, content: &[u8]) -> anyhow::Result<String> {
    let path = folder.join(name);
    fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    println!("dist: made {name}, {} bytes", content.len());
    Ok(name.to_owned())
}

fn make_executable(path: &Path) -> anyhow::Result<()> {
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, mode).with_context(|| format!("cannot make {} executable", path.display()))
}

/// A folder with nothing in it.
fn emptied(folder: &Path) -> anyhow::Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(folder.to_owned())
}

fn install_cross(platforms: &[Platform]) -> anyhow::Result<()> {
    if platforms.iter().all(Platform::is_native) {
        return Ok(());
    }
    let missing = cross::NEEDS
        .iter()
        .filter(|(program, _)| find_program(program).is_none());
    let missing = missing.map(|(_, need)| *need).collect::<Vec<_>>();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// Under target/.
const FOLDER: &str = "dist";
/// The image in it.
const IMAGE: &str = "oci";
