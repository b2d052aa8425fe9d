//! The kustomize base and its overlays, rendered.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::Value;

use super::{objects::checked, tools::Tools};
use crate::process::required_output_of;

/// The objects of the base and of every overlay, by the name of its folder.
pub(super) fn rendered(tools: &Tools) -> anyhow::Result<BTreeMap<String, Vec<Value>>> {
    let root = tools.deploy.join("kustomize");
    let overlays = root.join("overlays");
    let mut folders = vec![root.join("base")];
    for entry in overlays
        .read_dir()
        .with_context(|| format!("cannot read {}", overlays.display()))?
    {
        folders.push(entry?.path());
    }
    let mut all = BTreeMap::new();
    for folder in folders {
        let yaml = required_output_of(tools.kubectl().arg("kustomize").arg(&folder))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        println!("manifests: kustomize {name}");
        all.insert(name.to_string(), checked(tools, &folder.to_string_lossy(), &yaml)?);
    }
    Ok(all)
}
