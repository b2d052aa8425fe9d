//! The two sockets in our own namespace: changes of entries, and ids of namespaces that come and go.
//!
//! Understands no entry.

use super::raw::{attach_filter, drops, receive};
use crate::ctnetlink::filter::tcp_only;
use crate::inspect::link::{self, DEL_NSID, NEW_NSID};
use crate::inspect::message::{Body, Message, messages};
use netlink_sys::Socket;
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// What a look at a socket found.
#[derive(Debug)]
pub(super) enum Next<T> {
    Some(T),
    /// The kernel had messages that it could not give us.
    Overrun,
    Empty,
}

#[derive(Debug)]
pub(super) struct Changes {
    socket: Socket,
    buffer: Vec<u8>,
    dropped: u32,
}

impl Changes {
    pub(super) fn open(receive_buffer: usize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol(libc::NETLINK_NETFILTER))?;
        socket.bind_auto()?;
        // A kernel before 4.2 cannot, and a filter is a saving only.
        socket.set_listen_all_namespaces(true)?;
        if let Err(error) = attach_filter(socket.as_fd(), &tcp_only()) {
            tracing::debug!(%error, "changes of other protocols are left out here, not by the kernel");
        }
        enlarge(&socket, receive_buffer);
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        Ok(Self {
            socket,
            buffer: vec![0; DATAGRAM_MAX],
            dropped: 0,
        })
    }

    /// The next datagram, with the id of the namespace that it is from.
    pub(super) fn next(&mut self) -> io::Result<Next<(&[u8], Option<i32>)>> {
        loop {
            match receive(self.socket.as_fd(), &mut self.buffer) {
                Ok(received) if !received.from_kernel => {}
                // Cut to the buffer, the rest of which the decoder then misses.
                Ok(received) => {
                    let length = received.length.min(self.buffer.len());
                    let datagram = self.buffer.get(..length).unwrap_or_default();
                    return Ok(Next::Some((datagram, received.nsid)));
                }
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::INTR) => {}
                    Some(Errno::AGAIN) => return Ok(Next::Empty),
                    Some(Errno::NOBUFS) => return Ok(Next::Overrun),
                    _ => return Err(error),
                },
            }
        }
    }

    /// Messages lost since the last call.
    pub(super) fn lost(&mut self) -> u32 {
        // The kernel knows since 4.12; before, an overrun is at least one.
        let dropped = drops(self.socket.as_fd()).unwrap_or_else(|_| self.dropped.wrapping_add(1));
        let lost = dropped.wrapping_sub(self.dropped);
        self.dropped = dropped;
        lost
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What happened to an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdChange {
    Given(i32),
    Freed(i32),
}

#[derive(Debug)]
pub(super) struct IdChanges {
    socket: Socket,
    buffer: Vec<u8>,
}

impl IdChanges {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(protocol(libc::NETLINK_ROUTE))?;
        socket.bind_auto()?;
        enlarge(&socket, IDS_BUFFER);
        socket.add_membership(IDS_GROUP)?;
        Ok(Self {
            socket,
            buffer: vec![0; DATAGRAM_MAX],
        })
    }

    pub(super) fn next(&mut self) -> io::Result<Next<Vec<IdChange>>> {
        loop {
            match receive(self.socket.as_fd(), &mut self.buffer) {
                Ok(received) if !received.from_kernel => {}
                Ok(received) => {
                    let datagram = self.buffer.get(..received.length).unwrap_or_default();
                    return Ok(Next::Some(id_changes(datagram)));
                }
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::INTR) => {}
                    Some(Errno::AGAIN) => return Ok(Next::Empty),
                    Some(Errno::NOBUFS) => return Ok(Next::Overrun),
                    _ => return Err(error),
                },
            }
        }
    }
}

impl AsFd for IdChanges {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn id_changes(datagram: &[u8]) -> Vec<IdChange> {
    messages(datagram).flatten().filter_map(id_change).collect()
}

fn id_change(message: Message<'_>) -> Option<IdChange> {
    let Body::Data { kind, payload } = message.body else {
        return None;
    };
    let id = link::parse_id(payload).ok().flatten()?;
    match kind {
        NEW_NSID => Some(IdChange::Given(id)),
        DEL_NSID => Some(IdChange::Freed(id)),
        _ => None,
    }
}

/// As large as asked for, or as large as the system lets anybody have.
fn enlarge(socket: &Socket, bytes: usize) {
    if let Err(error) = set_socket_recv_buffer_size_force(socket, bytes) {
        tracing::debug!(%error, "the receive buffer stays within net.core.rmem_max");
        let _ = set_socket_recv_buffer_size(socket, bytes);
    }
}

fn protocol(number: i32) -> isize {
    isize::try_from(number).unwrap_or_default()
}

// uapi/linux/netfilter/nfnetlink_compat.h, rtnetlink.h
/// `NFNLGRP_CONNTRACK_NEW`, `_UPDATE`, `_DESTROY`.
const GROUPS: [u32; 3] = [1, 2, 3];
/// `RTNLGRP_NSID`.
const IDS_GROUP: u32 = 28;
/// An entry is a few hundred bytes.
const DATAGRAM_MAX: usize = 16 * 1024;
const IDS_BUFFER: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GIVEN: &[u8] = include_bytes!("../testdata/nsid_given.bin");
    const FREED: &[u8] = include_bytes!("../testdata/nsid_freed.bin");

    #[test]
    fn ids_come_and_go() {
        assert_eq!(id_changes(GIVEN), [IdChange::Given(4300)]);
        assert_eq!(
            id_changes(&[FREED, GIVEN].concat()),
            [IdChange::Freed(4300), IdChange::Given(4300)]
        );
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(at in 0..GIVEN.len(), byte in any::<u8>()) {
            let mut bytes = GIVEN.to_vec();
            bytes[at] = byte;
            let _ = id_changes(&bytes);
            let _ = id_changes(&bytes[..at]);
        }
    }
}
