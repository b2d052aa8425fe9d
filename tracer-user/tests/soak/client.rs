//! One connection of each kind.

use crate::server::reset;
use crate::tally::Tally;
use crate::world;
use rustix::net::{self, AddressFamily, SocketType, sockopt};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

/// `number` tells one from another. An error is a surprise.
pub(crate) type Client = fn(number: usize, tally: &Tally) -> io::Result<()>;

pub(crate) fn keep_alive(number: usize, _: &Tally) -> io::Result<()> {
    let to = if number.is_multiple_of(2) {
        world::peer(world::ECHO)
    } else {
        world::peer_v6(world::ECHO)
    };
    let stream = connect(to)?;
    for _ in 0..5 {
        ask(&stream)?;
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

pub(crate) fn half_close(_: usize, _: &Tally) -> io::Result<()> {
    let mut stream = connect(world::peer(world::PATIENT))?;
    stream.write_all(b"request\n")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    expect_line(&answer)
}

/// A tab is closed in the middle of a download.
pub(crate) fn browser(_: usize, _: &Tally) -> io::Result<()> {
    let mut stream = connect(world::peer(world::DOWNLOAD))?;
    stream.read_exact(&mut [0; 1 << 14])
}

/// A load balancer at the other end has had enough.
pub(crate) fn balancer(_: usize, _: &Tally) -> io::Result<()> {
    let stream = connect(world::peer(world::IMPATIENT))?;
    ask(&stream)?;
    match (&stream).read(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
        other => Err(io::Error::other(format!("{other:?} instead of a reset"))),
    }
}

pub(crate) fn health_check(number: usize, _: &Tally) -> io::Result<()> {
    let to = if number.is_multiple_of(2) {
        world::peer(world::ECHO)
    } else {
        world::peer_v6(world::ECHO)
    };
    reset(&connect(to)?)
}

/// From outside, of a server of the node.
pub(crate) fn health_check_of_node(_: usize, _: &Tally) -> io::Result<()> {
    reset(&connect(world::node(world::ECHO))?)
}

/// A second's patience with an address that does not answer. Three of these for one address within a minute would be a
/// pattern.
pub(crate) fn dial_timeout(number: usize, tally: &Tally) -> io::Result<()> {
    give_up(world::silent(number), Duration::from_secs(1), tally)
}

/// IPv6 leads nowhere, IPv4 does.
pub(crate) fn happy_eyeballs(_: usize, tally: &Tally) -> io::Result<()> {
    give_up(world::silent_v6(), Duration::from_millis(250), tally)?;
    ask(&connect(world::peer(world::ECHO))?)
}

pub(crate) fn slow_reader(_: usize, _: &Tally) -> io::Result<()> {
    read_slowly(Duration::from_millis(10))
}

/// Reads nothing for longer than a hang lasts: the window closes.
pub(crate) fn stopped_reader(_: usize, _: &Tally) -> io::Result<()> {
    let mut stream = connect(world::peer(world::DOWNLOAD))?;
    sleep(Duration::from_secs(4));
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

/// The server may be away, or go while the connection waits to be accepted.
pub(crate) fn restarting(_: usize, tally: &Tally) -> io::Result<()> {
    let asked = connect(world::peer(world::RESTARTING)).and_then(|stream| ask(&stream));
    match asked {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => tally.refused(),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {}
        other => return other,
    }
    Ok(())
}

pub(crate) fn service(_: usize, _: &Tally) -> io::Result<()> {
    ask(&connect(world::service())?)
}

pub(crate) fn through_sidecar(_: usize, _: &Tally) -> io::Result<()> {
    ask(&connect(world::peer_of_mesh(world::ECHO))?)
}

/// From outside, through the sidecar's other listener.
pub(crate) fn to_mesh(_: usize, _: &Tally) -> io::Result<()> {
    ask(&connect(world::mesh(world::ECHO))?)
}

fn read_slowly(pause: Duration) -> io::Result<()> {
    let mut stream = connect(world::peer(world::DOWNLOAD))?;
    let mut buffer = vec![0; 1 << 15];
    while stream.read(&mut buffer)? > 0 {
        sleep(pause);
    }
    Ok(())
}

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    // A client that waits for ever would hide what went wrong.
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

/// Linux applies the send timeout to connect.
fn give_up(to: SocketAddr, after: Duration, tally: &Tally) -> io::Result<()> {
    let family = if to.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = net::socket(family, SocketType::STREAM, None)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(after))?;
    match net::connect(&socket, &to) {
        Err(rustix::io::Errno::INPROGRESS) => {
            tally.gave_up();
            Ok(())
        }
        other => Err(io::Error::other(format!("{other:?} of a silent address"))),
    }
}

fn ask(stream: &TcpStream) -> io::Result<()> {
    let mut to = stream;
    to.write_all(b"request\n")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    if answer.is_empty() {
        return Err(ErrorKind::ConnectionReset.into());
    }
    expect_line(&answer)
}

fn expect_line(answer: &str) -> io::Result<()> {
    if answer == "request\n" {
        return Ok(());
    }
    Err(io::Error::other(format!("{answer:?} instead of the request")))
}
