//! How long a finding takes while both processors are busy with other connections, and how long the program takes to begin.

use crate::background::Background;
use crate::symptom::{Delay, Symptom};
use crate::table::{Table, median, target};
use crate::tracer::Tracer;
use std::time::{Duration, Instant};

pub(crate) fn measure() -> anyhow::Result<String> {
    let mut table = Table::new(&[
        "delay, ms",
        "median",
        "worst",
        "until it can be read",
        "worst",
        "target",
    ]);
    let mut starts = Vec::new();
    for _ in 0..COUNT {
        let begun = Instant::now();
        drop(Tracer::start("suspect")?);
        starts.push(begun.elapsed());
    }
    let (usual, worst) = spread(starts.into_iter());
    table.row([
        "start of the program to `hello`".into(),
        String::new(),
        String::new(),
        format!("{usual:.0}"),
        format!("{worst:.0}"),
        target("<= 300", usual <= 300.0),
    ]);
    let background = Background::start()?;
    let mut tracer = Tracer::start_with(&["--events", "suspect", "--hang-after", "1s"])?;
    for (name, symptom, wait, bound) in [
        (
            "a dropped SYN, beyond the 1 s of --hang-after",
            Symptom::Dropped,
            HANG_AFTER,
            200.0,
        ),
        ("a RST where a redirect leads to", Symptom::Reset, Duration::ZERO, 100.0),
    ] {
        let delays = (0..COUNT).map(|_| symptom.delay(&mut tracer));
        let delays = delays.collect::<anyhow::Result<Vec<_>>>()?;
        table.row(row(name, &delays, wait, bound));
    }
    let made: u64 = background.finish()?.into_iter().map(|(_, count)| count).sum();
    Ok(format!(
        "{TITLE}\n\n{}\n\n{made} connections were made meanwhile.",
        table.render()
    ))
}

/// `wait` is what the program is told to wait.
fn row(name: &str, delays: &[Delay], wait: Duration, bound: f64) -> [String; 6] {
    let told = delays.iter().map(|delay| delay.told.saturating_sub(wait));
    let readable = delays.iter().map(|delay| delay.readable.saturating_sub(wait));
    let ((told, worst_told), (readable, worst_readable)) = (spread(told), spread(readable));
    [
        name.into(),
        format!("{told:.1}"),
        format!("{worst_told:.1}"),
        format!("{readable:.1}"),
        format!("{worst_readable:.1}"),
        target(&format!("<= {bound}"), worst_readable <= bound),
    ]
}

/// The middle one and the worst, in milliseconds.
fn spread(times: impl Iterator<Item = Duration>) -> (f64, f64) {
    let times: Vec<_> = times.map(|time| time.as_secs_f64() * 1e3).collect();
    (median(times.iter().copied()), times.iter().copied().fold(0.0, f64::max))
}

const COUNT: usize = 20;
const HANG_AFTER: Duration = Duration::from_secs(1);
const TITLE: &str = "### Delay

Twenty of each, in a namespace of its own, while as many loads as there are processors connect and close without a pause.
When a finding was made is what its line says (`mono`); it can be read when a look at the file every millisecond finds it.
The program's start is measured without that load.";
