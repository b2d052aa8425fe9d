//! What a kernel says of itself, as a folder of files: `release`, `vmlinux` and a file for each module with its BTF, and
//! `symbols`, its functions, a line each with the module behind a tab. `cargo xtask vm --collect` makes one too.
//!
//! The fixture 6.12-arm64 was read from the kernel's files, not asked of a running one: it lists only modules' symbols.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracer_user::kernel::btf::Btf;
use tracer_user::kernel::facts::{DROPPER, Facts};
use tracer_user::kernel::hooks::HOOKS;

pub(crate) struct Kernel {
    pub(crate) release: String,
    /// BTF of vmlinux, and of each module that has some.
    pub(crate) types: BTreeMap<String, Vec<u8>>,
    pub(crate) symbols: String,
}

impl Kernel {
    /// The one that the tests run on.
    pub(crate) fn running() -> anyhow::Result<Self> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel's release")?;
        // What a builder added to it is nobody's business.
        let release = release.trim_end().split('-').next().unwrap_or_default();
        let symbols = fs::read_to_string("/proc/kallsyms").context("the kernel's symbols")?;
        let functions = symbols.lines().filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            matches!(words.next()?, "t" | "T" | "w" | "W").then_some(())?;
            let name = words.next()?;
            let module = words.next().map(|module| module.trim_matches(['[', ']']));
            Some(module.map_or(format!("{name}\n"), |module| format!("{name}\t{module}\n")))
        });
        Ok(Self {
            release: format!("{release}\n"),
            types: types(Path::new("/sys/kernel/btf"))?,
            symbols: functions.collect(),
        })
    }

    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let file = folder.join(name);
            fs::read_to_string(&file).with_context(|| file.display().to_string())
        };
        Ok(Self {
            release: text("release")?,
            types: types(folder)?,
            symbols: text("symbols")?,
        })
    }

    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let texts = [("release", &self.release), ("symbols", &self.symbols)];
        let texts = texts.map(|(name, text)| (name, text.as_bytes()));
        let types = self.types.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        for (name, bytes) in texts.into_iter().chain(types) {
            let file = folder.join(name);
            fs::write(&file, bytes).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }

    /// The kernel's own BTF.
    pub(crate) fn btf(&self) -> anyhow::Result<Btf> {
        Ok(Btf::parse(self.types.get(VMLINUX).context("no vmlinux")?.clone())?)
    }

    /// The BTF of its modules.
    pub(crate) fn modules(&self) -> anyhow::Result<BTreeMap<&str, Btf>> {
        let base = Arc::new(self.btf()?);
        let modules = self.types.iter().filter(|(name, _)| *name != VMLINUX);
        modules
            .map(|(name, bytes)| Ok((name.as_str(), Btf::module(Arc::clone(&base), bytes.clone())?)))
            .collect()
    }

    /// What the planner would know with every module of the hooks loaded that the kernel has.
    pub(crate) fn facts(&self) -> anyhow::Result<Facts> {
        let mut facts = Facts::of(&self.btf()?);
        for btf in self.modules()?.values() {
            facts.learn_functions(btf);
        }
        let modules = HOOKS.iter().filter_map(|spec| spec.module);
        facts.modules = modules
            .filter(|module| self.has_module(module))
            .map(|name| (name, 0))
            .collect();
        if facts.drops_have_no_reason() && !self.functions(DROPPER).is_empty() {
            facts.dropper = Some(0..1);
        }
        Ok(facts)
    }

    /// The names of a function's symbols and the module of each.
    pub(crate) fn functions(&self, stem: &str) -> Vec<(&str, Option<&str>)> {
        let symbols = self.symbols.lines().map(|line| match line.split_once('\t') {
            Some((name, module)) => (name, Some(module)),
            None => (line, None),
        });
        symbols
            .filter(|(name, _)| name.split('.').next() == Some(stem))
            .collect()
    }

    fn has_module(&self, module: &str) -> bool {
        let ending = format!("\t{module}");
        self.symbols.lines().any(|line| line.ends_with(&ending))
    }
}

/// Where the kernels' folders are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernels/fixtures")
}

fn types(folder: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut types = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !matches!(name.as_str(), "release" | "symbols") {
            let file = folder.join(&name);
            let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
            types.insert(name, bytes);
        }
    }
    Ok(types)
}

pub(crate) const VMLINUX: &str = "vmlinux";
