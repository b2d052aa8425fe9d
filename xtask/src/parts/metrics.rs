//! The metrics, as a real Prometheus reads them.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::Value;

use super::{
    Part,
    exposition::{Series, samples},
    http::{encoded, get},
    served::{Served, address},
};
use crate::{
    process::find_program,
    setup::{Need, install},
    workspace::Workspace,
};

pub(super) const PART: Part = Part {
    name: "metrics",
    covers: &[
        "tracer-user/src/board",
        "tracer-user/src/serve",
        "tracer-user/src/sink",
        "tracer-user/tests/served",
        "xtask/src/parts/exposition.rs",
        "xtask/src/parts/http.rs",
        "xtask/src/parts/served.rs",
    ],
    run,
};

fn run(workspace: &Workspace) -> anyhow::Result<()> {
    if find_program("prometheus").is_none() || find_program("promtool").is_none() {
        install(&[Need {
            package: "prometheus",
            why: "`prometheus`, `promtool`: the reader of the metrics",
        }])?;
    }
    let served = Served::start(workspace, "http://127.0.0.1:9")?;
    check(workspace, &served.base)?;
    sent_away(&served.base)
}

/// Whoever serves at `base`: its metrics are well made, Prometheus reads all of them, and no crowd of clients keeps it
/// from answering.
pub(super) fn check(workspace: &Workspace, base: &str) -> anyhow::Result<()> {
    lint(base)?;
    scrape(workspace, base)?;
    crowd(base)
}

fn lint(base: &str) -> anyhow::Result<()> {
    let text = get(base, "/metrics", "text/plain")?;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start promtool")?;
    let mut input = promtool.stdin.take().context("promtool's input")?;
    input.write_all(text.as_bytes())?;
    drop(input);
    let output = promtool.wait_with_output()?;
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    ensure!(
        output.status.success() && told.iter().all(String::is_empty),
        "promtool check metrics: {}{}\n{text}",
        told[0],
        told[1]
    );
    println!("  promtool has no complaint about {} samples", samples(&text)?.len());
    Ok(())
}

/// A Prometheus of our own reads it once; then it knows what we read.
fn scrape(workspace: &Workspace, base: &str) -> anyhow::Result<()> {
    let prometheus = Prometheus::start(workspace, base)?;
    let up = prometheus.wait_for("up == 1")?;
    ensure!(up.len() == 1, "{up:?}");
    let own = samples(&get(base, "/metrics", "application/openmetrics-text")?)?;
    let known = prometheus.query("{job=\"conntracer\",__name__=~\"(conntracer|process)_.*\"}")?;
    for (series, value) in &own {
        let read = known
            .get(series)
            .with_context(|| format!("Prometheus does not know {series:?}"))?;
        let changes = series.get("__name__").is_some_and(|name| name.contains("_http_"));
        ensure!(
            changes || read.to_bits() == value.to_bits(),
            "{series:?} is {value}, and {read} to Prometheus"
        );
    }
    ensure!(
        known.len() == own.len(),
        "{} series, {} to Prometheus",
        own.len(),
        known.len()
    );
    // Only OpenMetrics tells units.
    let metadata = prometheus.ask("/api/v1/metadata?metric=conntracer_map_memory_bytes")?;
    let unit = &metadata["data"]["conntracer_map_memory_bytes"][0]["unit"];
    ensure!(
        unit == "bytes",
        "the unit is {unit}: Prometheus did not get OpenMetrics"
    );
    println!("  Prometheus knows {} series as they are", known.len());
    Ok(())
}

/// A thousand clients that say nothing; another one is answered all the same.
fn crowd(base: &str) -> anyhow::Result<()> {
    let idle = (0..1_000)
        .map(|_| TcpStream::connect(address(base)))
        .collect::<Result<Vec<_>, _>>()
        .context("a thousand clients")?;
    for path in ["/healthz", "/metrics", "/findings"] {
        let asked = Instant::now();
        get(base, path, "*/*")?;
        ensure!(
            asked.elapsed() < Duration::from_secs(2),
            "{path} took {:?} beside {} clients",
            asked.elapsed(),
            idle.len()
        );
    }
    println!("  a thousand idle clients keep nobody out");
    Ok(())
}

/// A client that asks and never reads, and one that never asks, are sent away. What the kernel keeps for the two ends is
/// less than the page.
fn sent_away(base: &str) -> anyhow::Result<()> {
    let before = timed_out(base)?;
    let silent = TcpStream::connect(address(base))?;
    let mut deaf = TcpStream::connect(address(base))?;
    set_socket_recv_buffer_size(&deaf, 4_096)?;
    write!(deaf, "GET /findings HTTP/1.1\r\nHost: {}\r\n\r\n", address(base))?;
    wait("both are sent away", || {
        Ok((timed_out(base)? >= before + 2.0).then_some(()))
    })?;
    drop((silent, deaf));
    println!("  clients that do not read or do not ask are sent away");
    Ok(())
}

fn timed_out(base: &str) -> anyhow::Result<f64> {
    let name = "conntracer_http_connections_cut_total";
    let series = [("__name__", name), ("reason", "timed-out")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let samples = samples(&get(base, "/metrics", "*/*")?)?;
    samples
        .get(&Series::from(series))
        .copied()
        .with_context(|| format!("no {name}"))
}

/// A Prometheus that scrapes `base` every second; it ends with this.
struct Prometheus {
    child: Child,
    base: String,
}

impl Prometheus {
    fn start(workspace: &Workspace, base: &str) -> anyhow::Result<Self> {
        let folder = workspace.target.join("parts/prometheus");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let config = folder.join("prometheus.yml");
        fs::write(&config, CONFIG.replace("TARGET", address(base)))?;
        let own = format!("127.0.0.1:{}", free_port()?);
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={own}"))
            .arg("--log.level=error")
            .spawn()
            .context("cannot start prometheus")?;
        Ok(Self {
            child,
            base: format!("http://{own}"),
        })
    }

    /// The rows of a query, once there are some.
    fn wait_for(&self, query: &str) -> anyhow::Result<BTreeMap<Series, f64>> {
        // Until it listens, it does not answer at all.
        wait(query, || Ok(self.query(query).ok().filter(|rows| !rows.is_empty())))
    }

    fn query(&self, query: &str) -> anyhow::Result<BTreeMap<Series, f64>> {
        let answer = self.ask(&format!("/api/v1/query?query={}", encoded(query)))?;
        let rows = answer["data"]["result"].as_array().context("no rows")?;
        rows.iter().map(row).collect()
    }

    fn ask(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&get(&self.base, path, "application/json")?)?)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("prometheus' end: {error}");
        }
    }
}

/// A series without the labels that Prometheus gave it, and its value.
fn row(row: &Value) -> anyhow::Result<(Series, f64)> {
    let mut series: Series = serde_json::from_value(row["metric"].clone())?;
    series.retain(|name, _| name != "job" && name != "instance");
    let value = row["value"][1].as_str().context("no value")?;
    Ok((series, value.parse()?))
}

/// Asks again until there is an answer, for a while.
fn wait<T>(what: &str, mut ask: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        thread::sleep(PAUSE);
    }
    bail!("waited {} s for: {what}", PATIENCE.as_secs())
}

/// Nobody else is likely to take it at once.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

const CONFIG: &str = "\
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: conntracer
    static_configs:
      - targets: [TARGET]
";
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(250);
