//! The kernels of the matrix: which there are, how Debian calls them, and fetching one into the cache.
//!
//! They are found by pattern, since the archive replaces them; a cached one needs no network.

use std::{
    cmp::Ordering,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};

use super::{arch::Arch, archive::Archive, cache};

/// A row of the matrix.
#[derive(Debug)]
pub(super) struct Line {
    /// How the command line, the expectations and the table call it.
    pub(super) label: &'static str,
    pub(super) arch: Arch,
    /// The suites to look in, in turn.
    suites: &'static [&'static [&'static str]],
    /// How its releases begin.
    prefix: &'static str,
}

/// A kernel on this machine.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) line: &'static Line,
    /// The release, as `uname -r` has it.
    pub(super) release: String,
    /// The version of Debian's package.
    pub(super) version: String,
    pub(super) image: PathBuf,
    pub(super) modules: PathBuf,
}

pub(super) fn find(label: &str) -> anyhow::Result<&'static Line> {
    let known = || LINES.iter().map(|line| line.label).collect::<Vec<_>>().join(", ");
    LINES
        .iter()
        .find(|line| line.label == label)
        .with_context(|| format!("no kernel `{label}`; there are {}", known()))
}

/// The cached kernel, else the archive's newest.
pub(super) fn get(line: &'static Line) -> anyhow::Result<Kernel> {
    match cached(line)? {
        Some(kernel) => Ok(kernel),
        None => newest(line),
    }
}

/// The archive's newest kernel of a line, kept in the cache.
pub(super) fn newest(line: &'static Line) -> anyhow::Result<Kernel> {
    let mut problem = anyhow!("no suite to look in");
    for suites in line.suites {
        match fetch_from(line, suites) {
            Ok(()) => return cached(line)?.context("the kernel that was just fetched is not in the cache"),
            Err(error) => {
                println!("vm: kernel {}: {error:#}", line.label);
                problem = error;
            }
        }
    }
    Err(problem.context(format!("cannot get a kernel {}", line.label)))
}

fn cached(line: &'static Line) -> anyhow::Result<Option<Kernel>> {
    let folder = place(line)?;
    let Ok(text) = fs::read_to_string(folder.join(NOTE)) else {
        return Ok(None);
    };
    let (release, version) = text
        .trim()
        .split_once(' ')
        .context("the cache's note on a kernel is not readable")?;
    let candidates = [
        folder.join(format!("boot/vmlinuz-{release}")),
        folder.join(format!("usr/lib/modules/{release}/vmlinuz")),
    ];
    let image = candidates.into_iter().find(|image| image.exists());
    let roots = ["lib/modules", "usr/lib/modules"].map(|sub| folder.join(sub).join(release));
    let modules = roots.into_iter().find(|root| root.join("kernel").exists());
    let (Some(image), Some(modules)) = (image, modules) else {
        bail!("{} holds no whole kernel; remove it", folder.display());
    };
    Ok(Some(Kernel {
        line,
        release: release.to_owned(),
        version: version.to_owned(),
        image,
        modules,
    }))
}

fn fetch_from(line: &Line, suites: &[&str]) -> anyhow::Result<()> {
    let archive = Archive::open(&cache::folder()?, line.arch.debian(), suites)?;
    let names = archive.names("linux-")?;
    let releases = releases(&names, line);
    if releases.is_empty() {
        bail!("{} has no such kernel", suites.join(", "));
    }
    let place = place(line)?;
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
    }
    let mut problem = None;
    // A mirror may not have what the lists name: older ones are tried.
    for release in releases.iter().take(TRIES) {
        let packages = packages(&names, release, line.arch);
        let version = archive.version(packages.last().map_or("", String::as_str))?;
        let note = format!("{release}-cloud-{} {version}\n", line.arch.debian());
        if fs::read_to_string(place.join(NOTE)).is_ok_and(|old| old == note) {
            return Ok(());
        }
        println!("vm: fetching {} ({version})", packages.join(", "));
        let fetched = cache::replace(&place, |folder| {
            archive.unpack(&packages, folder)?;
            fs::write(folder.join(NOTE), note).context("cannot write the cache's note on a kernel")
        });
        match fetched {
            Ok(()) => return Ok(()),
            Err(error) => problem = Some(error),
        }
    }
    Err(problem.unwrap_or_else(|| anyhow!("no release")))
}

fn place(line: &Line) -> anyhow::Result<PathBuf> {
    Ok(cache::folder()?.join("kernels").join(Path::new(line.label)))
}

/// Of the packages' names, the releases of a line, the newest first.
fn releases(names: &[String], line: &Line) -> Vec<String> {
    let suffix = format!("-cloud-{}", line.arch.debian());
    let mut found = names
        .iter()
        .filter_map(|name| name.strip_prefix("linux-image-")?.strip_suffix(&suffix))
        // A metapackage has no full version in its name.
        .filter(|release| release.starts_with(|first: char| first.is_ascii_digit()) && release.matches('.').count() > 1)
        .filter(|release| release.starts_with(line.prefix))
        .map(str::to_owned)
        .collect::<Vec<_>>();
    found.sort_by(|a, b| natural(b, a));
    found
}

/// The packages of a release: one, or the two that newer Debian splits it into.
fn packages(names: &[String], release: &str, arch: Arch) -> Vec<String> {
    let named = |part: &str| format!("linux-{part}-{release}-cloud-{}", arch.debian());
    if names.contains(&named("binary")) {
        vec![named("binary"), named("modules")]
    } else {
        vec![named("image")]
    }
}

/// Compares versions: runs of digits as numbers, the rest as text.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let ((a_text, a_number, a_rest), (b_text, b_number, b_rest)) = (part(a), part(b));
        let order = (a_text, a_number).cmp(&(b_text, b_number));
        if order != Ordering::Equal || (a.is_empty() && b.is_empty()) {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
}

fn part(version: &str) -> (&str, u64, &str) {
    let digits = version.find(|c: char| c.is_ascii_digit()).unwrap_or(version.len());
    let (text, rest) = version.split_at(digits);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    (text, number.parse().unwrap_or(0), rest)
}

/// Every kernel of `--all`, in the order of the table.
pub(super) const LINES: &[Line] = &[
    Line {
        label: "5.10",
        arch: Arch::Amd64,
        suites: &[&["bullseye", "bullseye-security"]],
        prefix: "5.10.",
    },
    Line {
        label: "6.1",
        arch: Arch::Amd64,
        suites: &[&["bookworm", "bookworm-security"], &["bookworm"]],
        prefix: "6.1.",
    },
    Line {
        label: "6.12",
        arch: Arch::Amd64,
        suites: &[&["bookworm-backports"], &["trixie", "trixie-security"]],
        prefix: "6.12.",
    },
    // Sid's, whatever it is by now.
    Line {
        label: "newest",
        arch: Arch::Amd64,
        suites: &[&["sid"]],
        prefix: "",
    },
    Line {
        label: "6.12-arm64",
        arch: Arch::Arm64,
        suites: &[&["bookworm-backports"], &["trixie", "trixie-security"]],
        prefix: "6.12.",
    },
];
const TRIES: usize = 4;
const NOTE: &str = "note";

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn releases_are_found_by_pattern_the_newest_first() {
        let names = names(
            "linux-image-6.1-cloud-amd64 linux-image-6.1.0-9-cloud-amd64 linux-image-6.1.0-50-cloud-amd64 \
             linux-image-6.1.0-50-cloud-amd64-unsigned linux-image-6.12.95+deb12-cloud-amd64 linux-image-cloud-amd64 \
             linux-image-6.1.0-51-cloud-arm64 linux-image-6.1.0-51-amd64",
        );
        assert_eq!(releases(&names, find("6.1").unwrap()), ["6.1.0-50", "6.1.0-9"]);
        assert_eq!(releases(&names, find("newest").unwrap())[0], "6.12.95+deb12");
        assert!(releases(&names, find("5.10").unwrap()).is_empty());
    }

    #[test]
    fn a_release_is_one_package_or_the_two_of_a_split_one() {
        let names = names(
            "linux-image-7.2.13+deb14-cloud-amd64 linux-binary-7.2.13+deb14-cloud-amd64 \
             linux-modules-7.2.13+deb14-cloud-amd64",
        );
        assert_eq!(
            packages(&names, "7.2.13+deb14", Arch::Amd64),
            [
                "linux-binary-7.2.13+deb14-cloud-amd64",
                "linux-modules-7.2.13+deb14-cloud-amd64"
            ]
        );
        assert_eq!(
            packages(&names, "6.1.0-50", Arch::Amd64),
            ["linux-image-6.1.0-50-cloud-amd64"]
        );
    }

    #[test]
    fn versions_compare_by_their_numbers() {
        assert_eq!(natural("6.12.95+deb12", "6.12.107+deb13"), Ordering::Less);
        assert_eq!(natural("6.12.90+deb12.1", "6.12.90+deb12"), Ordering::Greater);
        assert_eq!(natural("6.1.0-50", "6.1.0-50"), Ordering::Equal);
    }

    #[test]
    fn an_unknown_kernel_is_answered_with_those_that_there_are() {
        assert!(
            find("4.19")
                .unwrap_err()
                .to_string()
                .contains("5.10, 6.1, 6.12, newest, 6.12-arm64")
        );
    }
}
