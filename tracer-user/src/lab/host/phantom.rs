//! A TCP peer without a kernel: answers raw frames on a device that has no address.
//!
//! Only the frames and the socket; what it answers is in `responder`.

use crate::lab::host::frame::{self, Segment};
use crate::lab::host::packet::{FRAME_LIMIT, packet_socket};
use crate::lab::host::responder::{self, Responder};
use crate::lab::wire::Manner;
use rustix::net::{self, RecvFlags, SendFlags};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A running phantom; it ends with the process.
pub(super) struct Phantom {
    socket: Arc<OwnedFd>,
    responder: Arc<Mutex<Responder>>,
}

impl Phantom {
    /// Returns once its socket receives.
    pub(super) fn start(device: &str, manner: Manner) -> io::Result<Self> {
        let socket = Arc::new(packet_socket(device)?);
        let responder = Arc::new(Mutex::new(Responder::new(manner)));
        if manner != Manner::Silent {
            let (socket, responder) = (Arc::clone(&socket), Arc::clone(&responder));
            thread::spawn(move || answer_frames(&socket, &responder));
        }
        Ok(Self { socket, responder })
    }

    /// Resets every connection from its peer's point of view.
    pub(super) fn reset(&self) -> io::Result<()> {
        let resets = self.responder().reset_all();
        self.send_all(&resets)
    }

    /// Sends a segment far ahead of the window on every connection.
    pub(super) fn forge(&self) -> io::Result<()> {
        let forged = self.responder().forge_all();
        self.send_all(&forged)
    }

    /// Answers nothing more to this port.
    pub(super) fn ignore(&self, port: u16) {
        self.responder().ignore(port);
    }

    fn responder(&self) -> MutexGuard<'_, Responder> {
        self.responder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_all(&self, segments: &[([u8; 6], Segment)]) -> io::Result<()> {
        segments
            .iter()
            .try_for_each(|(hardware, segment)| send(&self.socket, *hardware, segment))
    }

    /// Connects, and resets as soon as it is connected.
    pub(super) fn probe(&self, hardware: [u8; 6], from: SocketAddr, to: SocketAddr) -> io::Result<()> {
        send(&self.socket, hardware, &responder::probe(from, to))
    }
}

fn answer_frames(socket: &OwnedFd, responder: &Mutex<Responder>) -> io::Result<()> {
    let mut buffer = vec![0; FRAME_LIMIT];
    loop {
        let (length, _) = net::recv(socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        let Some((from, segment)) = buffer.get(..length).and_then(frame::parse) else {
            continue;
        };
        let answers = responder
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .handle(from, segment);
        answers.iter().try_for_each(|answer| send(socket, from, answer))?;
    }
}

fn send(socket: &OwnedFd, to: [u8; 6], segment: &Segment) -> io::Result<()> {
    net::send(socket, &frame::build(to, segment)?, SendFlags::empty())?;
    Ok(())
}
