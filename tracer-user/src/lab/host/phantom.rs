//! A TCP peer without a kernel: answers raw frames on a device that has no address.
//!
//! It retransmits nothing and keeps no window; like a kernel it resets what belongs to no connection.

use crate::lab::host::frame::{self, Flags, Segment};
use crate::lab::wire::Manner;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::collections::HashMap;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
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
        let mut responder = self.responder.lock().unwrap_or_else(PoisonError::into_inner);
        responder
            .reset_all()
            .iter()
            .try_for_each(|(hardware, reset)| send(&self.socket, *hardware, reset))
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

/// The TCP in it, without I/O.
#[derive(Default)]
struct Responder {
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
}

struct Flow {
    hardware: [u8; 6],
    next_sent: u32,
    next_expected: u32,
    line: Vec<u8>,
}

impl Responder {
    fn handle(&mut self, hardware: [u8; 6], segment: Segment) -> Vec<Segment> {
        let key = (segment.destination, segment.source);
        if segment.flags.rst {
            self.flows.remove(&key);
            return Vec::new();
        }
        if segment.flags.syn {
            let next_expected = segment.sequence.wrapping_add(1);
            let flow = Flow {
                hardware,
                next_sent: FIRST_SEQUENCE.wrapping_add(1),
                next_expected,
                line: Vec::new(),
            };
            let flags = Flags {
                syn: true,
                ack: true,
                ..Flags::default()
            };
            self.flows.insert(key, flow);
            return vec![make(key, FIRST_SEQUENCE, next_expected, flags)];
        }
        let Some(flow) = self.flows.get_mut(&key) else {
            let flags = Flags {
                rst: true,
                ..Flags::default()
            };
            return vec![make(key, segment.acknowledgment, 0, flags)];
        };
        if segment.flags.fin {
            let end = segment.sequence.wrapping_add(1);
            let flags = Flags {
                fin: true,
                ack: true,
                ..Flags::default()
            };
            let last = make(key, flow.next_sent, end, flags);
            self.flows.remove(&key);
            return vec![last];
        }
        flow.take(key, segment)
    }

    fn reset_all(&mut self) -> Vec<([u8; 6], Segment)> {
        let flags = Flags {
            rst: true,
            ack: true,
            ..Flags::default()
        };
        let reset = |(key, flow): ((SocketAddr, SocketAddr), Flow)| {
            (flow.hardware, make(key, flow.next_sent, flow.next_expected, flags))
        };
        mem::take(&mut self.flows).into_iter().map(reset).collect()
    }
}

impl Flow {
    /// Answers whole lines, acknowledges what is new, acknowledges again what is not.
    fn take(&mut self, key: (SocketAddr, SocketAddr), segment: Segment) -> Vec<Segment> {
        let acknowledge = Flags {
            ack: true,
            ..Flags::default()
        };
        if segment.payload.is_empty() {
            return Vec::new();
        }
        let mut answer = make(key, self.next_sent, 0, acknowledge);
        if segment.sequence == self.next_expected {
            let length = u32::try_from(segment.payload.len()).unwrap_or_default();
            self.next_expected = self.next_expected.wrapping_add(length);
            self.line.extend(segment.payload);
            if self.line.ends_with(b"\n") {
                answer.payload = [b"echo:".as_slice(), &mem::take(&mut self.line)].concat();
                let length = u32::try_from(answer.payload.len()).unwrap_or_default();
                self.next_sent = self.next_sent.wrapping_add(length);
            }
        }
        answer.acknowledgment = self.next_expected;
        vec![answer]
    }
}

fn make((source, destination): (SocketAddr, SocketAddr), sequence: u32, acknowledgment: u32, flags: Flags) -> Segment {
    Segment {
        source,
        destination,
        sequence,
        acknowledgment,
        flags,
        payload: Vec::new(),
    }
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

const FIRST_SEQUENCE: u32 = 1_000_000;
/// A veth passes segments of up to 64 KiB before they are cut.
const FRAME_LIMIT: usize = 1 << 17;

#[cfg(test)]
mod tests {
    use super::*;

    fn from_client(sequence: u32, acknowledgment: u32, flags: Flags, payload: &[u8]) -> Segment {
        Segment {
            source: "10.77.0.2:40001".parse().unwrap(),
            destination: "10.77.0.3:9000".parse().unwrap(),
            sequence,
            acknowledgment,
            flags,
            payload: payload.to_vec(),
        }
    }

    const SYN: Flags = Flags {
        syn: true,
        ack: false,
        fin: false,
        rst: false,
    };
    const ACK: Flags = Flags {
        syn: false,
        ack: true,
        fin: false,
        rst: false,
    };

    #[test]
    fn a_connection_is_opened_answered_and_closed() {
        let mut responder = Responder::default();
        let opened = responder.handle([0; 6], from_client(10, 0, SYN, b""));
        assert!(opened[0].flags.syn && opened[0].flags.ack);
        assert_eq!(opened[0].acknowledgment, 11);

        let answered = responder.handle([0; 6], from_client(11, FIRST_SEQUENCE + 1, ACK, b"hi\n"));
        assert_eq!(answered[0].payload, b"echo:hi\n");
        assert_eq!(
            (answered[0].sequence, answered[0].acknowledgment),
            (FIRST_SEQUENCE + 1, 14)
        );

        let again = responder.handle([0; 6], from_client(11, FIRST_SEQUENCE + 1, ACK, b"hi\n"));
        assert_eq!((again[0].payload.len(), again[0].acknowledgment), (0, 14));

        let fin = Flags { fin: true, ..ACK };
        let closed = responder.handle([0; 6], from_client(14, FIRST_SEQUENCE + 9, fin, b""));
        assert!(closed[0].flags.fin);
        assert_eq!(closed[0].acknowledgment, 15);
    }

    #[test]
    fn a_segment_of_no_connection_is_reset() {
        let answers = Responder::default().handle([0; 6], from_client(11, 77, ACK, b"hi\n"));
        assert!(answers[0].flags.rst);
        assert_eq!(answers[0].sequence, 77);
    }

    #[test]
    fn resets_reach_every_connection_once() {
        let mut responder = Responder::default();
        responder.handle([7; 6], from_client(10, 0, SYN, b""));
        let resets = responder.reset_all();
        assert_eq!(resets.len(), 1);
        assert_eq!((resets[0].0, resets[0].1.sequence), ([7; 6], FIRST_SEQUENCE + 1));
        assert!(responder.reset_all().is_empty());
    }
}
