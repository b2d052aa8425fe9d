//! What conntracer leaves of long-lived connections' throughput, and how often its probes run for it.

use crate::churn::rate_cells;
use crate::pairs::{self, FEW, InKernel, Kind, Measured, Subject};
use crate::table::{Table, median, target};
use crate::traffic::{Job, Place, Traffic, Work};

pub(crate) fn measure() -> anyhow::Result<String> {
    let mut traffic = Traffic::start()?;
    let subjects = KINDS.map(|kind| Subject {
        kind,
        pairs: pairs::wanted(FEW),
    });
    let works = WORKS.map(|(work, _)| work);
    let all = pairs::measure("lived", &mut traffic, &works, &subjects)?;
    let costs = pairs::in_kernel("lived", &mut traffic, &works, &KINDS)?;
    let mut table = Table::new(&[
        "long-lived connections",
        "pairs",
        "median",
        "mean",
        "lower bound",
        "by CPU time",
        "rate untraced",
        "probe runs",
        "target",
    ]);
    for (index, (work, name)) in WORKS.into_iter().enumerate() {
        for (measured, costs) in all.iter().zip(&costs) {
            let cost = costs.as_ref().and_then(|costs| costs.get(index));
            table.row(row(work, name, measured, index, cost));
        }
    }
    Ok(format!("{TITLE}\n\n{}", table.render()))
}

fn row(work: Work, name: &str, measured: &Measured, index: usize, cost: Option<&InKernel>) -> Vec<String> {
    let kind = measured.subject.kind;
    let mut row = vec![format!("{name}: {}", kind.name())];
    let Some(pairs) = measured.works.get(index) else {
        return row;
    };
    row.extend(rate_cells(pairs));
    let rate = median(pairs.without.iter().map(|made| made.rate));
    let (unit, rate) = match work.job {
        Job::Bulk => (1e9, format!("{:.2} GB/s", rate / 1e9)),
        Job::Requests | Job::Churn => (1e5, format!("{:.0} thousand/s", rate / 1e3)),
    };
    row.push(rate);
    // No program that has run is no cost.
    let runs = cost.map_or(0.0, |cost| cost.runs * unit);
    row.extend(match (&measured.problem, kind) {
        (Some(problem), _) => ["-".to_owned(), problem.clone()],
        (None, Kind::Own(_)) => [format!("{runs:.2}"), target("<= 1", runs <= 1.0)],
        (None, Kind::Nothing | Kind::Empty(_) | Kind::Peer(_)) => ["-".to_owned(), String::new()],
    });
    row
}

const KINDS: [Kind; 3] = [Kind::Nothing, Kind::Own("suspect"), Kind::Own("all")];
const WORKS: [(Work, &str); 4] = [
    (
        Work {
            job: Job::Bulk,
            place: Place::Loopback,
        },
        "bulk over loopback",
    ),
    (
        Work {
            job: Job::Bulk,
            place: Place::Redirected,
        },
        "bulk through a REDIRECT",
    ),
    (
        Work {
            job: Job::Requests,
            place: Place::Loopback,
        },
        "requests over loopback",
    ),
    (
        Work {
            job: Job::Requests,
            place: Place::Redirected,
        },
        "requests through a REDIRECT",
    ),
];
const TITLE: &str = "### Long-lived connections

Bulk: as much as one connection a processor takes; requests: a byte there and a byte back on 32 open connections. Pairs,
ratios and bound are as with churn; probe runs are those for each GB and for each 100,000 requests, in rounds of their
own.";
