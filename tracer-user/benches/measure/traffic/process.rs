//! What a process of the traffic does: serve, and be a client when told to.

use super::client::Client;
use super::server;
use crate::load::command;
use anyhow::{Context as _, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io::{self, Write as _};
use std::time::Duration;
use std::{env, fs};

pub(super) const FIRST_REDIRECTED: u16 = 8000;

pub(crate) fn main() -> anyhow::Result<()> {
    let role = env::args().nth(2).context("a role")?;
    command("ip", "link set lo up", "")?;
    // The ports of connections that were closed are free at once, so that every run begins with the same.
    set("ipv4/tcp_max_tw_buckets", "0")?;
    let processors = processors()?;
    match role.as_str() {
        "client" => rules(&format!("{HEAD}{TRACKED}"))?,
        "server" => rules(&format!("{HEAD}{TRACKED}{}", redirect(processors.len())))?,
        _ => {}
    }
    server::start(&processors)?;
    let mut client = Client::new(processors);
    let mut output = io::stdout();
    writeln!(output, "ready")?;
    for line in io::stdin().lines() {
        let line = line?;
        let [job, address, first, millis] = line.split(' ').collect::<Vec<_>>()[..] else {
            bail!("no command: {line:?}");
        };
        let length = Duration::from_millis(millis.parse()?);
        let (amount, rate) = client.run(job, address.parse()?, first.parse()?, length)?;
        writeln!(output, "{amount} {rate}")?;
    }
    Ok(())
}

/// This thread, and those that it starts, only run on this processor.
pub(super) fn pin(processor: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    Ok(sched_setaffinity(None, &set)?)
}

fn processors() -> anyhow::Result<Vec<usize>> {
    let set = sched_getaffinity(None).context("the processors that we may use")?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&processor| set.is_set(processor))
        .take(MOST_PROCESSORS)
        .collect())
}

fn rules(text: &str) -> anyhow::Result<()> {
    command("nft", "-f -", text)?;
    set("netfilter/nf_conntrack_tcp_timeout_time_wait", "1")
}

fn set(setting: &str, value: &str) -> anyhow::Result<()> {
    let file = format!("/proc/sys/net/{setting}");
    fs::write(&file, value).with_context(|| format!("cannot write {file}"))
}

fn redirect(processors: usize) -> String {
    let ports = server::SERVICES
        .into_iter()
        .flat_map(|service| (0..processors).map(move |index| service + index));
    let pairs: Vec<_> = ports
        .map(|port| {
            format!(
                "{} : {}",
                usize::from(FIRST_REDIRECTED) + port,
                usize::from(server::FIRST) + port
            )
        })
        .collect();
    format!(
        "add chain ip bench pre {{ type nat hook prerouting priority -100; }}\n\
         add rule ip bench pre meta l4proto tcp redirect to :tcp dport map {{ {} }}\n",
        pairs.join(", ")
    )
}

/// Their connections' entries fit into a table of 262,144 after every port was used.
const MOST_PROCESSORS: usize = 8;
const HEAD: &str = "add table ip bench\n";
/// Conntrack works in a namespace once a rule asks for it.
const TRACKED: &str = "\
add chain ip bench in { type filter hook input priority 0; }
add rule ip bench in ct state invalid counter
";
