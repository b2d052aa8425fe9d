//! The manifests of deploy/: rendered, and checked against the Kubernetes schemas.

use super::Part;
use crate::workspace::Workspace;

pub(super) const PART: Part = Part {
    name: "manifests",
    covers: &["deploy"],
    run,
};

fn run(_workspace: &Workspace) -> anyhow::Result<()> {
    anyhow::bail!("not there yet")
}
