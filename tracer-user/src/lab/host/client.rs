//! An application that connects, asks and waits.

use crate::lab::host::proxy::original_destination;
use crate::lab::host::server;
use crate::lab::host::stream::Stream;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::DerefMut;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Open connections by slot.
#[derive(Default)]
pub(super) struct Client {
    slots: BTreeMap<u8, Stream>,
    listener: Option<TcpListener>,
}

impl Client {
    /// Blocks until it is connected, refused, or given up.
    pub(super) fn connect(
        &mut self,
        slot: u8,
        to: SocketAddr,
        from_port: Option<u16>,
        give_up_ms: Option<u64>,
    ) -> io::Result<()> {
        let socket = tcp_socket(to)?;
        if let Some(port) = from_port {
            let address = if to.is_ipv4() {
                Ipv4Addr::UNSPECIFIED.into()
            } else {
                Ipv6Addr::UNSPECIFIED.into()
            };
            sockopt::set_socket_reuseaddr(&socket, true)?;
            net::bind(&socket, &SocketAddr::new(address, port))?;
        }
        if let Some(ms) = give_up_ms {
            // Linux applies the send timeout to connect.
            sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(Duration::from_millis(ms)))?;
        }
        net::connect(&socket, &to)?;
        self.slots.insert(slot, Stream::new(socket)?);
        Ok(())
    }

    pub(super) fn listen(&mut self, on: SocketAddr) -> io::Result<()> {
        self.listener = Some(server::listen(on, 128)?);
        Ok(())
    }

    /// Blocks until there is one.
    pub(super) fn accept(&mut self, slot: u8, proxy: bool) -> io::Result<()> {
        let listener = self.listener.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let stream = Stream::new(listener.accept()?.0)?;
        if proxy {
            original_destination(&stream)?;
        }
        self.slots.insert(slot, stream);
        Ok(())
    }

    pub(super) fn send(&mut self, slot: u8, line: &str) -> io::Result<()> {
        self.stream(slot)?.write_all(format!("{line}\n").as_bytes())
    }

    pub(super) fn receive(&mut self, slot: u8) -> io::Result<String> {
        read_line(self.stream(slot)?)
    }

    pub(super) fn await_unread(&mut self, slot: u8) -> io::Result<()> {
        self.stream(slot)?.peek(&mut [0]).map(drop)
    }

    pub(super) fn fill(&mut self, slot: u8, bytes: usize) -> io::Result<()> {
        let stream = self.stream(slot)?;
        sockopt::set_socket_send_buffer_size_force(&*stream, bytes)?;
        stream.set_nonblocking(true)?;
        let chunk = [b'x'; 1 << 13];
        let mut left = bytes;
        while left > 0 {
            match stream.write(&chunk) {
                Ok(written) => left = left.saturating_sub(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn half_close(&mut self, slot: u8) -> io::Result<()> {
        self.stream(slot)?.shutdown(Shutdown::Write)
    }

    pub(super) fn close(&mut self, slot: u8) -> io::Result<()> {
        self.take(slot).map(drop)
    }

    pub(super) fn abort(&mut self, slot: u8) -> io::Result<()> {
        self.take(slot)?.abort()
    }

    fn take(&mut self, slot: u8) -> io::Result<Stream> {
        self.slots
            .remove(&slot)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn stream(&mut self, slot: u8) -> io::Result<&mut TcpStream> {
        let stream = self.slots.get_mut(&slot);
        stream
            .map(DerefMut::deref_mut)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

pub(super) fn tcp_socket(for_address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if for_address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    Ok(net::socket_with(
        family,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// A line without its end; an empty one where the stream ended.
pub(super) fn read_line(stream: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte != *b"\n" {
        line.extend(byte);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}
