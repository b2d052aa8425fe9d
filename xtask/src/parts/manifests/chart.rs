//! The chart, linted and rendered with several sets of values, by helm 3 and 4 alike.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{
    objects::{VERSIONS, checked},
    tools::Tools,
};
use crate::process::required_output_of;

/// The objects of each set of values, by its name.
pub(super) fn rendered(tools: &Tools) -> anyhow::Result<BTreeMap<String, Vec<Value>>> {
    refuses_what_is_wrong(tools)?;
    let mut all = BTreeMap::new();
    for (name, values) in SETS {
        println!("manifests: chart {name}");
        lint(tools, values)?;
        all.insert(name.to_owned(), same_for_all(tools, name, values)?);
    }
    Ok(all)
}

fn lint(tools: &Tools, values: &[&str]) -> anyhow::Result<()> {
    for mut helm in tools.helms() {
        helm.args(["lint", "--strict", CHART]).args(values);
        required_output_of(helm.current_dir(&tools.deploy))?;
    }
    Ok(())
}

/// What every helm renders for every version of Kubernetes, which has to be the same.
fn same_for_all(tools: &Tools, name: &str, values: &[&str]) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    for helm in 0..tools.helms().count() {
        for version in VERSIONS {
            let yaml = template(tools, helm, version, values)?;
            let mut things = checked(tools, &format!("chart {name}"), &yaml)?;
            things.sort_by_key(|thing| thing["kind"].to_string());
            all.push(things);
        }
    }
    let first = all.pop().context("there is no helm")?;
    if all.iter().any(|things| *things != first) {
        bail!("chart {name}: helm 3 and 4, or versions of Kubernetes, get different objects");
    }
    Ok(first)
}

fn template(tools: &Tools, helm: usize, version: &str, values: &[&str]) -> anyhow::Result<String> {
    let mut helm = tools.helms().nth(helm).context("there is no such helm")?;
    helm.args(["template", "conntracer", CHART, "--namespace", "conntracer"])
        .args(["--kube-version", version])
        .args(values);
    required_output_of(helm.current_dir(&tools.deploy))
}

/// Values that have to be refused, by the schema or by the templates, in words that name them.
fn refuses_what_is_wrong(tools: &Tools) -> anyhow::Result<()> {
    for (value, word) in WRONG {
        for helm in 0..tools.helms().count() {
            let Err(error) = template(tools, helm, "1.37", &["--set", value]) else {
                bail!("the chart takes --set {value}");
            };
            if !error.to_string().contains(word) {
                bail!("the chart refuses --set {value} without a word of {word}: {error}");
            }
        }
    }
    if template(tools, 0, "1.29", &[]).is_ok() {
        bail!("the chart takes Kubernetes 1.29, which does not know appArmorProfile");
    }
    Ok(())
}

const CHART: &str = "helm/conntracer";
/// The names that kustomize's overlays have as well are compared with them.
const SETS: [(&str, &[&str]); 7] = [
    ("base", &[]),
    (
        "monitored",
        &["--set=serviceMonitor.enabled=true,networkPolicy.enabled=true,hostNetwork=false"],
    ),
    ("monitored-on-the-node", &["--set=serviceMonitor.enabled=true"]),
    ("cri-o", &["--set=criFolder=/run/crio"]),
    ("privileged", &["--set=privileged=true"]),
    (
        "least",
        &["--set=config.output.file=null,criFolder=,config.output.stdout=true,priorityClassName="],
    ),
    (
        "most",
        &[
            "--set=fullnameOverride=tracer,image.repository=registry.example.com:5000/conntracer,image.tag=1.2.3",
            "--set=imagePullSecrets[0].name=pull,podAddress=true,ipv6=true,config.serve.listen=127.0.0.1:9000",
            "--set=otlpHeadersSecret=otlp,config.otlp.endpoint=http://127.0.0.1:4318,seLinuxOptions.type=spc_t",
            "--set=podAnnotations.note=one,podLabels.team=two,serviceMonitor.labels.release=prometheus",
            "--set=affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey=zone",
        ],
    ),
];
const WRONG: [(&str, &str); 10] = [
    ("nonsense=1", "nonsense"),
    ("hostNetwork=maybe", "hostNetwork"),
    ("image.pullPolicy=Sometimes", "pullPolicy"),
    ("capabilities={cap_bpf}", "capabilities"),
    ("config.serve.listen=9469", "listen"),
    ("config.serve.listen=node.example.com:9469", "listen"),
    ("criFolder=run/crio", "criFolder"),
    ("config.output.file=conntracer.jsonl", "file"),
    ("config.trace.hang-after.seconds=3", "hang-after"),
    // There it would not hold.
    ("networkPolicy.enabled=true", "hostNetwork=false"),
];
