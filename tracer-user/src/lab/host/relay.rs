//! A sidecar that opens an upstream connection for each that it accepts, and copies. It takes a number of connections and
//! no more: one whose own connections come back to it must not take all that the machine has.

use crate::lab::host::proxy::original_destination;
use crate::lab::host::server::{accepted, listen};
use crate::lab::host::stream::Stream;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Returns once it listens.
pub(super) fn start(on: SocketAddr, connections: usize) -> io::Result<()> {
    let listener = listen(on, 128)?;
    thread::spawn(move || serve(&listener, connections));
    Ok(())
}

/// The listener stays, whatever it accepts.
fn serve(listener: &TcpListener, connections: usize) -> ! {
    for stream in accepted(listener).take(connections) {
        thread::spawn(move || relay(stream));
    }
    loop {
        thread::park();
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
