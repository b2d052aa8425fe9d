//! Names of containers and pods, from a real containerd.

use std::process::Command;

use super::Part;
use crate::{
    process::{find_program, run},
    setup::{Need, install},
    test::cargo_test,
    workspace::Workspace,
};

pub(super) const PART: Part = Part {
    name: "containers",
    covers: &["tracer-user/src/enrich", "tracer-user/tests/containers"],
    run: test,
};

fn test(workspace: &Workspace) -> anyhow::Result<()> {
    let missing = NEEDS.iter().filter(|(program, _)| find_program(program).is_none());
    let missing = missing.map(|(_, need)| *need).collect::<Vec<_>>();
    if !missing.is_empty() {
        install(&missing)?;
    }
    let mut cargo = cargo_test(workspace)?;
    let pause = workspace.tools().join("pause");
    run(Command::new("rustc")
        .args(["-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols", "-o"])
        .arg(&pause)
        .arg(workspace.root.join("tracer-user/tests/containers/pause.rs")))?;
    cargo.args(["--package", "tracer-user", "--test", "containers"]);
    run(cargo.env("CONNTRACER_PAUSE", pause))
}

/// Programs, or where one is that PATH does not lead to.
const NEEDS: [(&str, Need); 3] = [
    (
        "containerd",
        Need {
            package: "containerd",
            why: "`containerd`: the runtime that is asked for names",
        },
    ),
    (
        "runc",
        Need {
            package: "runc",
            why: "`runc`: runs the test's containers",
        },
    ),
    (
        "/usr/lib/cni/ptp",
        Need {
            package: "containernetworking-plugins",
            why: "`ptp`: gives the test's pods a network",
        },
    ),
];
