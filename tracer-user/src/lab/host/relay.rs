//! A sidecar that opens an upstream connection for each that it accepts, and copies. Its descriptors are few: one whose own
//! connections come back to it must not take the machine's.

use crate::lab::host::proxy::original_destination;
use crate::lab::host::server::listen;
use crate::lab::host::stream::Stream;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Returns once it listens. It can accept and pass on `connections` at once.
pub(super) fn start(on: SocketAddr, connections: u64) -> io::Result<()> {
    let listener = listen(on, 128)?;
    // The lowest that is free.
    let free = u64::try_from(listener.try_clone()?.as_raw_fd()).map_err(io::Error::other)?;
    let limit = Some(free + 2 * connections);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    )?;
    thread::spawn(move || serve(&listener));
    Ok(())
}

fn serve(listener: &TcpListener) {
    loop {
        match listener.accept().and_then(|(stream, _)| Stream::new(stream)) {
            Ok(stream) => drop(thread::spawn(move || relay(stream))),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

fn relay(downstream: Stream) -> io::Result<()> {
    let upstream = TcpStream::connect(original_destination(&downstream)?)?;
    let (downstream, upstream) = (Arc::new(downstream), Arc::new(Stream::new(upstream)?));
    let (from, to) = (Arc::clone(&upstream), Arc::clone(&downstream));
    thread::spawn(move || copy(&from, &to));
    copy(&downstream, &upstream)
}

fn copy(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    io::copy(&mut &*from, &mut &*to)?;
    to.shutdown(Shutdown::Write)
}

/// Until an accept is tried again that found no descriptor.
const PAUSE: Duration = Duration::from_millis(100);
