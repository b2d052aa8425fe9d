//! The page of findings, in a headless Chromium.

use std::{
    fs,
    io::ErrorKind,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use super::{Part, served::Served};
use crate::{
    process::{find_program, required_output_of},
    setup::{Need, install},
    workspace::Workspace,
};

pub(super) const PART: Part = Part {
    name: "browser",
    covers: &[
        "tracer-user/src/board",
        "tracer-user/src/serve",
        "tracer-user/src/sink",
        "tracer-user/tests/served",
        "xtask/src/parts/served.rs",
    ],
    run,
};

fn run(workspace: &Workspace) -> anyhow::Result<()> {
    if find_program("chromium").is_none() {
        install(&[Need {
            package: "chromium",
            why: "`chromium`: shows the page of findings",
        }])?;
    }
    let trap = TcpListener::bind("127.0.0.1:0")?;
    trap.set_nonblocking(true)?;
    let served = Served::start(workspace, &format!("http://{}", trap.local_addr()?))?;
    hostile(workspace, &served.base, &trap)?;
    check(workspace, &served.base)
}

/// Whoever serves at `base`: the page is one, and looks like it. The pictures are for a person to look at.
pub(super) fn check(workspace: &Workspace, base: &str) -> anyhow::Result<()> {
    let browser = Browser::new(workspace)?;
    let page = browser.dom(base)?;
    for told in [
        "<h1>conntracer on",
        "Open findings (",
        "Stolen ports (",
        "Hooks (",
        "Losses",
    ] {
        ensure!(page.contains(told), "{told} is not on the page:\n{page}");
    }
    for (name, options) in PICTURES {
        let picture = browser.picture(base, name, options)?;
        println!("  {}", picture.display());
    }
    Ok(())
}

/// Names that want to be scripts or pictures are text: none ran, and none was asked for.
fn hostile(workspace: &Workspace, base: &str, trap: &TcpListener) -> anyhow::Result<()> {
    let page = Browser::new(workspace)?.dom(base)?;
    for told in [
        "&lt;script&gt;document.title='PWNED'",
        "&lt;img src='",
        "node-1</title>",
    ] {
        ensure!(page.contains(told), "{told} is not on the page:\n{page}");
    }
    for forbidden in ["<script", "<img", "<b>", "<title>PWNED"] {
        ensure!(!page.contains(forbidden), "{forbidden} is on the page:\n{page}");
    }
    let asked = trap.accept().err().map(|error| error.kind());
    ensure!(
        asked == Some(ErrorKind::WouldBlock),
        "the browser asked for what a name told it to"
    );
    println!("  {} bytes of page; names are text", page.len());
    Ok(())
}

/// With a profile of its own, which is made anew.
struct Browser {
    folder: PathBuf,
}

impl Browser {
    fn new(workspace: &Workspace) -> anyhow::Result<Self> {
        let folder = workspace.target.join("parts/browser");
        let profile = folder.join("profile");
        if profile.exists() {
            fs::remove_dir_all(&profile)?;
        }
        fs::create_dir_all(&profile).with_context(|| format!("cannot make {}", profile.display()))?;
        Ok(Self { folder })
    }

    /// The document as it is once it is loaded.
    fn dom(&self, base: &str) -> anyhow::Result<String> {
        required_output_of(self.chromium().args(["--dump-dom", &page(base)]))
    }

    fn picture(&self, base: &str, name: &str, options: &[&str]) -> anyhow::Result<PathBuf> {
        let picture = self.folder.join(name);
        let mut chromium = self.chromium();
        chromium
            .arg(format!("--screenshot={}", picture.display()))
            .args(options)
            .arg(page(base));
        required_output_of(&mut chromium)?;
        ensure!(is_picture(&picture), "{} was not made", picture.display());
        Ok(picture)
    }

    /// Nothing is asked of anybody but of this machine.
    fn chromium(&self) -> Command {
        let mut chromium = Command::new("chromium");
        chromium
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ])
            .arg(format!("--user-data-dir={}", self.folder.join("profile").display()));
        chromium
    }
}

/// A page that loads itself again would never be done.
fn page(base: &str) -> String {
    format!("{base}/findings?refresh=off")
}

fn is_picture(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG"))
}

const PICTURES: [(&str, &[&str]); 3] = [
    (
        "light.png",
        &["--window-size=1280,2400", "--blink-settings=preferredColorScheme=1"],
    ),
    (
        "dark.png",
        &["--window-size=1280,2400", "--blink-settings=preferredColorScheme=0"],
    ),
    (
        "narrow.png",
        &["--window-size=390,2400", "--blink-settings=preferredColorScheme=1"],
    ),
];
