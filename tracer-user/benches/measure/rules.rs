//! Reading rules and walking through them: a namespace as kube-proxy fills it, and many small ones.

use crate::probe::as_f64;
use crate::system;
use crate::table::{Table, median, target};
use anyhow::{Context as _, bail};
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tracer_user::inspect::Reader;
use tracer_user::inspect::walk::Walker;
use tracer_user::model::identity::Netns;
use tracer_user::model::rules::{Fact, Journey, Packet, Snapshot};

pub(crate) fn measure() -> anyhow::Result<String> {
    Ok(format!("{TITLE}\n\n{}\n\n{}", large()?, many()?))
}

/// One namespace of 20,000 rules.
fn large() -> anyhow::Result<String> {
    let mut table = Table::new(&[
        "20,000 rules of kube-proxy's",
        "read, ms",
        "memory, MiB",
        "one walk, us",
        "target",
    ]);
    for (name, program, text) in [
        ("iptables-legacy", "iptables-legacy-restore", iptables(SERVICES)),
        ("iptables-nft", "iptables-nft-restore", iptables(SERVICES)),
        ("nft, its maps", "nft", nft(SERVICES)),
    ] {
        let space = Space::new("large")?;
        space.load(program, &text)?;
        let netns = space.netns()?;
        let mut reader = Reader::new()?;
        let mut times = Vec::new();
        let mut last = None;
        for _ in 0..REPEATS {
            let start = Instant::now();
            last = Some(reader.snapshot(netns)?);
            times.push(start.elapsed());
        }
        let memory = inventory_memory(&space)?;
        let snapshot = last.context("it was read")?;
        if !snapshot.ruleset.gaps.is_empty() {
            bail!("{name} was not read whole: {:?}", snapshot.ruleset.gaps);
        }
        let read = median(times.iter().map(milliseconds));
        let (memory, walk) = (as_f64(memory) / MIB, walk(&snapshot));
        table.row([
            name.to_owned(),
            format!("{read:.0}"),
            format!("{memory:.0}"),
            format!("{walk:.0}"),
            target("<= 500, 64, 1000", read <= 500.0 && memory <= 64.0 && walk <= 1000.0),
        ]);
    }
    Ok(table.render())
}

/// The mean of SYNs to services near both ends of the list, and to none, in microseconds.
pub(crate) fn walk(snapshot: &Snapshot) -> f64 {
    let walker = Walker::new(snapshot);
    let destinations = [
        service(0),
        service(SERVICES / 2),
        service(SERVICES - 1),
        Ipv4Addr::new(198, 51, 100, 1),
    ];
    let start = Instant::now();
    for _ in 0..WALKS {
        for destination in destinations {
            black_box(walker.walk(&syn(destination), Journey::Output { device: Fact::Unknown }));
        }
    }
    let count = f64::from(WALKS) * as_f64(u64::try_from(destinations.len()).unwrap_or(1));
    start.elapsed().as_secs_f64() * 1e6 / count
}

/// The most that the released program takes for reading this one namespace and telling what is in it, in bytes.
fn inventory_memory(space: &Space) -> anyhow::Result<u64> {
    let mut command = Command::new(CONNTRACER);
    command.args(["ports", "--json", "--netns", &space.name]);
    let child = command.stdout(Stdio::null()).spawn();
    let child = child.with_context(|| format!("cannot run {CONNTRACER}"))?;
    Ok(system::peak_memory(&child)?)
}

/// Two hundred namespaces of 100 rules.
fn many() -> anyhow::Result<String> {
    let spaces = (0..SPACES)
        .map(|_| {
            let space = Space::new("many")?;
            space.load("iptables-nft-restore", &iptables(SMALL))?;
            Ok(space)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        let start = Instant::now();
        let output = Command::new(CONNTRACER).args(["ports", "--all", "--json"]).output();
        let output = output.with_context(|| format!("cannot run {CONNTRACER}"))?;
        if !output.status.success() {
            bail!("`conntracer ports` failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        times.push(start.elapsed());
    }
    drop(spaces);
    let took = median(times.iter().map(milliseconds));
    let mut table = Table::new(&["conntracer ports --all", "ms", "target"]);
    table.row([
        format!("{SPACES} namespaces of 100 rules"),
        format!("{took:.0}"),
        target("<= 2000", took <= 2000.0),
    ]);
    Ok(table.render())
}

/// kube-proxy's iptables rules: eleven for a service of three endpoints.
fn iptables(services: u32) -> String {
    let mut text = String::from("*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n");
    for number in 0..services {
        let _ = writeln!(text, ":KUBE-SVC-{number:012} - [0:0]");
        for endpoint in 0..3 {
            let _ = writeln!(text, ":KUBE-SEP-{number:010}-{endpoint} - [0:0]");
        }
    }
    text.push_str("-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n");
    text.push_str("-A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n");
    text.push_str("-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n");
    for number in 0..services {
        let (address, comment) = (service(number), format!("\"shop/service-{number}:http cluster IP\""));
        let chain = format!("KUBE-SVC-{number:012}");
        let _ = writeln!(
            text,
            "-A KUBE-SERVICES -d {address}/32 -p tcp -m comment --comment {comment} -m tcp --dport 80 -j {chain}"
        );
        let _ = writeln!(
            text,
            "-A {chain} ! -s 10.244.0.0/16 -d {address}/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ"
        );
        for endpoint in 0..3 {
            let chance = match endpoint {
                0 => "-m statistic --mode random --probability 0.33333 ",
                1 => "-m statistic --mode random --probability 0.5 ",
                _ => "",
            };
            let target = endpoint_of(number, endpoint);
            let own = format!("KUBE-SEP-{number:010}-{endpoint}");
            let _ = writeln!(text, "-A {chain} {chance}-j {own}");
            let _ = writeln!(text, "-A {own} -s {target}/32 -j KUBE-MARK-MASQ");
            let _ = writeln!(text, "-A {own} -p tcp -m tcp -j DNAT --to-destination {target}:8080");
        }
    }
    text.push_str("COMMIT\n");
    text
}

/// The same services in kube-proxy's native form: a verdict map, and a chain for each service and endpoint.
fn nft(services: u32) -> String {
    let mut text = String::from("table ip kube-proxy {\n");
    let mut elements = Vec::new();
    for number in 0..services {
        let address = service(number);
        elements.push(format!("{address} . tcp . 80 : goto service-{number}"));
        for endpoint in 0..3 {
            let target = endpoint_of(number, endpoint);
            let _ = writeln!(
                text,
                "chain endpoint-{number}-{endpoint} {{ ip saddr {target} jump mark-for-masquerade; meta l4proto tcp dnat to {target}:8080; }}"
            );
        }
        let _ = writeln!(
            text,
            "chain service-{number} {{ ip daddr {address} tcp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade; \
             numgen random mod 3 vmap {{ 0 : goto endpoint-{number}-0, 1 : goto endpoint-{number}-1, 2 : goto \
             endpoint-{number}-2 }}; ip daddr {address} counter; ip daddr {address} counter; ip daddr {address} counter; }}"
        );
    }
    let _ = writeln!(
        text,
        "map service-ips {{ type ipv4_addr . inet_proto . inet_service : verdict; elements = {{ {} }}; }}",
        elements.join(", ")
    );
    text.push_str("chain mark-for-masquerade { meta mark set meta mark or 0x4000; }\n");
    text.push_str("chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }\n");
    text.push_str("chain output { type nat hook output priority -100; jump services; }\n");
    text.push_str("chain prerouting { type nat hook prerouting priority -100; jump services; }\n}\n");
    text
}

fn service(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 96, 0, 10)) + number)
}

fn endpoint_of(number: u32, endpoint: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 244, 0, 2)) + number * 3 + endpoint)
}

fn syn(destination: Ipv4Addr) -> Packet {
    Packet::syn((Ipv4Addr::new(10, 244, 0, 1), 40_000).into(), (destination, 80).into())
}

fn milliseconds(time: &Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A named namespace, deleted in the end.
struct Space {
    name: String,
}

impl Space {
    fn new(kind: &str) -> anyhow::Result<Self> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("conntracer-{kind}-{}-{number}", std::process::id());
        succeed(Command::new("ip").args(["netns", "add", &name]))?;
        Ok(Self { name })
    }

    /// Found by its inode: a fresh one is nobody else's.
    fn netns(&self) -> anyhow::Result<Netns> {
        let inode = fs::metadata(format!("/run/netns/{}", self.name))?.ino();
        Ok(Netns {
            cookie: 0,
            inode: u32::try_from(inode)?,
        })
    }

    fn load(&self, program: &str, text: &str) -> anyhow::Result<()> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        if program == "nft" {
            command.args(["-f", "-"]);
        }
        let mut child = command.stdin(Stdio::piped()).spawn().context("cannot run ip")?;
        child.stdin.take().context("a pipe")?.write_all(text.as_bytes())?;
        let status = child.wait()?;
        if !status.success() {
            bail!("{program} failed: {status}");
        }
        Ok(())
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

const CONNTRACER: &str = env!("CARGO_BIN_EXE_conntracer");
/// 11 rules each, and three more.
const SERVICES: u32 = 1_818;
/// About 100 rules.
const SMALL: u32 = 9;
const SPACES: u32 = 200;
const REPEATS: usize = 5;
const WALKS: u32 = 200;
const MIB: f64 = 1_048_576.0;
const TITLE: &str = "### Rules

A namespace with the rules of 1,818 services of three endpoints, as kube-proxy writes them, read into the model, and the
walk of one SYN that a local process sends; and the whole inventory of many small namespaces, from the start of the
program to its end. Memory is the most that `conntracer ports` took for that namespace, the program itself included.";
