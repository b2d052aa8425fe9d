//! Looks at what was made as those who get it will: digests, the programs as they run, the image as a client reads it.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{digest, elf, oci, platform::Platform, release::Release};
use crate::{
    process::{find_program, is_root, required_output_of, run},
    setup::{Need, install},
    workspace::Workspace,
};

/// Everything in the folder, for these platforms.
pub(super) fn verify(workspace: &Workspace, platforms: &[Platform]) -> anyhow::Result<()> {
    install_missing()?;
    let folder = workspace.target.join(super::FOLDER);
    let release = Release::of(workspace)?;
    let names = digest::verify_list(&folder)?;
    println!("dist: {} lists {} files, all as they were", digest::LIST, names.len());
    for platform in platforms {
        program(&folder.join(super::bare(platform)), platform, &release)?;
    }
    let image = folder.join(super::IMAGE);
    let found = oci::verify(&image)?;
    let expected = platforms.iter().map(|platform| format!("linux/{}", platform.image));
    if found != expected.collect::<Vec<_>>() {
        bail!("the image is for {}", found.join(", "));
    }
    for platform in platforms {
        inspect(&image, platform, &release)?;
    }
    copy(&image, &release)?;
    println!(
        "dist: the image is for {}; skopeo reads and copies it",
        found.join(", ")
    );
    Ok(())
}

/// That it is static, and does something.
fn program(path: &Path, platform: &Platform, release: &Release) -> anyhow::Result<()> {
    let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    elf::require_static(&content, platform.machine).with_context(|| path.display().to_string())?;
    let version = required_output_of(command(platform, path).arg("--version"))?;
    if version.trim() != format!("conntracer {}", release.version) {
        bail!("{} calls itself {version}", path.display());
    }
    println!("dist: {}: static, {} bytes, runs", path.display(), content.len());
    if platform.is_native() {
        doctor(path)?;
    }
    Ok(())
}

/// That the eBPF programs inside are whole: some attach, whatever this kernel lacks.
fn doctor(path: &Path) -> anyhow::Result<()> {
    if !is_root() {
        println!("dist: `conntracer doctor` was left out: it takes root");
        return Ok(());
    }
    let output = Command::new(path).args(["doctor", "--json"]).output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    let attached = attached(told.lines().next().unwrap_or_default());
    if attached == 0 {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("its doctor attached no hook: {}{told}", reason.trim_end());
    }
    println!("dist: its doctor attached {attached} hooks");
    Ok(())
}

/// How many hooks a line of type `hello` tells of that are not absent.
fn attached(hello: &str) -> usize {
    let hello = serde_json::from_str::<Value>(hello).unwrap_or_default();
    let hooks = hello["hooks"].as_array().into_iter().flatten();
    hooks.filter(|hook| hook["how"] != "absent").count()
}

/// A program for another machine runs under QEMU.
fn command(platform: &Platform, program: &Path) -> Command {
    if platform.is_native() {
        return Command::new(program);
    }
    let mut command = Command::new(format!("qemu-{}-static", platform.name));
    command.arg(program);
    command
}

fn inspect(image: &Path, platform: &Platform, release: &Release) -> anyhow::Result<()> {
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["--override-os", "linux", "--override-arch", platform.image, "inspect"]);
    skopeo.args([
        "--format",
        "{{.Architecture}} {{index .Labels \"org.opencontainers.image.version\"}}",
    ]);
    let found = required_output_of(skopeo.arg(reference(image, release)))?;
    if found.trim() != format!("{} {}", platform.image, release.version) {
        bail!("skopeo finds {found} where the image for {} should be", platform.image);
    }
    Ok(())
}

/// A copy by skopeo, which checks every digest, is the same image.
fn copy(image: &Path, release: &Release) -> anyhow::Result<()> {
    let copy = image.with_extension("copy");
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["--insecure-policy", "copy", "--quiet", "--all"]);
    run(skopeo.args([reference(image, release), reference(&copy, release)]))?;
    let same = oci::verify(&copy).is_ok_and(|found| oci::verify(image).is_ok_and(|own| own == found));
    fs::remove_dir_all(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    if !same {
        bail!("skopeo's copy of the image is another image");
    }
    Ok(())
}

fn reference(image: &Path, release: &Release) -> String {
    format!("oci:{}:{}", image.display(), release.version)
}

fn install_missing() -> anyhow::Result<()> {
    let missing = NEEDS.iter().filter(|(program, _)| find_program(program).is_none());
    let missing = missing.map(|(_, need)| *need).collect::<Vec<_>>();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

const NEEDS: [(&str, Need); 2] = [
    (
        "qemu-aarch64-static",
        Need {
            package: "qemu-user-static",
            why: "runs the program for arm64",
        },
    ),
    (
        "skopeo",
        Need {
            package: "skopeo",
            why: "`skopeo`: reads the image as a registry's client does",
        },
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hooks_that_are_there_count() {
        let hello =
            r#"{"hooks":[{"hook":"a","how":"tp_btf"},{"hook":"b","how":"absent"},{"hook":"c","how":"kprobe"}]}"#;
        assert_eq!(attached(hello), 2);
        assert_eq!(attached("no JSON"), 0);
    }
}
