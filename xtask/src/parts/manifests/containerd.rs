//! A containerd of the test's own: its root, state and socket are in a folder that goes with it.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{self, Child, ChildStderr, Command, Stdio},
    thread,
};

use anyhow::{Context as _, bail};

use crate::{
    process::find_program,
    setup::{Need, install},
};

pub(super) struct Containerd {
    child: Child,
    folder: PathBuf,
    namespace: String,
}

impl Containerd {
    /// Ready to be asked.
    pub(super) fn start() -> anyhow::Result<Self> {
        if find_program("containerd").is_none() {
            install(&[Need {
                package: "containerd",
                why: "runs the agent as a pod of it runs",
            }])?;
        }
        // The path of a socket has at most 107 bytes.
        let namespace = format!("conntracer-{}", process::id());
        let folder = env::temp_dir().join(&namespace);
        make_root_file_system(&folder)?;
        let settings = folder.join("config.toml");
        fs::write(&settings, configuration(&folder))?;
        let mut command = Command::new("containerd");
        command.arg("--config").arg(&settings).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start containerd")?;
        let log = child.stderr.take();
        let containerd = Self {
            child,
            folder,
            namespace,
        };
        wait_for_start(log.context("containerd has no log")?)?;
        Ok(containerd)
    }

    /// Its client.
    pub(super) fn ctr(&self) -> Command {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(self.folder.join("socket"));
        ctr.args(["--namespace", &self.namespace]);
        ctr
    }

    /// A root file system with nothing in it but places to mount at.
    pub(super) fn root_file_system(&self) -> PathBuf {
        self.folder.join(ROOT_FILE_SYSTEM)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        let removed = fs::remove_dir_all(&self.folder);
        for error in [ended.err(), removed.err()].into_iter().flatten() {
            println!("parts: left of containerd in {}: {error}", self.folder.display());
        }
        // runc leaves the control group above those of the containers, one in each hierarchy.
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            // Most have none.
            drop(fs::remove_dir(hierarchy.path().join(&self.namespace)));
        }
        drop(fs::remove_dir(Path::new("/sys/fs/cgroup").join(&self.namespace)));
    }
}

fn make_root_file_system(folder: &Path) -> anyhow::Result<()> {
    let root = folder.join(ROOT_FILE_SYSTEM);
    fs::create_dir_all(root.join("usr")).with_context(|| format!("cannot make {}", root.display()))?;
    for name in ["lib", "lib64"] {
        symlink(format!("usr/{name}"), root.join(name))?;
    }
    Ok(())
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    let disabled = DISABLED.map(|plugin| format!("\"io.containerd.{plugin}\"")).join(", ");
    format!(
        "version = 2\nroot = \"{folder}/root\"\nstate = \"{folder}/state\"\ndisabled_plugins = [{disabled}]\n\
         [grpc]\naddress = \"{folder}/socket\"\n"
    )
}

/// Reads the log until containerd says that it is up, and drains the rest, which would block it.
fn wait_for_start(log: ChildStderr) -> anyhow::Result<()> {
    let mut log = BufReader::new(log);
    let (mut line, mut told) = (String::new(), String::new());
    while !line.contains("containerd successfully booted") {
        line.clear();
        if log.read_line(&mut line)? == 0 {
            bail!("containerd does not start:\n{told}");
        }
        told.push_str(&line);
    }
    thread::spawn(move || io::copy(&mut log, &mut io::sink()));
    Ok(())
}

const ROOT_FILE_SYSTEM: &str = "rootfs";
/// No images are pulled, and no pods are made.
const DISABLED: [&str; 3] = ["grpc.v1.cri", "snapshotter.v1.btrfs", "snapshotter.v1.zfs"];
