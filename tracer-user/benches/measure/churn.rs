//! How much of the rate of new connections each tracer leaves, conntracer and its peers, over loopback and through NAT.

use crate::pairs::{self, FEW, InKernel, Kind, MOST, Measured, Pairs, Peer, Subject, statistics};
use crate::probe::as_f64;
use crate::table::{Table, median, target, whole};
use crate::traffic::{Job, Place, Traffic, Work};
use std::ffi::CStr;

pub(crate) fn measure() -> anyhow::Result<String> {
    let mut traffic = Traffic::start()?;
    let subjects = SUBJECTS.map(|(kind, usual)| Subject {
        kind,
        pairs: pairs::wanted(usual),
    });
    let all = pairs::measure("churn", &mut traffic, &WORKS, &subjects)?;
    let kinds = SUBJECTS.map(|(kind, _)| kind);
    let costs = pairs::in_kernel("churn", &mut traffic, &WORKS, &kinds)?;
    let mut text = vec![TITLE.to_owned()];
    for (index, name) in ["over loopback", "through a REDIRECT"].into_iter().enumerate() {
        text.push(alone(&all, index));
        text.push(rates(name, &all, &costs, index));
    }
    text.push(LOSSES.to_owned());
    text.push(losses(&all));
    Ok(text.join("\n\n"))
}

/// The traffic when nothing traces it.
fn alone(all: &[Measured], index: usize) -> String {
    let runs = all.iter().filter_map(|measured| measured.works.get(index));
    let runs: Vec<_> = runs.flat_map(|pairs| &pairs.without).collect();
    let rate = median(runs.iter().map(|made| made.rate));
    let cost = median(runs.iter().map(|made| micros(made.cpu.as_secs_f64(), made.amount)));
    format!(
        "Untraced: {} connections a second, {cost:.1} us of CPU time each ({} runs).",
        whole(rate),
        runs.len()
    )
}

fn rates(name: &str, all: &[Measured], costs: &[Option<Vec<InKernel>>], index: usize) -> String {
    let mut table = Table::new(&[
        name,
        "pairs",
        "median",
        "mean",
        "lower bound",
        "by CPU time",
        "process, us",
        "of it later, %",
        "probes, us",
        "target",
    ]);
    for (measured, costs) in all.iter().zip(costs) {
        let Some(pairs) = measured.works.get(index) else {
            continue;
        };
        let cost = costs.as_ref().and_then(|costs| costs.get(index));
        let mut row = vec![measured.subject.kind.name()];
        row.extend(rate_cells(pairs));
        row.extend(cost_cells(measured, pairs, cost));
        row.push(judge(measured, pairs, all, index));
        table.row(row);
    }
    table.render()
}

/// The number of pairs, and what their ratios say.
pub(crate) fn rate_cells(pairs: &Pairs) -> [String; 5] {
    let ratios = pairs.ratios();
    if ratios.is_empty() {
        return ["0", "-", "-", "-", "-"].map(str::to_owned);
    }
    let bound = statistics::lower_bound(&ratios);
    [
        ratios.len().to_string(),
        format!("{:.4}", median(ratios.iter().copied())),
        format!("{:.4}", statistics::mean(&ratios)),
        bound.map_or_else(|| "-".to_owned(), |bound| format!("{bound:.4}")),
        format!("{:.4}", pairs.by_cpu()),
    ]
}

fn cost_cells(measured: &Measured, pairs: &Pairs, cost: Option<&InKernel>) -> [String; 3] {
    let probes = cost.map_or_else(|| "-".to_owned(), |cost| format!("{:.2}", cost.micros));
    if !measured.subject.kind.traces() || pairs.with.is_empty() {
        return ["-".to_owned(), "-".to_owned(), probes];
    }
    let cpu = pairs.cpu.as_secs_f64();
    [
        format!("{:.2}", micros(cpu, pairs.amount())),
        format!("{:.0}", pairs.later.as_secs_f64() / cpu.max(1e-9) * 100.0),
        probes,
    ]
}

fn micros(seconds: f64, amount: u64) -> f64 {
    seconds * 1e6 / as_f64(amount.max(1))
}

/// What was to be reached; of a peer, why it has no numbers.
fn judge(measured: &Measured, pairs: &Pairs, all: &[Measured], index: usize) -> String {
    if let Some(problem) = &measured.problem {
        return problem.replace('|', "/");
    }
    let least = match measured.subject.kind {
        Kind::Own("suspect") => 0.985,
        Kind::Own("all") => 0.95,
        Kind::Peer(Peer::Conntrack) if pairs.with.is_empty() => return "no conntrack there".to_owned(),
        Kind::Nothing | Kind::Empty(_) | Kind::Own(_) | Kind::Peer(_) => return String::new(),
    };
    let ratios = pairs.ratios();
    let bound = statistics::lower_bound(&ratios).unwrap_or(0.0);
    let bound = target(&format!(">= {least}"), bound >= least);
    format!("{bound}; {}", ahead(statistics::mean(&ratios), all, index))
}

/// Whether a mean is better than each peer's of the same run.
fn ahead(mean: f64, all: &[Measured], index: usize) -> String {
    let peers = all.iter().filter(|peer| matches!(peer.subject.kind, Kind::Peer(_)));
    let ratios = peers.filter_map(|peer| peer.works.get(index)).map(Pairs::ratios);
    let means: Vec<_> = ratios
        .filter(|ratios| !ratios.is_empty())
        .map(|ratios| statistics::mean(&ratios))
        .collect();
    if means.is_empty() {
        return "no peer ran".to_owned();
    }
    target("ahead of every peer", means.into_iter().all(|peer| mean > peer))
}

fn losses(all: &[Measured]) -> String {
    let mut table = Table::new(&[
        "both places together",
        "connections",
        "lines due",
        "lines seen",
        "missing, %",
        "told as lost",
    ]);
    for measured in all.iter().filter(|measured| measured.subject.kind.traces()) {
        let connections: u64 = measured.works.iter().map(Pairs::amount).sum();
        let mut row = vec![measured.subject.kind.name(), whole(as_f64(connections))];
        row.extend(match measured.subject.kind.yardstick() {
            Some(yardstick) if connections > 0 => {
                let due = as_f64(connections * u64::from(yardstick.each));
                let seen = as_f64(measured.seen.lines);
                [
                    whole(due),
                    whole(seen),
                    format!("{:.2}", (1.0 - seen / due).max(0.0) * 100.0),
                ]
            }
            _ => ["-", "-", "-"].map(str::to_owned),
        });
        row.push(match measured.subject.kind {
            Kind::Own(_) => whole(as_f64(measured.seen.told)),
            Kind::Nothing | Kind::Empty(_) | Kind::Peer(_) => "-".to_owned(),
        });
        table.row(row);
    }
    table.render()
}

const WORKS: [Work; 2] = [
    Work {
        job: Job::Churn,
        place: Place::Loopback,
    },
    Work {
        job: Job::Churn,
        place: Place::Redirected,
    },
];
const SUBJECTS: [(Kind, usize); 9] = [
    (Kind::Nothing, MOST),
    (Kind::Empty(&HOOKS), MOST),
    (Kind::Own("suspect"), MOST),
    (Kind::Own("all"), MOST),
    (Kind::Own("none"), FEW),
    (Kind::Peer(Peer::Bpftrace), FEW),
    (Kind::Peer(Peer::Tcpstates), FEW),
    (Kind::Peer(Peer::Tcplife), FEW),
    (Kind::Peer(Peer::Conntrack), FEW),
];
/// Conntracer's, where only BTF tracepoints are to be had.
const HOOKS: [&CStr; 7] = [
    c"inet_sk_error_report",
    c"inet_sock_set_state",
    c"kfree_skb",
    c"tcp_destroy_sock",
    c"tcp_receive_reset",
    c"tcp_retransmit_skb",
    c"tcp_send_reset",
];
const TITLE: &str = "### Churn

Connect, accept, a byte there, a byte back, close: on every processor a client and a server, which keep it busy. A pair is
two runs of 0.25 s next to each other, one without a tracer and one with, in turns of order; the numbers are the rate with
it over the rate without, the bound that of a one-sided 95 % confidence interval of their geometric mean (Student's t). By
CPU time: the same, of all runs, by what traffic and tracer took together, which does not see what else the machine does.
All subjects take turns in one run; `nothing` against nothing is the noise; empty programs at conntracer's hooks are what
the kernel's way into any program takes there, whatever it does. Each is attached, and has come to rest, before it counts,
and writes to a file: conntracer with `--json -o FILE`. Process: user and system time of a connection, as its
control group counts it, some of it after the run; probes: their run time in rounds of their own by BPF_ENABLE_STATS,
without what its clock adds.";
const LOSSES: &str = "Of the lines that are due for every connection, those that are not there; and what conntracer itself \
says it lost.";
