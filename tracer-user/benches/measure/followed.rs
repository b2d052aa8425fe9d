//! Connections that hang, as the Tracker hears of them: each by its first retransmit. No sockets, so any number of them.

use crate::feed::{nobody_knows, turn};
use crate::process;
use anyhow::Context as _;
use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;
use tracer_user::model::event::{Event, EventKind, Retransmit};
use tracer_user::model::identity::{Comm, Netns, Owner, SocketCookie};
use tracer_user::model::tcp::TcpState;
use tracer_user::model::time::Timestamp;
use tracer_user::model::tuple::Tuple;
use tracer_user::track::{Config, Tracker};

pub(crate) const SUBCOMMAND: &str = "followed";

/// What so many take in a process that has nothing else: the ones that the Tracker keeps, and resident bytes.
pub(crate) fn measure(count: u32) -> anyhow::Result<(u64, u64)> {
    let mut command = Command::new(env::current_exe()?);
    let output = command.arg(SUBCOMMAND).arg(count.to_string()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.trim().split_once(' ');
    let (tracked, bytes) = numbers.with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((tracked.parse()?, bytes.parse()?))
}

/// The process of its own.
pub(crate) fn main(arguments: &[String]) -> anyhow::Result<()> {
    let count = arguments.first().context("how many")?.parse()?;
    // What the first ones need beside themselves is there by then.
    follow(&mut roomy(END), FEW, END);
    let before = process::resident_bytes(std::process::id())?;
    let mut tracker = roomy(END);
    follow(&mut tracker, count, END);
    let after = process::resident_bytes(std::process::id())?;
    println!("{} {}", tracker.tracked(), after.saturating_sub(before));
    Ok(())
}

/// With room for more than anybody measures here.
pub(crate) fn roomy(now: Timestamp) -> Tracker {
    let config = Config {
        max_flows: 2_000_000,
        ..Config::default()
    };
    Tracker::new(config, now - HANGING)
}

/// Lets the Tracker follow so many, and judge them before `end`.
pub(crate) fn follow(tracker: &mut Tracker, count: u32, end: Timestamp) {
    let begin = end - HANGING;
    for number in 0..count {
        tracker.handle_event(&event(number, begin));
        if number.is_multiple_of(TURN) {
            turn(tracker, begin, nobody_knows);
        }
    }
    let mut now = begin;
    while now < end {
        now = now + Duration::from_secs(1);
        turn(tracker, now, nobody_knows);
    }
}

fn event(number: u32, at: Timestamp) -> Event {
    let port = 1_024 + u16::try_from(number % PORTS).unwrap_or_default();
    let source = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 77, 0, 2)) + number / PORTS);
    let destination = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 78, 0, 2)) + number % DESTINATIONS);
    Event {
        at,
        cpu: 0,
        netns: Netns {
            cookie: 4_097,
            inode: 4_026_532_281,
        },
        socket: SocketCookie::new(u64::from(number) + (1 << 60)),
        tuple: Some(Tuple::new(
            SocketAddr::from((source, port)).into(),
            SocketAddr::from((destination, 9_000)).into(),
        )),
        owner: Some(Owner {
            started: at - RTO,
            pid: 4_711,
            tid: 4_711,
            uid: 1_000,
            cgroup: 7_321,
            comm: Comm::new(b"client"),
        }),
        kind: EventKind::Retransmit(Retransmit {
            state: Some(TcpState::SynSent),
            retransmits: 1,
            unacked: 1,
            rto: Some(RTO),
        }),
    }
}

/// Until all of them count as hung and were judged.
const HANGING: Duration = Duration::from_secs(8);
const RTO: Duration = Duration::from_secs(1);
const END: Timestamp = Timestamp::from_nanos(100_000_000_000);
/// Events between two turns of the loop.
const TURN: u32 = 512;
const FEW: u32 = 1_000;
const PORTS: u32 = 50_000;
const DESTINATIONS: u32 = 200;
