//! What the way in which a hook is attached costs: the same work, a refused connect over loopback, told by the same
//! records, with the reset of a packet without a socket seen by a trampoline, by a kprobe, or by a tracepoint.
//!
//! From 6.10 the tracepoint of resets tells it, whatever may be attached, and the rows are alike.

use crate::table::{Table, median};
use anyhow::Context as _;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Instant;
use tracer_common::stat::Hook;
use tracer_user::kernel::load::{Probes, Settings};
use tracer_user::kernel::plan::Ladder;

pub(crate) fn measure() -> anyhow::Result<String> {
    // A thread of its own, whose namespace goes with it.
    thread::scope(|scope| scope.spawn(inside).join())
        .ok()
        .context("the measuring thread panicked")?
}

fn inside() -> anyhow::Result<String> {
    // SAFETY: only the namespace is unshared, no file table.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.context("a network namespace of its own")?;
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    anyhow::ensure!(up.success(), "lo cannot be set up");
    let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut subjects = vec![Subject::new("nothing attached", None)];
    subjects.extend(Ladder::ALL.map(|ladder| Subject::new(ladder.name(), Some(ladder))));
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            subject.round(closed)?;
        }
    }
    Ok(render(&subjects))
}

struct Subject {
    name: &'static str,
    ladder: Option<Ladder>,
    /// How the hook runs.
    how: &'static str,
    /// Nanoseconds a connect, round by round.
    rounds: Vec<f64>,
}

impl Subject {
    fn new(name: &'static str, ladder: Option<Ladder>) -> Self {
        Self {
            name,
            ladder,
            how: "-",
            rounds: Vec::new(),
        }
    }

    fn round(&mut self, closed: SocketAddr) -> anyhow::Result<()> {
        let settings = |ladder| Settings {
            ladder,
            ..Settings::default()
        };
        let probes = self.ladder.map(|ladder| Probes::load(&settings(ladder))).transpose()?;
        if let Some(probes) = &probes {
            let of = |hook| probes.hooks().iter().find(|status| status.hook == hook);
            let status = of(Hook::NoSocketReset4).or_else(|| of(Hook::SendReset));
            self.how = status.map_or("-", |status| status.how.name());
        }
        // What the first ones set up is not what they cost.
        connects(closed, CONNECTS / 10)?;
        let start = Instant::now();
        connects(closed, CONNECTS)?;
        self.rounds
            .push(start.elapsed().as_secs_f64() * 1e9 / f64::from(CONNECTS));
        Ok(())
    }
}

fn connects(closed: SocketAddr, count: u32) -> anyhow::Result<()> {
    for _ in 0..count {
        anyhow::ensure!(TcpStream::connect(closed).is_err(), "somebody listens on {closed}");
    }
    Ok(())
}

fn render(subjects: &[Subject]) -> String {
    let mut table = Table::new(&[
        "hooks",
        "the reset is seen by",
        "a refused connect, ns",
        "more than untraced, ns",
    ]);
    let of = |subject: &Subject| median(subject.rounds.iter().copied());
    let untraced = subjects.first().map_or(0.0, of);
    for subject in subjects {
        let cost = of(subject);
        table.row(vec![
            subject.name.to_owned(),
            subject.how.to_owned(),
            format!("{cost:.0}"),
            format!("{:.0}", cost - untraced),
        ]);
    }
    format!("{TITLE}\n\n{}", table.render())
}

const ROUNDS: usize = 9;
/// Their records fit into the ring: nobody reads it here.
const CONNECTS: u32 = 3000;
const TITLE: &str = "### Ways to attach a hook\n\nA refused connect over loopback, told by the same records. Up to 6.9 the reset of a packet without a socket is seen by\na hook by name, or by the drop that follows it; from 6.10 the tracepoint of resets tells it, whatever is attached.";
