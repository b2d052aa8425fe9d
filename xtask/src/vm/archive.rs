//! Debian's archive through a private apt configuration: any suite, without touching the system's lists or packages.
//!
//! apt checks the signatures as usual, with the archive's own keys. Nothing is installed: packages are unpacked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use anyhow::{Context as _, bail};

use super::sources::Mirror;
use crate::process::{find_program, required_output_of};

/// apt's folders for some suites, below the cache, removed on drop.
pub(super) struct Archive {
    folder: PathBuf,
    architecture: &'static str,
}

impl Archive {
    /// Reads the lists of some suites.
    pub(super) fn open(cache: &Path, architecture: &'static str, suites: &[&str]) -> anyhow::Result<Self> {
        for program in ["apt-get", "dpkg-deb"] {
            find_program(program)
                .with_context(|| format!("no {program} here: kernels and QEMU come as Debian's packages"))?;
        }
        let mirror = Mirror::of_system().context("apt's sources on this system name no mirror of Debian")?;
        let folder = cache.join(format!("apt-{}-{}", suites.join("+"), process::id()));
        let archive = Self { folder, architecture };
        for sub in ["lists/partial", "cache/archives/partial", PACKAGES] {
            make_folder(&archive.folder.join(sub))?;
        }
        let lines = suites.iter().map(|suite| mirror.line(suite)).collect::<String>();
        fs::write(archive.folder.join("sources.list"), lines).context("cannot write apt's list of sources")?;
        println!(
            "vm: reading the package lists of {} ({architecture})",
            suites.join(", ")
        );
        archive.output_of("apt-get", &["update"])?;
        Ok(archive)
    }

    /// The names of all packages that begin with this.
    pub(super) fn names(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        let names = self.output_of("apt-cache", &["pkgnames", prefix])?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// The version that apt would take.
    pub(super) fn version(&self, package: &str) -> anyhow::Result<String> {
        let policy = self.output_of("apt-cache", &["policy", package])?;
        let mut lines = policy
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Candidate: "));
        lines
            .next()
            .map(str::to_owned)
            .with_context(|| format!("no version of {package}"))
    }

    /// Fetches these packages alone and unpacks them.
    pub(super) fn unpack(&self, packages: &[String], into: &Path) -> anyhow::Result<()> {
        let packages = packages.iter().map(String::as_str);
        self.output_of("apt-get", &["download"].into_iter().chain(packages).collect::<Vec<_>>())?;
        unpack_all(&self.folder.join(PACKAGES), into)
    }

    /// Fetches packages with everything that they depend on and unpacks it all.
    pub(super) fn unpack_with_dependencies(&self, packages: &[&str], into: &Path) -> anyhow::Result<()> {
        let install = ["install", "--yes", "--download-only", "--no-install-recommends"];
        self.output_of("apt-get", &[&install, packages].concat())?;
        unpack_all(&self.folder.join("cache/archives"), into)
    }

    fn output_of(&self, program: &str, args: &[&str]) -> anyhow::Result<String> {
        let output = self.apt(program).args(args).output();
        let output = output.with_context(|| format!("cannot start {program}"))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            bail!("{program} {} failed:\n{}", args.join(" "), reason.trim_end());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// apt with its settings, in the folder where it puts downloads.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = |sub: &str| self.folder.join(sub).display().to_string();
        let settings = [
            format!("Dir::Etc::SourceList={}", path("sources.list")),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", path("lists")),
            format!("Dir::Cache={}", path("cache")),
            "Dir::State::Status=/dev/null".to_owned(),
            format!("APT::Architecture={}", self.architecture),
            format!("APT::Architectures={}", self.architecture),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "APT::Sandbox::User=".to_owned(),
            // Without it, a list that cannot be fetched is only warned of.
            "APT::Update::Error-Mode=any".to_owned(),
            "APT::Update::Post-Invoke-Success=".to_owned(),
            "Debug::NoLocking=true".to_owned(),
        ];
        command
            .arg("--quiet=2")
            .env("LC_ALL", "C")
            .current_dir(self.folder.join(PACKAGES));
        for setting in settings {
            command.arg("-o").arg(setting);
        }
        command
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            println!("vm: cannot remove {}: {error}", self.folder.display());
        }
    }
}

fn unpack_all(folder: &Path, into: &Path) -> anyhow::Result<()> {
    make_folder(into)?;
    let mut count = 0;
    for entry in fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .flatten()
    {
        let package = entry.path();
        if package.extension().is_none_or(|extension| extension != "deb") {
            continue;
        }
        required_output_of(Command::new("dpkg-deb").arg("-x").arg(&package).arg(into))?;
        fs::remove_file(&package).with_context(|| format!("cannot remove {}", package.display()))?;
        count += 1;
    }
    if count == 0 {
        bail!("apt fetched no package");
    }
    Ok(())
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Where single packages are put.
const PACKAGES: &str = "packages";
