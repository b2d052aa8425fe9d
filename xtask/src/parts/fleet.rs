//! The pipeline, schema and queries of deploy/fleet on the output of the scenarios, in the engine of ClickHouse.
//!
//! deploy/fleet/test/check.py does it; here is only what it needs.

use std::process::Command;

use super::{Part, venv::venv};
use crate::{
    elevate::{self, Access},
    process::run as run_command,
    setup::setup,
    workspace::Workspace,
};

pub(super) const PART: Part = Part {
    name: "fleet",
    covers: &["deploy/fleet", "tracer-user/src/sink"],
    run,
};

fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let access = elevate::access("making and tracing failures needs root (network namespaces, eBPF)")?;
    setup(workspace)?;
    let wanted = ["--package", "tracer-user", "--bin", "conntracer"];
    run_command(workspace.cargo().args(["build", "--locked"]).args(wanted))?;
    let test = workspace.root.join("deploy/fleet/test");
    let python = venv(workspace, "fleet", &test.join("requirements.txt"))?;
    let mut check = match access {
        Access::Root => Command::new(python),
        Access::Sudo(sudo) => {
            let mut elevated = Command::new(sudo);
            elevated.arg("--").arg(python);
            elevated
        }
    };
    // Root leaves no compiled Python behind.
    check.arg("-B").arg(test.join("check.py"));
    check.arg("--program").arg(workspace.target.join("debug/conntracer"));
    check.arg("--schema").arg(workspace.root.join("docs/schema/v1.json"));
    let sample = workspace.root.join("tracer-user/src/sink/testdata/every-type.jsonl");
    run_command(check.arg("--sample").arg(sample))
}
