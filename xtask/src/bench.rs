//! `cargo xtask bench`: builds with the release profile, measures as root, prints the tables.
//!
//! Only the measuring program is elevated; what it prints is written to docs/performance.md on request.

use std::{
    ffi::OsString,
    fs,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;

use crate::{
    elevate::{self, Access},
    process::required_output_of,
    setup::{install_for_bench, setup},
    workspace::Workspace,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Also replace docs/performance.md
    #[arg(long)]
    write: bool,
    /// Compare this many pairs of runs in `churn` and `lived`, not 80, and fewer where fewer are usual
    #[arg(long, value_name = "NUMBER")]
    pairs: Option<u32>,
    /// Only these: rules, probes, connections, churn, lived, stream, instructions, output, memory, idle, delay, growth,
    /// losses, ways
    parts: Vec<OsString>,
}

pub(crate) fn bench(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let Options { write, pairs, parts } = options;
    if *write && !parts.is_empty() {
        bail!("--write needs every part: leave out {parts:?}");
    }
    let access = elevate::access("measuring needs root (network namespaces, eBPF)")?;
    setup(workspace)?;
    if parts.is_empty() || parts.iter().any(|part| WITH_OTHERS.iter().any(|with| part == with)) {
        install_for_bench();
    }
    let program = build(workspace)?;
    let mut command = match access {
        Access::Root => Command::new("env"),
        Access::Sudo(sudo) => {
            let mut command = Command::new(sudo);
            command.args(["--", "env"]);
            command
        }
    };
    command.args(pairs.map(|pairs| format!("CONNTRACER_BENCH_PAIRS={pairs}")));
    command.arg(program);
    let output = command.args(parts).stderr(Stdio::inherit()).output();
    let output = output.context("cannot start the measuring program")?;
    let tables = String::from_utf8_lossy(&output.stdout);
    print!("{tables}");
    if !output.status.success() {
        bail!("measuring failed: {}", output.status);
    }
    if *write {
        let file = workspace.root.join(FILE);
        fs::write(&file, format!("{HEAD}\n{tables}")).with_context(|| format!("cannot write {}", file.display()))?;
        println!("written to {FILE}");
    }
    Ok(())
}

/// Builds the measuring program, and the product that it starts; returns where cargo put it.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<String> {
    let mut cargo = workspace.cargo();
    cargo
        .args(["bench", "--no-run", "--locked", "--package", "tracer-user"])
        .args(["--bench", NAME, "--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit());
    executable_of(&required_output_of(&mut cargo)?).with_context(|| format!("cargo built no bench called `{NAME}`"))
}

/// Of cargo's messages, one JSON object a line, the one about the bench.
fn executable_of(messages: &str) -> Option<String> {
    messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == NAME && message["target"]["kind"][0] == "bench";
        is_it.then(|| message["executable"].as_str().map(str::to_owned))?
    })
}

const NAME: &str = "measure";
/// Parts that other programs take part in: peers, and callgrind.
const WITH_OTHERS: [&str; 3] = ["churn", "instructions", "growth"];
const FILE: &str = "docs/performance.md";
const HEAD: &str = "# Performance

What conntracer costs, measured by `cargo xtask bench --write`, which wrote this file. To measure on your own machine
(root, up to 30 minutes; everything happens in network namespaces of its own):

```
cargo xtask bench                # every table
cargo xtask bench connections    # one of: rules, probes, connections, churn, lived, stream, instructions, output,
                                 # memory, idle, delay, growth, losses, ways
cargo xtask bench --pairs 8 churn  # fewer runs, for a first look
cargo xtask bench --write        # and replace docs/performance.md
```

Probes are machine-wide: what else the machine does while it measures adds to the numbers, so leave it alone.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bench_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"measure","kind":["lib"]},"executable":null}
not JSON
{"reason":"compiler-artifact","target":{"name":"measure","kind":["bench"]},"executable":"/t/measure-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable_of(messages).as_deref(), Some("/t/measure-1"));
        assert_eq!(executable_of(""), None);
    }
}
