//! A server that answers, or fails to, in one of the ways the scenarios need.

use crate::lab::host::client::{read_line, tcp_socket};
use crate::lab::host::stream::Stream;
use crate::lab::wire::{Accepts, Server};
use rustix::net::{self, sockopt};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

/// Returns once it listens.
pub(super) fn start(server: Server) -> io::Result<()> {
    let listener = listen(server.listen, server.backlog)?;
    thread::spawn(move || serve(&listener, server.accepts));
    Ok(())
}

pub(super) fn listen(on: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = tcp_socket(on)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &on)?;
    net::listen(&socket, backlog)?;
    Ok(TcpListener::from(socket))
}

/// Connections as they come.
pub(super) fn accepted(listener: &TcpListener) -> impl Iterator<Item = Stream> {
    listener
        .incoming()
        .filter_map(Result::ok)
        .filter_map(|stream| Stream::new(stream).ok())
}

fn serve(listener: &TcpListener, accepts: Accepts) {
    match accepts {
        Accepts::Never => sleep_for_ever(),
        Accepts::Unread => {
            let _kept: Vec<Stream> = accepted(listener).collect();
        }
        Accepts::Echo => serve_each(listener, Duration::ZERO),
        Accepts::EchoLate { ms } => {
            thread::sleep(Duration::from_millis(ms));
            serve_each(listener, Duration::ZERO);
        }
        Accepts::EchoSlowly { ms } => serve_each(listener, Duration::from_millis(ms)),
    }
}

fn serve_each(listener: &TcpListener, delay: Duration) {
    for stream in accepted(listener) {
        thread::spawn(move || echo(stream, delay));
    }
}

/// Until the other side closes or resets.
fn echo(mut stream: Stream, delay: Duration) {
    while let Ok(line) = read_line(&mut *stream) {
        if line.is_empty() {
            return;
        }
        thread::sleep(delay);
        if stream.write_all(format!("echo:{line}\n").as_bytes()).is_err() {
            return;
        }
    }
}

fn sleep_for_ever() -> ! {
    loop {
        thread::park();
    }
}
