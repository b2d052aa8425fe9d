//! The server that the parts look at: tracer-user's test program `served`, for as long as this lives.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use anyhow::{Context as _, ensure};

use crate::workspace::Workspace;

pub(super) struct Served {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub(super) base: String,
}

impl Served {
    /// `trap`: where a browser would ask if it obeyed the names that are served.
    pub(super) fn start(workspace: &Workspace, trap: &str) -> anyhow::Result<Self> {
        let mut cargo = workspace.cargo();
        cargo
            .args([
                "test",
                "--locked",
                "--quiet",
                "--package",
                "tracer-user",
                "--test",
                "served",
            ])
            .env("CONNTRACER_TRAP", trap)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = cargo.spawn().context("cannot start cargo")?;
        let output = child.stdout.take().context("the server's output")?;
        let mut lines = BufReader::new(output).lines();
        let line = lines.find(|line| line.as_ref().map_or(true, |line| line.starts_with("http://")));
        let base = line.context("the server did not start")??;
        let served = Self { child, base };
        ensure!(served.address().contains(':'), "{} is no address", served.base);
        Ok(served)
    }

    pub(super) fn address(&self) -> &str {
        address(&self.base)
    }
}

/// It serves until its input ends.
impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("the server's end: {error}");
        }
    }
}

/// Host and port of a base URL.
pub(super) fn address(base: &str) -> &str {
    base.strip_prefix("http://").unwrap_or(base)
}
