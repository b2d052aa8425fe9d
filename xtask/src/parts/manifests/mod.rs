//! The manifests of deploy/: rendered by the real kustomize and helm, held against the schemas of Kubernetes, and compared
//! with each other. No cluster is asked; that the agent can work as its pod runs is tried in a real container.

mod agree;
mod chart;
mod containerd;
mod kustomize;
mod objects;
mod pod;
mod tools;
mod unit;

use super::Part;
use crate::workspace::Workspace;
use tools::Tools;

pub(super) const PART: Part = Part {
    name: "manifests",
    covers: &[
        "deploy/helm",
        "deploy/kustomize",
        "deploy/systemd",
        "xtask/src/parts/python.rs",
    ],
    run,
};

fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let tools = Tools::ready(workspace)?;
    objects::refuses_what_is_wrong(&tools)?;
    let kustomize = kustomize::rendered(&tools)?;
    let chart = chart::rendered(&tools)?;
    agree::same_pods(&kustomize, &chart)?;
    agree::same_configuration(&kustomize, &chart)?;
    agree::same_version(&kustomize, &chart)?;
    agree::no_rights_in_the_cluster(&kustomize, &chart)?;
    agree::same_capabilities(&chart, &unit::capabilities(workspace)?)?;
    unit::check(workspace)?;
    pod::runs(workspace, chart.get("base").map_or(&[], Vec::as_slice))
}
