//! A netlink socket of the namespace that the thread is in: asks, and reads until the answer ends or time is up.
//!
//! Understands no payload. Nothing here waits past its deadline, whatever the kernel does.

use crate::inspect::message::{Body, DUMP_INTERRUPTED, MessageError, messages};
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fmt::Display;
use std::io;
use std::ops::ControlFlow;
use std::time::Instant;
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum NetlinkError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the kernel said: {0}")]
    Refused(Errno),
    #[error("no answer in time")]
    Deadline,
    #[error("the kernel lost a part of the answer")]
    Overrun,
    #[error("an answer longer than {0} bytes")]
    Truncated(usize),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("{0}")]
    Payload(String),
}

#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
    protocol: isize,
    sequence: u32,
    buffer: Vec<u8>,
    deadline: Instant,
    interrupted: bool,
}

impl Netlink {
    pub(crate) fn open(protocol: isize, deadline: Instant) -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: Socket::new(protocol)?,
            protocol,
            sequence: 0,
            buffer: Vec::with_capacity(BUFFER),
            deadline,
            interrupted: false,
        })
    }

    /// Dumps of routes are filtered by what their requests say, from now on.
    pub(crate) fn filter(&self) -> Result<(), NetlinkError> {
        Ok(self.socket.set_netlink_get_strict_chk(true)?)
    }

    /// Whether something changed while the last answer was given, so that it may be of two minds.
    pub(crate) fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// Sends what `request` makes of a sequence number and gives every payload of the answer to `each`, until the
    /// answer ends or `each` has enough.
    pub(crate) fn ask<E: Display>(
        &mut self,
        request: impl FnOnce(u32) -> Vec<u8>,
        mut each: impl FnMut(&[u8]) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        self.interrupted = false;
        self.socket
            .send_to(&request(self.sequence), &SocketAddr::new(0, 0), 0)?;
        loop {
            self.receive()?;
            for message in messages(&self.buffer) {
                let message = message?;
                if message.sequence != self.sequence {
                    continue;
                }
                self.interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match message.body {
                    Body::End(0) => return Ok(()),
                    Body::End(code) => return Err(NetlinkError::Refused(errno(code))),
                    Body::Overrun => return Err(NetlinkError::Overrun),
                    Body::Nothing => {}
                    Body::Data { payload, .. } => {
                        if each(payload)
                            .map_err(|error| NetlinkError::Payload(error.to_string()))?
                            .is_break()
                        {
                            // The rest of the dump would come before the next answer.
                            self.socket = Socket::new(self.protocol)?;
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// Fills the buffer with the next datagram of the kernel.
    fn receive(&mut self) -> Result<(), NetlinkError> {
        loop {
            self.wait()?;
            self.buffer.clear();
            match self
                .socket
                .recv_from(&mut self.buffer, libc::MSG_TRUNC | libc::MSG_DONTWAIT)
            {
                Ok((length, _)) if length > self.buffer.len() => {
                    return Err(NetlinkError::Truncated(self.buffer.len()));
                }
                // Other processes could send to this socket as well.
                Ok((_, from)) if from.port_number() != 0 => {}
                Ok(_) => return Ok(()),
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn wait(&self) -> Result<(), NetlinkError> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NetlinkError::Deadline);
            }
            let left = Timespec::try_from(left).map_err(|_| NetlinkError::Deadline)?;
            match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&left)) {
                Ok(0) => return Err(NetlinkError::Deadline),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }
}

fn errno(code: u32) -> Errno {
    Errno::from_raw_os_error(i32::try_from(code).unwrap_or(libc::EIO))
}

/// More than the kernel puts into one datagram of a dump (32 KiB).
const BUFFER: usize = 64 * 1024;
