//! A small TCP that answers lines with `echo:` and the line; without I/O.
//!
//! It retransmits nothing and keeps no window; like a kernel it resets what belongs to no connection.

use crate::lab::host::frame::{Flags, Segment, WINDOW};
use crate::lab::wire::Manner;
use std::collections::{HashMap, HashSet};
use std::mem;
use std::net::SocketAddr;

pub(super) struct Responder {
    /// What it acknowledges data with.
    window: u16,
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
    /// Ports that nothing is answered to.
    deaf: HashSet<u16>,
}

struct Flow {
    hardware: [u8; 6],
    next_sent: u32,
    next_expected: u32,
    line: Vec<u8>,
}

impl Responder {
    pub(super) fn new(manner: Manner) -> Self {
        let window = if manner == Manner::ShutsWindow { 0 } else { WINDOW };
        Self {
            window,
            flows: HashMap::new(),
            deaf: HashSet::new(),
        }
    }

    pub(super) fn handle(&mut self, hardware: [u8; 6], segment: Segment) -> Vec<Segment> {
        let key = (segment.destination, segment.source);
        if self.deaf.contains(&segment.destination.port()) {
            return Vec::new();
        }
        if segment.flags.rst {
            self.flows.remove(&key);
            return Vec::new();
        }
        if segment.flags.syn && segment.flags.ack {
            return establish_and_reset(key, &segment);
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
        flow.take(key, segment, self.window)
    }

    pub(super) fn ignore(&mut self, port: u16) {
        self.deaf.insert(port);
    }

    /// An acknowledgement of each flow that is far ahead of what was sent, as a segment that took a long way may be.
    pub(super) fn forge_all(&self) -> Vec<([u8; 6], Segment)> {
        let flags = Flags {
            ack: true,
            ..Flags::default()
        };
        let forge = |(&key, flow): (&(SocketAddr, SocketAddr), &Flow)| {
            let ahead = flow.next_sent.wrapping_add(FAR_AHEAD);
            (flow.hardware, make(key, ahead, flow.next_expected, flags))
        };
        self.flows.iter().map(forge).collect()
    }

    pub(super) fn reset_all(&mut self) -> Vec<([u8; 6], Segment)> {
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
    fn take(&mut self, key: (SocketAddr, SocketAddr), segment: Segment, window: u16) -> Vec<Segment> {
        let acknowledge = Flags {
            ack: true,
            ..Flags::default()
        };
        // An old one without data asks for the window, or whether anybody is there.
        if segment.payload.is_empty() && segment.sequence == self.next_expected {
            return Vec::new();
        }
        let mut answer = make(key, self.next_sent, 0, acknowledge);
        answer.window = window;
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

/// A SYN; whoever answers it is reset by [`Responder::handle`] once the connection is established.
pub(super) fn probe(from: SocketAddr, to: SocketAddr) -> Segment {
    let syn = Flags {
        syn: true,
        ..Flags::default()
    };
    make((from, to), FIRST_SEQUENCE, 0, syn)
}

fn make((source, destination): (SocketAddr, SocketAddr), sequence: u32, acknowledgment: u32, flags: Flags) -> Segment {
    Segment {
        source,
        destination,
        sequence,
        acknowledgment,
        flags,
        window: WINDOW,
        payload: Vec::new(),
    }
}

/// As a load balancer's health check does: it wanted to know no more than that somebody accepts.
fn establish_and_reset(key: (SocketAddr, SocketAddr), accepted: &Segment) -> Vec<Segment> {
    let acknowledge = Flags {
        ack: true,
        ..Flags::default()
    };
    let reset = Flags {
        rst: true,
        ..acknowledge
    };
    let end = accepted.sequence.wrapping_add(1);
    [acknowledge, reset]
        .map(|flags| make(key, accepted.acknowledgment, end, flags))
        .into()
}

const FIRST_SEQUENCE: u32 = 1_000_000;
const FAR_AHEAD: u32 = 0x1000_0000;

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
            window: WINDOW,
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
        let mut responder = Responder::new(Manner::Echo);
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
        let answers = Responder::new(Manner::Echo).handle([0; 6], from_client(11, 77, ACK, b"hi\n"));
        assert!(answers[0].flags.rst);
        assert_eq!(answers[0].sequence, 77);
    }

    #[test]
    fn a_shut_window_takes_data_and_says_so_whenever_it_is_asked() {
        let mut responder = Responder::new(Manner::ShutsWindow);
        assert!(responder.handle([0; 6], from_client(10, 0, SYN, b""))[0].window > 0);
        let answered = responder.handle([0; 6], from_client(11, FIRST_SEQUENCE + 1, ACK, b"hi\n"));
        assert_eq!((answered[0].window, answered[0].acknowledgment), (0, 14));
        let probed = responder.handle([0; 6], from_client(13, FIRST_SEQUENCE + 9, ACK, b""));
        assert_eq!((probed[0].window, probed[0].acknowledgment), (0, 14));
    }

    #[test]
    fn a_probe_establishes_and_resets() {
        let mut responder = Responder::new(Manner::Echo);
        let (from, to) = ("10.77.0.3:50001".parse().unwrap(), "10.77.0.2:9000".parse().unwrap());
        let syn = probe(from, to);
        assert!(syn.flags.syn && !syn.flags.ack);
        let mut accepted = from_client(77, syn.sequence + 1, Flags { ack: true, ..SYN }, b"");
        (accepted.source, accepted.destination) = (to, from);
        let answers = responder.handle([0; 6], accepted);
        assert!(!answers[0].flags.rst && answers[1].flags.rst);
        assert_eq!((answers[1].sequence, answers[1].acknowledgment), (syn.sequence + 1, 78));
    }

    #[test]
    fn a_forged_segment_is_out_of_any_window_and_a_deaf_port_is_silent() {
        let mut responder = Responder::new(Manner::Echo);
        responder.handle([7; 6], from_client(10, 0, SYN, b""));
        let forged = responder.forge_all();
        assert_eq!(forged[0].1.sequence, FIRST_SEQUENCE + 1 + FAR_AHEAD);
        assert_eq!(forged[0].1.acknowledgment, 11);
        responder.ignore(9000);
        assert!(responder.handle([7; 6], from_client(11, 0, ACK, b"hi\n")).is_empty());
    }

    #[test]
    fn resets_reach_every_connection_once() {
        let mut responder = Responder::new(Manner::Echo);
        responder.handle([7; 6], from_client(10, 0, SYN, b""));
        let resets = responder.reset_all();
        assert_eq!(resets.len(), 1);
        assert_eq!((resets[0].0, resets[0].1.sequence), ([7; 6], FIRST_SEQUENCE + 1));
        assert!(responder.reset_all().is_empty());
    }
}
