//! A container image as a folder, without a container engine: the OCI image layout.
//!
//! <https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md>

mod verify;

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    digest::sha256,
    platform::Platform,
    release::Release,
    tree::{Tree, gzip},
};

pub(super) use verify::verify;

/// An image for several platforms: everything that the folder's `index.json` leads to, by digest.
#[derive(Debug)]
pub(super) struct Image {
    blobs: BTreeMap<String, Vec<u8>>,
    index: Value,
}

impl Image {
    /// One layer each, made of a tree.
    pub(super) fn of(release: &Release, layers: &[(Platform, Tree)]) -> anyhow::Result<Self> {
        let mut image = Self {
            blobs: BTreeMap::new(),
            index: Value::Null,
        };
        let mut manifests = Vec::new();
        for (platform, tree) in layers {
            manifests.push(image.platform(release, *platform, tree)?);
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": manifests,
            "annotations": labels(release)?,
        });
        // Nested, since a reader of `index.json` wants one entry a name, whatever the platforms.
        let mut entry = image.add_json(INDEX, &index)?;
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": release.version });
        image.index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
        Ok(image)
    }

    /// Replaces a folder by the image.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let blobs = folder.join(BLOBS);
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&blobs).with_context(|| format!("cannot make the folder {}", blobs.display()))?;
        let write = |path: &Path, content: &[u8]| {
            fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
        };
        for (digest, content) in &self.blobs {
            write(&blobs.join(digest), content)?;
        }
        write(
            &folder.join("oci-layout"),
            &serde_json::to_vec(&json!({ "imageLayoutVersion": "1.0.0" }))?,
        )?;
        write(&folder.join("index.json"), &serde_json::to_vec(&self.index)?)
    }

    fn platform(&mut self, release: &Release, platform: Platform, tree: &Tree) -> anyhow::Result<Value> {
        let tar = tree.tar(release.seconds)?;
        let layer = self.add(LAYER, gzip(&tar)?);
        let config = config(release, platform, &sha256(&tar))?;
        let config = self.add_json(CONFIG, &config)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [layer],
            "annotations": labels(release)?,
        });
        let mut entry = self.add_json(MANIFEST, &manifest)?;
        entry["platform"] = json!({ "architecture": platform.image, "os": "linux" });
        Ok(entry)
    }

    fn add_json(&mut self, kind: &str, content: &Value) -> anyhow::Result<Value> {
        Ok(self.add(kind, serde_json::to_vec(content)?))
    }

    /// Keeps a blob, and gives what refers to it.
    fn add(&mut self, kind: &str, content: Vec<u8>) -> Value {
        let digest = sha256(&content);
        let entry = json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": content.len() });
        self.blobs.insert(digest, content);
        entry
    }
}

/// As deploy/Dockerfile says it. It is root inside, whose capabilities the manifest of its pod cuts down.
fn config(release: &Release, platform: Platform, layer: &str) -> anyhow::Result<Value> {
    Ok(json!({
        "created": release.date()?,
        "architecture": platform.image,
        "os": "linux",
        "config": {
            "User": "0:0",
            "Entrypoint": ["/conntracer"],
            "Cmd": ["agent", "--config", "/etc/conntracer/agent.toml"],
            "WorkingDir": "/",
            "Labels": labels(release)?,
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
        "history": [{ "created": release.date()?, "created_by": "cargo xtask dist" }],
    }))
}

/// <https://github.com/opencontainers/image-spec/blob/v1.1.0/annotations.md>
fn labels(release: &Release) -> anyhow::Result<Value> {
    Ok(json!({
        "org.opencontainers.image.title": "conntracer",
        "org.opencontainers.image.description": "eBPF live connection tracer: why does this connection hang, or why was it reset?",
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.revision": release.revision,
        "org.opencontainers.image.created": release.date()?,
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
    }))
}

/// Where blobs are in the folder; a file is named by its digest.
const BLOBS: &str = "blobs/sha256";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
