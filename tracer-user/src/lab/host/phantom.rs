//! A TCP peer without a kernel: answers raw frames on a device that has no address.
//!
//! Only the frames and the socket; what it answers is in `responder`.

use crate::lab::host::frame::{self, Segment};
use crate::lab::host::responder::Responder;
use crate::lab::wire::Manner;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
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
        let responder = Arc::new(Mutex::new(Responder::default()));
        if manner == Manner::Echo {
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

/// A socket that sees all frames of `device` and sends on it.
fn packet_socket(device: &str) -> io::Result<OwnedFd> {
    let socket = net::socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let index = net::netdevice::name_to_index(&socket, device)?;
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?,
        sll_protocol: u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?.to_be(),
        sll_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = libc::socklen_t::try_from(size_of_val(&address)).map_err(io::Error::other)?;
    // SAFETY: the pointer and length are those of a whole `sockaddr_ll`, which outlives the call.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if bound == 0 {
        Ok(socket)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A veth passes segments of up to 64 KiB before they are cut.
const FRAME_LIMIT: usize = 1 << 17;
