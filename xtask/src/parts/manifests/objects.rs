//! Kubernetes objects: checked against the strict schemas of the versions that we support, and taken apart.

use std::{io::Write as _, process::Stdio};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::tools::Tools;

/// The objects of a manifest, each checked; `from` names it in errors.
pub(super) fn checked(tools: &Tools, from: &str, yaml: &str) -> anyhow::Result<Vec<Value>> {
    let mut python = tools.python();
    python
        .args(["-c", include_str!("validate.py"), OWN_SCHEMAS])
        .args(VERSIONS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = python.spawn().context("cannot start Python")?;
    let mut input = child.stdin.take().context("Python has no input")?;
    // It reads all before it writes anything.
    input.write_all(yaml.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{from}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    let things: Vec<Value> = serde_json::from_slice(&output.stdout).context("objects as JSON")?;
    if things.is_empty() {
        bail!("{from}: no objects");
    }
    Ok(things)
}

/// The only object of a kind.
pub(super) fn the<'a>(things: &'a [Value], kind: &str) -> anyhow::Result<&'a Value> {
    let mut all = things.iter().filter(|thing| thing["kind"] == kind);
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => bail!("there is no {kind}"),
        (Some(_), Some(_)) => bail!("there are several objects of kind {kind}"),
    }
}

/// That the check can fail: a setting that does not exist, one of another type, an unknown kind, a wrong monitor.
pub(super) fn refuses_what_is_wrong(tools: &Tools) -> anyhow::Result<()> {
    let monitor = json!({ "endpoints": [{ "interval": "half a minute" }], "selector": {} });
    let wrong = [
        ("ServiceAccount", "v1", json!({ "automountToken": false })),
        ("ServiceAccount", "v1", json!({ "automountServiceAccountToken": "no" })),
        ("ServiceAccounts", "v1", json!({})),
        ("ServiceMonitor", "monitoring.coreos.com/v1", json!({ "spec": monitor })),
    ];
    for (kind, version, mut thing) in wrong {
        thing["apiVersion"] = version.into();
        thing["kind"] = kind.into();
        thing["metadata"] = json!({ "name": "wrong", "namespace": "wrong" });
        let Err(error) = checked(tools, "wrong on purpose", &thing.to_string()) else {
            bail!("the schemas let {thing} pass");
        };
        if !error.to_string().contains(kind) {
            return Err(error);
        }
    }
    Ok(())
}

/// The oldest version that we support, in which appArmorProfile became a field, and the newest.
pub(super) const VERSIONS: [&str; 2] = ["1.30", "1.37"];
const OWN_SCHEMAS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/parts/manifests");
