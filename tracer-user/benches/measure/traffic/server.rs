//! The servers: on each processor, one for each kind of work.

use super::process::pin;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

pub(super) const FIRST: u16 = 9000;
/// Added to the first port, as is the number of the processor.
pub(super) const CHURN: usize = 0;
pub(super) const BULK: usize = 100;
pub(super) const REQUESTS: usize = 200;
pub(super) const SERVICES: [usize; 3] = [CHURN, BULK, REQUESTS];

pub(super) fn start(processors: &[usize]) -> anyhow::Result<()> {
    for (index, &processor) in processors.iter().enumerate() {
        serve(CHURN + index, processor, |stream| {
            let _ = answer(stream);
        })?;
        serve(BULK + index, processor, |stream| {
            let _ = swallow(stream);
        })?;
        serve(REQUESTS + index, processor, |stream| {
            thread::spawn(|| echo(stream));
        })?;
    }
    Ok(())
}

fn serve(port: usize, processor: usize, handle: fn(TcpStream)) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, FIRST + u16::try_from(port)?))?;
    thread::spawn(move || -> io::Result<()> {
        pin(processor)?;
        listener.incoming().try_for_each(|stream| stream.map(handle))
    });
    Ok(())
}

/// Reads the request up to its end, answers, closes.
fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut request = [0; 16];
    while stream.read(&mut request)? > 0 {}
    stream.write_all(b"!")
}

fn swallow(mut stream: TcpStream) -> io::Result<()> {
    let mut bytes = vec![0; 128 << 10];
    while stream.read(&mut bytes)? > 0 {}
    Ok(())
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut byte = [0];
    while stream.read(&mut byte)? > 0 {
        stream.write_all(&byte)?;
    }
    Ok(())
}
