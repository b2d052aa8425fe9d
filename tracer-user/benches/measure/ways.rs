//! What the way in which hooks are attached costs, by two works that are the same for all of them: a refused connect,
//! told by the same records, and an ordinary tracked connection, which tells nothing.

use crate::system;
use crate::table::{Table, median};
use rustix::net::sockopt::set_socket_linger;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};
use tracer_common::stat::Hook;
use tracer_user::kernel::load::{Probes, Settings};
use tracer_user::kernel::plan::Ladder;

pub(crate) fn measure() -> anyhow::Result<String> {
    system::in_own_network(inside)
}

fn inside() -> anyhow::Result<String> {
    run("ip link set lo up")?;
    let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let refused = table(Hook::NoSocketReset4, || refuse(closed))?;
    run("iptables -A INPUT -p udp -m conntrack --ctstate INVALID -j DROP")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let tracked = table(Hook::ConntrackNew, || connection(&listener, address))?;
    Ok(format!("{REFUSED}\n\n{refused}\n\n{TRACKED}\n\n{tracked}"))
}

fn run(command: &str) -> anyhow::Result<()> {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap_or_default()).args(words).status();
    anyhow::ensure!(status?.success(), "{command} failed");
    Ok(())
}

fn refuse(closed: SocketAddr) -> anyhow::Result<()> {
    anyhow::ensure!(TcpStream::connect(closed).is_err(), "somebody listens on {closed}");
    Ok(())
}

/// Ends with an orderly close from the server's side, which leaves no TIME_WAIT behind at the client's.
fn connection(listener: &TcpListener, address: SocketAddr) -> anyhow::Result<()> {
    let client = TcpStream::connect(address)?;
    let (server, _) = listener.accept()?;
    drop(client);
    set_socket_linger(&server, Some(Duration::ZERO))?;
    Ok(())
}

/// The median cost of one round's work for each limit of the ladder, beside what it costs untraced.
fn table(hook: Hook, work: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<String> {
    let mut subjects = vec![Subject::new("nothing attached", None)];
    subjects.extend(Ladder::ALL.map(|ladder| Subject::new(ladder.name(), Some(ladder))));
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            subject.round(hook, &work)?;
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

    fn round(&mut self, hook: Hook, work: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let settings = |ladder| Settings {
            ladder,
            ..Settings::default()
        };
        let probes = self.ladder.map(|ladder| Probes::load(&settings(ladder))).transpose()?;
        if let Some(probes) = &probes {
            let status = probes.hooks().iter().find(|status| status.hook == hook);
            self.how = status.map_or("-", |status| status.how.name());
        }
        // What the first ones set up is not what they cost.
        (0..COUNT / 10).try_for_each(|_| work())?;
        let start = Instant::now();
        (0..COUNT).try_for_each(|_| work())?;
        self.rounds.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(COUNT));
        Ok(())
    }
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
    table.render()
}

const ROUNDS: usize = 9;
/// Their records fit into the ring: nobody reads it here.
const COUNT: u32 = 3000;
const REFUSED: &str = "### Ways to attach a hook

A refused connect over loopback, told by the same three records. Up to 6.9 the reset of a packet without a socket is seen
by a hook on `tcp_v4_send_reset`, or by the drop that follows it; from 6.10 (a dash) the tracepoint of resets tells it,
whatever is attached.";
const TRACKED: &str = "An ordinary loopback connection in a namespace with conntrack, which tells nothing; the hook is
`__nf_conntrack_confirm`.";
