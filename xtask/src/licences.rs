//! `cargo xtask licences`: every crate that the product or its build is made of may be used under a permissive licence.
//!
//! It reads what the crates declare for the dependency graph as resolved for Linux. It does not read licence texts.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use serde_json::Value;
use spdx::Expression;

use crate::{process::required_output_of, workspace::Workspace};

pub(crate) fn licences(workspace: &Workspace) -> anyhow::Result<()> {
    let mut crates = BTreeMap::new();
    for platform in PLATFORMS {
        let mut cargo = workspace.cargo();
        cargo.args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            platform,
        ]);
        let text = required_output_of(&mut cargo)?;
        crates.extend(used_crates(
            &serde_json::from_str(&text).context("reading what cargo metadata printed")?,
        )?);
    }
    let problems = crates
        .iter()
        .filter_map(|(name, licence)| problem(name, licence.as_deref()))
        .collect::<Vec<_>>();
    if !problems.is_empty() {
        bail!("licences that this project cannot take:\n  {}", problems.join("\n  "));
    }
    println!("licences: {} crates, all permissive", crates.len());
    Ok(())
}

/// The name and licence of every crate that a workspace member reaches by normal and build dependencies.
fn used_crates(metadata: &Value) -> anyhow::Result<BTreeMap<String, Option<String>>> {
    let edges = array(&metadata["resolve"]["nodes"])?
        .iter()
        .map(edges_of)
        .collect::<anyhow::Result<BTreeMap<_, _>>>()?;
    let mut reached = BTreeSet::new();
    let mut next = array(&metadata["workspace_members"])?
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>();
    while let Some(id) = next.pop() {
        if reached.insert(id) {
            next.extend(edges.get(id).into_iter().flatten());
        }
    }
    let packages = array(&metadata["packages"])?.iter();
    let used = packages.filter(|package| package["id"].as_str().is_some_and(|id| reached.contains(id)));
    Ok(used.map(name_and_licence).collect())
}

fn edges_of(node: &Value) -> anyhow::Result<(&str, Vec<&str>)> {
    let id = node["id"].as_str().context("a node of cargo metadata has no id")?;
    let built_with = |dep: &&Value| {
        dep["dep_kinds"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(is_used))
    };
    let deps = array(&node["deps"])?
        .iter()
        .filter(built_with)
        .filter_map(|dep| dep["pkg"].as_str())
        .collect();
    Ok((id, deps))
}

/// A kind is null for a normal dependency, "build" or "dev".
fn is_used(kind: &Value) -> bool {
    kind["kind"].as_str() != Some("dev")
}

fn name_and_licence(package: &Value) -> (String, Option<String>) {
    let text = |field: &str| package[field].as_str().map(str::to_owned);
    let name = format!(
        "{} {}",
        text("name").unwrap_or_default(),
        text("version").unwrap_or_default()
    );
    (name, text("license"))
}

fn array(value: &Value) -> anyhow::Result<&Vec<Value>> {
    value
        .as_array()
        .context("cargo metadata lacks a list that it always had")
}

fn problem(name: &str, licence: Option<&str>) -> Option<String> {
    let Some(licence) = licence else {
        return Some(format!("{name}: declares no licence"));
    };
    let expression = match Expression::parse_mode(licence, spdx::ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => {
            return Some(format!(
                "{name}: `{licence}` is not an SPDX expression: {}",
                error.reason
            ));
        }
    };
    let satisfied = expression.evaluate(|required| {
        let allowed = |id: spdx::LicenseId| ALLOWED.contains(&id.name);
        required.license.id().is_some_and(allowed)
    });
    (!satisfied).then(|| format!("{name}: {licence}"))
}

/// The product is built for these; a crate that only another system needs is not part of it.
const PLATFORMS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];
const ALLOWED: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_choice_with_one_permissive_licence_is_taken() {
        for licence in [
            "MIT",
            "MIT/Apache-2.0",
            "LGPL-2.1-only OR BSD-2-Clause",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert_eq!(problem("x 1.0.0", Some(licence)), None, "{licence}");
        }
    }

    #[test]
    fn copyleft_an_unknown_word_and_silence_are_problems() {
        for licence in ["GPL-2.0-only", "MPL-2.0", "MIT AND LGPL-3.0-or-later", "Mine"] {
            let text = problem("x 1.0.0", Some(licence)).unwrap_or_default();
            assert!(text.starts_with("x 1.0.0: "), "{licence}: {text}");
        }
        assert_eq!(
            problem("x 1.0.0", None).as_deref(),
            Some("x 1.0.0: declares no licence")
        );
    }

    #[test]
    fn build_dependencies_of_dependencies_count_and_dev_dependencies_do_not() {
        let dep = |pkg: &str, kind: Value| json!({"pkg": pkg, "dep_kinds": [{"kind": kind, "target": null}]});
        let package = |id: &str| json!({"id": id, "name": id, "version": "1.0.0", "license": "MIT"});
        let metadata = json!({
            "workspace_members": ["own"],
            "packages": [package("own"), package("normal"), package("build"), package("dev")],
            "resolve": {"nodes": [
                {"id": "own", "deps": [dep("normal", Value::Null), dep("dev", json!("dev"))]},
                {"id": "normal", "deps": [dep("build", json!("build"))]},
                {"id": "build", "deps": []},
                {"id": "dev", "deps": []},
            ]},
        });
        let names = used_crates(&metadata).unwrap().into_keys().collect::<Vec<_>>();
        assert_eq!(names, ["build 1.0.0", "normal 1.0.0", "own 1.0.0"]);
    }
}
