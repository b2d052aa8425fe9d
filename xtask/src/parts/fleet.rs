//! The queries of deploy/fleet on the output of the scenarios, in the engine of ClickHouse.

use super::Part;
use crate::workspace::Workspace;

pub(super) const PART: Part = Part {
    name: "fleet",
    covers: &["deploy/fleet", "tracer-user/src/sink"],
    run,
};

fn run(_workspace: &Workspace) -> anyhow::Result<()> {
    anyhow::bail!("not there yet")
}
