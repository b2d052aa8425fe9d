//! The listening socket and its connections.

use crate::board::SharedBoard;
use crate::serve::gate::{Counters, Gate};
use crate::serve::health::Health;
use crate::serve::hosts::Hosts;
use crate::serve::route::{Rendered, Routes};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_user_timeout};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// What the server shows.
#[derive(Clone, Debug)]
pub struct State {
    pub board: SharedBoard,
    pub health: Health,
}

#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    hosts: Hosts,
}

impl Server {
    /// Listens, from now on. To be called within the runtime. A server on a loopback address answers only requests that
    /// call it by an address, `localhost` or one of `hosts`.
    pub fn bind(address: SocketAddr, hosts: Vec<String>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        // Connections inherit both: what clients do not read stays small, and does not outlive its connection.
        set_socket_send_buffer_size(&listener, SEND_BUFFER)?;
        set_tcp_user_timeout(&listener, UNREAD_MILLIS)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let hosts = Hosts {
            checked: address.ip().is_loopback(),
            allowed: hosts,
        };
        Ok(Self {
            listener,
            address,
            hosts,
        })
    }

    /// Where it listens, with the port that the kernel chose if none was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`; then connections end at once.
    pub async fn run(self, state: State, shutdown: impl Future<Output = ()>) {
        let routes = Arc::new(Routes {
            state,
            hosts: self.hosts,
            counters: Counters::default(),
            rendered: Rendered::default(),
        });
        let mut gate = Gate::default();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => admit(stream, &routes, &mut gate),
                    Err(error) => {
                        tracing::debug!(%error, "a connection could not be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
            // Those that are here already get their turn before they could be crowded out.
            tokio::task::yield_now().await;
        }
    }
}

fn admit(stream: TcpStream, routes: &Arc<Routes>, gate: &mut Gate) {
    routes.counters.accepted.fetch_add(1, Ordering::Relaxed);
    gate.make_place(&routes.counters);
    gate.admit(tokio::spawn(converse(stream, Arc::clone(routes))).abort_handle());
}

/// One request and its answer: a client that comes again connects again, so that none keeps a place for longer.
async fn converse(stream: TcpStream, routes: Arc<Routes>) {
    let service = service_fn(|request| {
        let answer = routes.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(HEADERS)
        .max_buf_size(REQUEST)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(WHOLE_TIME, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) if !error.is_timeout() => tracing::debug!(%error, "a connection failed"),
        Ok(Err(_)) | Err(_) => {
            routes.counters.timed_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How long a client may take for its request.
const HEADER_TIME: Duration = Duration::from_secs(5);
/// How long a client may take for all of it, the answer included.
const WHOLE_TIME: Duration = Duration::from_secs(10);
/// Bytes of a request; a longer one is answered with 431.
const REQUEST: usize = 16 << 10;
/// Headers of a request; more are answered with 431.
const HEADERS: usize = 64;
/// Bytes of an answer that the kernel keeps for a client; it doubles them for its own use.
const SEND_BUFFER: usize = 64 << 10;
/// How long the kernel keeps what a client does not take.
const UNREAD_MILLIS: u32 = 10_000;
/// After a connection could not be accepted, for want of descriptors, say.
const PAUSE: Duration = Duration::from_millis(100);
