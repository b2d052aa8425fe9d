//! That the forms of deploy/ say the same: kustomize, the chart, the systemd unit, and the workspace's version.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::objects::the;

type Rendered = BTreeMap<String, Vec<Value>>;

/// The DaemonSets of kustomize's base and overlays, and of the chart's values of the same name.
pub(super) fn same_pods(kustomize: &Rendered, chart: &Rendered) -> anyhow::Result<()> {
    for (name, things) in kustomize {
        let of_chart = chart
            .get(name)
            .with_context(|| format!("no values of the chart are like {name}"))?;
        let (ours, theirs) = (pods(things)?, pods(of_chart)?);
        if ours != theirs {
            bail!(
                "{name}: the DaemonSets differ at {}",
                difference("spec", &ours, &theirs)
            );
        }
    }
    Ok(())
}

/// The specification of a DaemonSet without what differs by design: how a change of the configuration rolls the pods.
fn pods(things: &[Value]) -> anyhow::Result<Value> {
    let mut spec = the(things, "DaemonSet")?["spec"].clone();
    if let Some(metadata) = spec["template"]["metadata"].as_object_mut() {
        metadata.remove("annotations");
    }
    let pod = &mut spec["template"]["spec"];
    let map = the(things, "ConfigMap")?["metadata"]["name"].clone();
    for volume in pod["volumes"].as_array_mut().context("no volumes")? {
        if volume["configMap"]["name"] == map {
            volume["configMap"]["name"] = "the configuration".into();
        }
    }
    // kustomize puts what a patch adds in front.
    for (list, key) in [("/volumes", "name"), ("/containers/0/volumeMounts", "mountPath")] {
        let list = pod.pointer_mut(list).and_then(Value::as_array_mut);
        list.context("no volumes")?.sort_by_key(|entry| entry[key].to_string());
    }
    Ok(spec)
}

/// The path of the first difference, with both values.
fn difference(path: &str, ours: &Value, theirs: &Value) -> String {
    let deeper = match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys()).collect::<BTreeSet<_>>();
            let pairs = keys
                .into_iter()
                .map(|key| (format!("{path}.{key}"), &ours[key], &theirs[key]));
            pairs.into_iter().find(|(_, a, b)| a != b)
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            let mut pairs = pairs.map(|(index, (a, b))| (format!("{path}[{index}]"), a, b));
            pairs.find(|(_, a, b)| a != b)
        }
        _ => None,
    };
    deeper.map_or_else(
        || format!("{path}: {ours} and {theirs}"),
        |(path, ours, theirs)| difference(&path, ours, theirs),
    )
}

/// The agent.toml of kustomize's base and of the chart's own values; and that the pod mounts and opens what it names.
pub(super) fn same_configuration(kustomize: &Rendered, chart: &Rendered) -> anyhow::Result<()> {
    let (ours, theirs) = (configuration(kustomize, "base")?, configuration(chart, "base")?);
    ensure!(
        ours == theirs,
        "the agent.toml of the base and of the chart differ:\n{ours:?}\n{theirs:?}"
    );
    for (name, things) in chart {
        let configuration = configuration(chart, name)?;
        let pod = &the(things, "DaemonSet")?["spec"]["template"]["spec"]["containers"][0];
        let listen = configuration["serve"]["listen"].as_str().unwrap_or_default();
        let port = pod["ports"][0]["containerPort"].to_string();
        ensure!(
            listen.ends_with(&format!(":{port}")),
            "chart {name}: port {port} for {listen}"
        );
        let mounts = pod["volumeMounts"].as_array().context("no mounts")?;
        let file = configuration["output"].get("file").and_then(toml::Value::as_str);
        if let Some((folder, _)) = file.and_then(|file| file.rsplit_once('/')) {
            let is_mounted = mounts.iter().any(|mount| mount["mountPath"] == folder);
            ensure!(is_mounted, "chart {name}: {folder} is not mounted");
        }
    }
    Ok(())
}

fn configuration(rendered: &Rendered, name: &str) -> anyhow::Result<toml::Table> {
    let things = rendered.get(name).with_context(|| format!("no {name}"))?;
    let text = the(things, "ConfigMap")?["data"]["agent.toml"].as_str();
    let text = text.with_context(|| format!("{name}: no agent.toml"))?;
    text.parse().with_context(|| format!("{name}: agent.toml is not TOML"))
}

/// The workspace's version: of the image, and in the labels.
pub(super) fn same_version(kustomize: &Rendered, chart: &Rendered) -> anyhow::Result<()> {
    for rendered in [kustomize, chart] {
        let things = rendered.get("base").context("no base")?;
        let set = the(things, "DaemonSet")?;
        let image = set["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
        let label = set["metadata"]["labels"]["app.kubernetes.io/version"].as_str();
        for found in [image.and_then(|image| image.strip_prefix("conntracer:")), label] {
            ensure!(
                found == Some(VERSION),
                "deploy/ is of version {found:?}, the workspace of {VERSION}"
            );
        }
    }
    Ok(())
}

/// That nothing speaks to the API server: no roles, and no token in the pod.
pub(super) fn no_rights_in_the_cluster(kustomize: &Rendered, chart: &Rendered) -> anyhow::Result<()> {
    for (name, things) in kustomize.iter().chain(chart) {
        let with_roles = things
            .iter()
            .find(|thing| thing["kind"].as_str().is_some_and(|kind| kind.contains("Role")));
        ensure!(with_roles.is_none(), "{name}: the agent needs no role");
        let pod = &the(things, "DaemonSet")?["spec"]["template"]["spec"];
        for holder in [pod, the(things, "ServiceAccount")?] {
            let token = &holder["automountServiceAccountToken"];
            ensure!(*token == false, "{name}: a token of the API server is mounted");
        }
    }
    Ok(())
}

/// The capabilities of the pod and of the systemd unit, without CAP_.
pub(super) fn same_capabilities(chart: &Rendered, unit: &BTreeSet<String>) -> anyhow::Result<()> {
    let things = chart.get("base").context("no base")?;
    let context = &the(things, "DaemonSet")?["spec"]["template"]["spec"]["containers"][0]["securityContext"];
    let added = context["capabilities"]["add"].as_array().context("no capabilities")?;
    let added = added
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect::<BTreeSet<_>>();
    ensure!(
        added == *unit,
        "the DaemonSet has the capabilities {added:?}, the systemd unit {unit:?}"
    );
    Ok(())
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let (ours, theirs) = (json!({ "a": [{ "b": 1 }] }), json!({ "a": [{ "b": 2 }] }));
        assert_eq!(difference("spec", &ours, &theirs), "spec.a[0].b: 1 and 2");
        assert_eq!(difference("spec", &json!([1]), &json!([])), "spec: [1] and []");
        assert_eq!(difference("spec", &json!({ "a": 1 }), &json!({})), "spec.a: 1 and null");
    }
}
