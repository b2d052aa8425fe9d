//! Compiles the eBPF programs into `OUT_DIR/tracer-ebpf`, with the tools that `cargo xtask setup` put under `target/`.
//!
//! It installs nothing and searches no system folder: what it does not find under `target/tools` is one clear error.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, anyhow};
use aya_build::{Package, Toolchain, build_ebpf};
use object::build::elf::{Builder, SectionData};

fn main() -> ExitCode {
    let outcome = if env::var_os(RESTARTED).is_some() {
        compile()
    } else {
        restart_with_tools()
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // This alone fails the build, in one line; an exit code would add cargo's account of this process.
            println!("cargo::error={error:#}");
            ExitCode::SUCCESS
        }
    }
}

/// Runs this program again with the tools on its PATH: changing one's own environment is not safe in Rust.
fn restart_with_tools() -> anyhow::Result<ExitCode> {
    let tools = tools()?;
    for file in [COMPILER, LINKER] {
        println!("cargo::rerun-if-changed={}", tools.join(file).display());
    }
    for file in [
        "tracer-common/Cargo.toml",
        "tracer-common/src",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", workspace()?.join(file).display());
    }
    let status = Command::new(env::current_exe().context("this build script's own path")?)
        .env(RESTARTED, "1")
        .env(BOOTSTRAP, "1")
        .env("PATH", path_with(&tools)?)
        // aya-build turns every line of cargo's progress into a warning; errors come by another way.
        .env("CARGO_TERM_QUIET", "true")
        // Debug information names sources, and would have the same commit give other bytes in another folder.
        .env("CARGO_UNSTABLE_TRIM_PATHS", "true")
        .env("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all")
        .status()
        .context("restarting the build script")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn compile() -> anyhow::Result<ExitCode> {
    let root_dir = utf8(workspace()?.join(PROGRAMS))?;
    let package = Package {
        name: PROGRAMS,
        root_dir: &root_dir,
        ..Package::default()
    };
    // rustup takes the path of a toolchain in place of a name, so nothing needs to be registered with it.
    let toolchain = utf8(tools()?.join("toolchain"))?;
    build_ebpf([package], Toolchain::Custom(&toolchain)).context("compiling tracer-ebpf")?;
    let object = out()?.join(PROGRAMS);
    strip(&object).with_context(|| format!("leaving debug information out of {}", object.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The loader needs BTF only; debug information, of which BTF was made, would be read at each start, and held.
fn strip(path: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(path)?;
    let mut object = Builder::read(bytes.as_slice())?;
    for section in &mut object.sections {
        let name = section.name.as_slice();
        section.delete = name.starts_with(b".debug_") || name.starts_with(b".rel.debug_");
    }
    object.delete_orphans();
    // LLVM keeps the names of sections with those of symbols, the writer apart from them.
    if !object
        .sections
        .iter()
        .any(|section| matches!(section.data, SectionData::SectionString))
    {
        let names = object.sections.add();
        names.name = b".shstrtab".as_slice().into();
        names.data = SectionData::SectionString;
    }
    let mut stripped = Vec::new();
    object.write(&mut stripped)?;
    Ok(fs::write(path, stripped)?)
}

/// The tools' folder: under the target directory in use, wherever that is, else under the workspace's own.
fn tools() -> anyhow::Result<PathBuf> {
    let above = out()?
        .ancestors()
        .take(MAX_DEPTH_OF_OUT_DIR)
        .map(Path::to_owned)
        .collect::<Vec<_>>();
    let fallback = workspace()?.join("target");
    above
        .into_iter()
        .chain([fallback])
        .map(|folder| folder.join("tools"))
        .find(|tools| tools.join(COMPILER).exists() && tools.join(LINKER).exists())
        .ok_or_else(|| anyhow!("the eBPF toolchain is not set up; run `cargo xtask setup`, then build again"))
}

fn out() -> anyhow::Result<PathBuf> {
    env::var_os("OUT_DIR").map(PathBuf::from).context("OUT_DIR is not set")
}

fn path_with(tools: &Path) -> anyhow::Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let own = [tools.join("bin"), tools.join("toolchain/bin")];
    env::join_paths(own.into_iter().chain(env::split_paths(&path))).context("the folder of the tools cannot be in PATH")
}

fn workspace() -> anyhow::Result<PathBuf> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set")?);
    here.parent()
        .map(Path::to_owned)
        .context("tracer-user lies outside of its workspace")
}

fn utf8(path: PathBuf) -> anyhow::Result<String> {
    path.into_os_string()
        .into_string()
        .map_err(|path| anyhow!("the path {} is not UTF-8; move the clone", path.display()))
}

/// The package, and the file that it becomes.
const PROGRAMS: &str = "tracer-ebpf";
/// Tells this program that its tools are on PATH.
const RESTARTED: &str = "TRACER_USER_BUILD_RESTARTED";
/// Lets a stable compiler take `-Z build-std`; aya-build looks for it too.
const BOOTSTRAP: &str = "RUSTC_BOOTSTRAP";
const COMPILER: &str = "toolchain/bin/rustc";
const LINKER: &str = "bin/bpf-linker";
/// `target/rust-analyzer/TRIPLE/debug/build/PACKAGE/out` is the deepest known layout.
const MAX_DEPTH_OF_OUT_DIR: usize = 7;
