//! `cargo xtask test --parts`: tests against the programs that the agent works with, and on other kernels, each too heavy
//! for every run.
//!
//! Every part installs what it needs, says which files it covers, and is run by CI when these have changed since it last
//! passed (`.ci/parts` has their digests), or by name.

mod browser;
mod containers;
mod exposition;
mod fleet;
mod guests;
mod http;
mod manifests;
mod metrics;
mod python;
mod served;
mod stamp;
mod venv;

use std::ffi::OsString;

use anyhow::bail;

use crate::workspace::Workspace;

/// One of the heavy tests.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// What it is a test of: files and folders, from the workspace's root.
    pub(crate) covers: &'static [&'static str],
    pub(crate) run: fn(&Workspace) -> anyhow::Result<()>,
}

/// Runs the parts of these names, or all, and remembers of which files that was.
pub(crate) fn parts(workspace: &Workspace, names: &[OsString]) -> anyhow::Result<()> {
    if let Some(unknown) = names.iter().find(|name| PARTS.iter().all(|part| part.name != *name)) {
        let known = PARTS.iter().map(|part| part.name).collect::<Vec<_>>().join(", ");
        bail!("there is no part {}; there are {known}", unknown.display());
    }
    let is_wanted = |part: &&Part| names.is_empty() || names.iter().any(|name| *name == *part.name);
    for part in PARTS.iter().filter(is_wanted) {
        println!("parts: {}", part.name);
        (part.run)(workspace)?;
        stamp::keep(workspace, part)?;
    }
    Ok(())
}

/// Runs the parts whose files have changed since they last passed.
pub(crate) fn changed(workspace: &Workspace) -> anyhow::Result<()> {
    for part in &PARTS {
        if stamp::is_kept(workspace, part)? {
            println!("parts: {}: nothing that it covers has changed", part.name);
        } else {
            println!("parts: {}", part.name);
            (part.run)(workspace)?;
        }
    }
    Ok(())
}

const PARTS: [Part; 6] = [
    manifests::PART,
    metrics::PART,
    browser::PART,
    containers::PART,
    fleet::PART,
    guests::PART,
];
