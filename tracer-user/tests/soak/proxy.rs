//! The sidecar: Envoy's two listeners, as Envoy's user.

use crate::place::Place;
use rustix::net::{self, AddressFamily, SocketType, sockopt};
use rustix::process::{Gid, Uid};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

const ENVOY: u32 = 1337;
const OUTBOUND: u16 = 15001;
const INBOUND: u16 = 15006;
/// Where connections that came in go on from.
const INBOUND_SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

/// Returns once it listens.
pub(crate) fn start(place: &Place) {
    for (port, source) in [(OUTBOUND, None), (INBOUND, Some(INBOUND_SOURCE))] {
        let (ready, is_ready) = mpsc::channel();
        place.spawn(move || {
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_gid(Gid::from_raw(ENVOY)).unwrap();
            rustix::thread::set_thread_uid(Uid::from_raw(ENVOY)).unwrap();
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
            ready.send(()).unwrap();
            for stream in listener.incoming().flatten() {
                thread::spawn(move || forward(&stream, source));
            }
        });
        is_ready.recv().unwrap();
    }
}

fn forward(downstream: &TcpStream, source: Option<Ipv4Addr>) -> io::Result<()> {
    let destination: SocketAddr = sockopt::ip_original_dst(downstream)?.into();
    let upstream = connect(destination, source)?;
    let mut requests = BufReader::new(downstream.try_clone()?);
    let mut answers = BufReader::new(upstream.try_clone()?);
    let (mut to_client, mut line) = (downstream, String::new());
    while requests.read_line(&mut line)? > 0 {
        (&upstream).write_all(line.as_bytes())?;
        line.clear();
        answers.read_line(&mut line)?;
        to_client.write_all(line.as_bytes())?;
        line.clear();
    }
    Ok(())
}

fn connect(to: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    if let Some(source) = source {
        net::bind(&socket, &SocketAddr::from((source, 0)))?;
    }
    net::connect(&socket, &to)?;
    Ok(socket.into())
}
