//! The page of findings, in a headless Chromium.

use super::Part;
use crate::workspace::Workspace;

pub(super) const PART: Part = Part {
    name: "browser",
    covers: &["tracer-user/src/serve", "tracer-user/src/sink"],
    run,
};

fn run(_workspace: &Workspace) -> anyhow::Result<()> {
    anyhow::bail!("not there yet")
}
