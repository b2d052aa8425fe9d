//! A sidecar in the manner of Envoy: takes redirected connections and forwards their requests over pooled upstreams.
//!
//! One upstream connection per original destination, kept for good: what poisons it stays.

use crate::lab::host::client::{read_line, tcp_socket};
use crate::lab::host::server::{accepted, listen};
use crate::lab::host::stream::Stream;
use crate::lab::wire::Proxy;
use rustix::net::{self, sockopt};
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Returns once it listens.
pub(super) fn start(proxy: Proxy) -> io::Result<()> {
    let listener = listen(proxy.listen, 128)?;
    let pool = Arc::new(Pool {
        proxy,
        upstreams: Mutex::default(),
    });
    thread::spawn(move || {
        for stream in accepted(&listener) {
            let pool = Arc::clone(&pool);
            thread::spawn(move || forward(stream, &pool));
        }
    });
    Ok(())
}

/// Ends with the downstream connection; an upstream failure ends it too.
fn forward(mut downstream: Stream, pool: &Pool) -> io::Result<()> {
    let destination = original_destination(&downstream)?;
    loop {
        let request = read_line(&mut *downstream)?;
        if request.is_empty() {
            return Ok(());
        }
        let answer = pool.ask(destination, &request)?;
        downstream.write_all(format!("{answer}\n").as_bytes())?;
    }
}

/// Where the connection was meant to go before it was redirected here.
pub(super) fn original_destination(stream: &TcpStream) -> io::Result<SocketAddr> {
    Ok(if stream.local_addr()?.is_ipv4() {
        sockopt::ip_original_dst(stream)?.into()
    } else {
        sockopt::ipv6_original_dst(stream)?.into()
    })
}

struct Pool {
    proxy: Proxy,
    upstreams: Mutex<HashMap<SocketAddr, Stream>>,
}

impl Pool {
    /// Where the pooled connection fails, a new one is tried once: Istio's default.
    fn ask(&self, destination: SocketAddr, request: &str) -> io::Result<String> {
        let mut upstreams = self.upstreams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut pooled) = upstreams.remove(&destination)
            && let Ok(answer) = exchange(&mut pooled, request)
        {
            upstreams.insert(destination, pooled);
            return Ok(answer);
        }
        let mut upstream = self.connect(destination)?;
        let answer = exchange(&mut upstream, request)?;
        upstreams.insert(destination, upstream);
        Ok(answer)
    }

    fn connect(&self, destination: SocketAddr) -> io::Result<Stream> {
        let routed = self.proxy.routes.iter().find(|(from, _)| *from == destination);
        let to = routed.map_or(destination, |(_, to)| *to);
        let socket = tcp_socket(to)?;
        if let Some(source) = self.proxy.source {
            net::bind(&socket, &SocketAddr::new(source, 0))?;
        }
        net::connect(&socket, &to)?;
        Stream::new(socket)
    }
}

fn exchange(upstream: &mut Stream, request: &str) -> io::Result<String> {
    upstream.write_all(format!("{request}\n").as_bytes())?;
    let answer = read_line(&mut **upstream)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}
