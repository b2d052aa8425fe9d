//! Reads an image's folder as a stranger would: every reference has its blob, of that digest and size, and no blob is
//! without a reference.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;
use serde_json::Value;

use super::{BLOBS, CONFIG, INDEX, LAYER, MANIFEST};
use crate::dist::digest::sha256;

/// What an image has for each platform, as `linux/amd64`.
pub(in crate::dist) fn verify(folder: &Path) -> anyhow::Result<Vec<String>> {
    let layout: Value = serde_json::from_slice(&read(&folder.join("oci-layout"))?)?;
    if layout["imageLayoutVersion"] != "1.0.0" {
        bail!("oci-layout does not say version 1.0.0");
    }
    let mut reading = Reading {
        blobs: folder.join(BLOBS),
        used: BTreeSet::new(),
        platforms: Vec::new(),
    };
    let index = serde_json::from_slice(&read(&folder.join("index.json"))?)?;
    reading.index(&index)?;
    let unreadable = || format!("cannot read {}", reading.blobs.display());
    for entry in fs::read_dir(&reading.blobs).with_context(unreadable)? {
        let name = entry.with_context(unreadable)?.file_name();
        if !reading.used.contains(&*name.to_string_lossy()) {
            bail!("nothing refers to the blob {}", name.display());
        }
    }
    Ok(reading.platforms)
}

struct Reading {
    blobs: PathBuf,
    used: BTreeSet<String>,
    platforms: Vec<String>,
}

impl Reading {
    fn index(&mut self, index: &Value) -> anyhow::Result<()> {
        for entry in list(index, "manifests")? {
            let blob = self.blob(entry)?;
            let content = serde_json::from_slice(&blob)?;
            match entry["mediaType"].as_str() {
                Some(INDEX) => self.index(&content)?,
                Some(MANIFEST) => self.manifest(entry, &content)?,
                kind => bail!("an index refers to a blob of kind {kind:?}"),
            }
        }
        Ok(())
    }

    fn manifest(&mut self, entry: &Value, manifest: &Value) -> anyhow::Result<()> {
        let config: Value = serde_json::from_slice(&self.blob_of(&manifest["config"], CONFIG)?)?;
        for field in ["architecture", "os"] {
            if config[field] != entry["platform"][field] {
                bail!("config and index name different platforms: {}", entry["platform"]);
            }
        }
        let layers = list(manifest, "layers")?;
        let plain = list(&config["rootfs"], "diff_ids")?;
        if layers.len() != plain.len() {
            bail!("a config lists {} layers, its manifest {}", plain.len(), layers.len());
        }
        for (layer, plain) in layers.iter().zip(plain) {
            let mut tar = Vec::new();
            GzDecoder::new(&self.blob_of(layer, LAYER)?[..]).read_to_end(&mut tar)?;
            if *plain != format!("sha256:{}", sha256(&tar)) {
                bail!("a layer unpacks to something else than {plain}");
            }
        }
        let word = |field: &str| config[field].as_str().unwrap_or_default().to_owned();
        self.platforms.push(format!("{}/{}", word("os"), word("architecture")));
        Ok(())
    }

    fn blob_of(&mut self, entry: &Value, kind: &str) -> anyhow::Result<Vec<u8>> {
        if entry["mediaType"] != kind {
            bail!("a {kind} was expected, not {}", entry["mediaType"]);
        }
        self.blob(entry)
    }

    fn blob(&mut self, entry: &Value) -> anyhow::Result<Vec<u8>> {
        let digest = entry["digest"]
            .as_str()
            .and_then(|digest| digest.strip_prefix("sha256:"));
        let digest = digest.with_context(|| format!("a reference without a digest: {entry}"))?;
        let content = read(&self.blobs.join(digest))?;
        if sha256(&content) != digest || entry["size"] != content.len() {
            bail!("the blob {digest} is not what its reference says: {entry}");
        }
        self.used.insert(digest.to_owned());
        Ok(content)
    }
}

fn list<'a>(value: &'a Value, field: &str) -> anyhow::Result<&'a Vec<Value>> {
    value[field]
        .as_array()
        .with_context(|| format!("no list `{field}` in {value}"))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::super::{
        super::{platform::Platform, release::Release, tree::Tree},
        Image,
    };
    use super::*;

    /// An image in a folder of this test's own, removed at its end.
    struct Sample(PathBuf);

    impl Sample {
        fn new(name: &str) -> Self {
            let folder = env::temp_dir().join(format!("conntracer-oci-{name}-{}", process::id()));
            image("program").write(&folder).unwrap();
            Self(folder)
        }

        fn blobs(&self) -> Vec<PathBuf> {
            let entries = fs::read_dir(self.0.join(BLOBS)).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        }

        fn objection(&self) -> String {
            verify(&self.0).unwrap_err().to_string()
        }
    }

    impl Drop for Sample {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn image(content: &str) -> Image {
        let release = Release {
            version: "1.2.3",
            revision: "abc".into(),
            seconds: 7,
        };
        let layers = Platform::ALL.map(|platform| {
            let mut tree = Tree::default();
            tree.program("conntracer", format!("{content} for {}", platform.name));
            (platform, tree)
        });
        Image::of(&release, &layers).unwrap()
    }

    #[test]
    fn an_image_has_both_platforms_and_is_the_same_each_time() {
        let sample = Sample::new("whole");
        assert_eq!(verify(&sample.0).unwrap(), ["linux/amd64", "linux/arm64"]);
        // Per platform a layer, a config and a manifest; and the index of both.
        assert_eq!(sample.blobs().len(), 7);
        assert_eq!(image("program").index, image("program").index);
        assert_ne!(image("program").index, image("another").index);
    }

    #[test]
    fn a_blob_that_was_changed_is_missed_or_is_too_many_is_found() {
        let sample = Sample::new("changed");
        for blob in sample.blobs() {
            let whole = fs::read(&blob).unwrap();
            let mut changed = whole.clone();
            changed[0] ^= 1;
            fs::write(&blob, changed).unwrap();
            assert!(sample.objection().contains("is not what its reference says"));
            fs::remove_file(&blob).unwrap();
            assert!(sample.objection().contains("cannot read"));
            fs::write(&blob, whole).unwrap();
        }
        fs::write(sample.0.join(BLOBS).join("more"), "").unwrap();
        assert!(sample.objection().contains("nothing refers to the blob more"));
    }
}
