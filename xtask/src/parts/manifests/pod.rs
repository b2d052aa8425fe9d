//! That a real container runtime lets the agent do its work in the security context of its pod: containerd, with its
//! default seccomp profile, the pod's capabilities and no others, and a root file system that cannot be written.
//!
//! The host's PID namespace is not part of it: `ctr` cannot ask for that.

use std::{path::Path, process::Command};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::{containerd::Containerd, objects::the};
use crate::{
    process::{Exit, is_root, run, shown},
    setup::setup,
    workspace::Workspace,
};

/// Runs `conntracer doctor` as the DaemonSet would run it, which has to find its hooks; and with less, which has to fail.
pub(super) fn runs(workspace: &Workspace, things: &[Value]) -> anyhow::Result<()> {
    if !is_root() {
        return Err(Exit::not_possible(
            "this part starts a containerd of its own: run it as root",
        ));
    }
    setup(workspace)?;
    run(workspace
        .cargo()
        .args(["build", "--quiet", "--locked", "--package", "tracer-user"]))?;
    let context = &the(things, "DaemonSet")?["spec"]["template"]["spec"]["containers"][0]["securityContext"];
    ensure!(
        context["seccompProfile"]["type"] == "RuntimeDefault",
        "another profile is not tried here"
    );
    ensure!(
        context["capabilities"]["drop"][0] == "ALL",
        "capabilities are kept that the manifest does not name"
    );
    let added = context["capabilities"]["add"].as_array().context("no capabilities")?;
    let added = added.iter().filter_map(Value::as_str).collect::<Vec<_>>();

    let containerd = Containerd::start()?;
    let program = workspace.target.join("debug/conntracer");
    let doctor = |id, capabilities: &[&str]| output(&mut container(&containerd, &program, id, capabilities));
    let (code, told) = doctor("as-its-pod", &added)?;
    ensure!(
        code == Some(0),
        "conntracer doctor ended with {code:?} in its pod's security context:\n{told}"
    );
    let (code, told) = doctor("without-any", &[])?;
    ensure!(
        code == Some(2) && told.contains("CAP_BPF"),
        "conntracer doctor ended with {code:?} without capabilities:\n{told}"
    );
    println!(
        "manifests: conntracer doctor finds its hooks in a container of {}",
        added.join(", ")
    );
    Ok(())
}

fn container(containerd: &Containerd, program: &Path, id: &str, capabilities: &[&str]) -> Command {
    let mut ctr = containerd.ctr();
    ctr.args(["run", "--rm", "--rootfs", "--read-only", "--seccomp", "--net-host"]);
    for dropped in DEFAULT_CAPABILITIES.iter().filter(|name| !capabilities.contains(name)) {
        ctr.arg(format!("--cap-drop=CAP_{dropped}"));
    }
    for added in capabilities.iter().filter(|name| !DEFAULT_CAPABILITIES.contains(name)) {
        ctr.arg(format!("--cap-add=CAP_{added}"));
    }
    let program = program.to_string_lossy();
    // The program that is tested here is not the static one: it needs the libraries of this machine.
    let mounts = [
        (&*program, "/conntracer"),
        ("/usr/lib", "/usr/lib"),
        ("/usr/lib64", "/usr/lib64"),
    ];
    for (source, target) in mounts.into_iter().filter(|(source, _)| Path::new(source).exists()) {
        ctr.arg(format!("--mount=type=bind,src={source},dst={target},options=rbind:ro"));
    }
    ctr.arg(containerd.root_file_system())
        .args([id, "/conntracer", "doctor"]);
    ctr
}

/// The exit code, and all that was written.
fn output(command: &mut Command) -> anyhow::Result<(Option<i32>, String)> {
    let Ok(output) = command.output() else {
        bail!("cannot start {}", shown(command));
    };
    let told = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&told).into_owned()))
}

/// What containerd gives a container that asks for nothing.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
