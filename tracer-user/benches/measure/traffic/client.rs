//! The clients: one thread a processor, all at once, for a given time.

use super::process::pin;
use super::server;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

pub(super) struct Client {
    processors: Vec<usize>,
    /// Open connections of each processor's client, by the first one's destination.
    kept: BTreeMap<SocketAddrV4, Vec<Vec<TcpStream>>>,
}

impl Client {
    pub(super) fn new(processors: Vec<usize>) -> Self {
        Self {
            processors,
            kept: BTreeMap::new(),
        }
    }

    /// What was done, and how much of it a second.
    pub(super) fn run(
        &mut self,
        job: &str,
        address: Ipv4Addr,
        first: u16,
        length: Duration,
    ) -> anyhow::Result<(u64, f64)> {
        let processors = self.processors.clone();
        match job {
            "churn" => {
                let mut targets = self.targets(address, usize::from(first) + server::CHURN)?;
                together(&processors, &mut targets, length, |target| churn(*target))
            }
            "bulk" => {
                let bytes = vec![0; 128 << 10];
                let kept = self.keep(address, usize::from(first) + server::BULK, 1)?;
                together(&processors, kept, length, |streams| send(streams, &bytes))
            }
            "requests" => {
                let each = CONNECTIONS / processors.len();
                let kept = self.keep(address, usize::from(first) + server::REQUESTS, each)?;
                together(&processors, kept, length, |streams| request(streams))
            }
            _ => bail!("there is no job {job:?}"),
        }
    }

    fn targets(&self, address: Ipv4Addr, first: usize) -> anyhow::Result<Vec<SocketAddrV4>> {
        let ports = first..first + self.processors.len();
        ports
            .map(|port| Ok(SocketAddrV4::new(address, u16::try_from(port)?)))
            .collect()
    }

    /// Open connections, which stay open for the next time.
    fn keep(&mut self, address: Ipv4Addr, first: usize, each: usize) -> anyhow::Result<&mut [Vec<TcpStream>]> {
        let targets = self.targets(address, first)?;
        let key = *targets.first().context("a processor")?;
        match self.kept.entry(key) {
            Entry::Occupied(kept) => Ok(kept.into_mut()),
            Entry::Vacant(place) => {
                let streams: io::Result<Vec<_>> = targets.iter().map(|&target| open(target, each)).collect();
                Ok(place.insert(streams?))
            }
        }
    }
}

fn open(target: SocketAddrV4, count: usize) -> io::Result<Vec<TcpStream>> {
    let streams = (0..count).map(|_| {
        let stream = TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    });
    streams.collect()
}

/// Takes steps on every processor until the time is over.
fn together<S: Send>(
    processors: &[usize],
    states: &mut [S],
    length: Duration,
    step: impl Fn(&mut S) -> io::Result<u64> + Sync,
) -> anyhow::Result<(u64, f64)> {
    let start = Barrier::new(processors.len());
    let run = |processor: usize, state: &mut S| -> io::Result<(u64, Duration)> {
        let pinned = pin(processor);
        start.wait();
        pinned?;
        let begun = Instant::now();
        let mut amount = 0;
        while begun.elapsed() < length {
            amount += step(state)?;
        }
        Ok((amount, begun.elapsed()))
    };
    let run = &run;
    thread::scope(|scope| {
        let workers = processors.iter().zip(states);
        let workers: Vec<_> = workers
            .map(|(&processor, state)| scope.spawn(move || run(processor, state)))
            .collect();
        workers.into_iter().try_fold((0, 0.0), |(sum, rate), worker| {
            let (amount, time) = worker.join().ok().context("a client panicked")??;
            Ok((sum + amount, rate + crate::probe::as_f64(amount) / time.as_secs_f64()))
        })
    })
}

/// Ends what it sends before it waits: the side that closes first has then not forgotten the connection when the other
/// one's end arrives, although no socket is kept in TIME_WAIT.
fn churn(target: SocketAddrV4) -> io::Result<u64> {
    let mut stream = TcpStream::connect(target)?;
    stream.write_all(b"?")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::with_capacity(2);
    stream.read_to_end(&mut answer)?;
    match answer.as_slice() {
        b"!" => Ok(1),
        _ => Err(io::Error::other("no answer")),
    }
}

fn send(streams: &mut [TcpStream], bytes: &[u8]) -> io::Result<u64> {
    streams.iter_mut().try_fold(0, |sum, stream| {
        let sent = stream.write(bytes)?;
        Ok(sum + u64::try_from(sent).unwrap_or(0))
    })
}

fn request(streams: &mut [TcpStream]) -> io::Result<u64> {
    for stream in &mut *streams {
        stream.write_all(b"?")?;
    }
    for stream in &mut *streams {
        stream.read_exact(&mut [0])?;
    }
    Ok(u64::try_from(streams.len()).unwrap_or(0))
}

/// Of the requests, all processors together.
const CONNECTIONS: usize = 32;
