//! The servers. Their threads end with the test.

use crate::place::Place;
use rustix::net::sockopt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) fn echo(place: &Place, port: u16) {
    serve(place, port, echo_lines);
}

pub(crate) fn patient(place: &Place, port: u16) {
    serve(place, port, |mut stream| {
        let mut request = Vec::new();
        stream.read_to_end(&mut request)?;
        thread::sleep(Duration::from_millis(100));
        stream.write_all(&request)
    });
}

pub(crate) fn impatient(place: &Place, port: u16) {
    serve(place, port, |stream| {
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        (&stream).write_all(line.as_bytes())?;
        thread::sleep(Duration::from_millis(50));
        reset(&stream)
    });
}

pub(crate) fn download(place: &Place, port: u16) {
    // A client may close in the middle.
    serve(place, port, |mut stream| stream.write_all(&vec![b'x'; 1 << 19]));
}

/// Listens for seven tenths of each second.
pub(crate) fn restarting(place: &Place, port: u16) {
    place.spawn(move || {
        loop {
            let listener = listen(port);
            sockopt::set_socket_timeout(&listener, sockopt::Timeout::Recv, Some(Duration::from_millis(50))).unwrap();
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(700) {
                if let Ok((stream, _)) = listener.accept() {
                    thread::spawn(move || echo_lines(stream));
                }
            }
            drop(listener);
            thread::sleep(Duration::from_millis(300));
        }
    });
}

/// Its next close resets the connection.
pub(crate) fn reset(stream: &TcpStream) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(stream, Some(Duration::ZERO))?)
}

/// Returns once it listens, for both families.
fn serve(place: &Place, port: u16, handle: fn(TcpStream) -> io::Result<()>) {
    let (ready, is_ready) = mpsc::channel();
    place.spawn(move || {
        let listener = listen(port);
        ready.send(()).unwrap();
        for stream in listener.incoming().flatten() {
            thread::spawn(move || handle(stream));
        }
    });
    is_ready.recv().unwrap();
}

fn listen(port: u16) -> TcpListener {
    TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap()
}

pub(crate) fn echo_lines(stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        stream.write_all(line.as_bytes())?;
        line.clear();
    }
    Ok(())
}
