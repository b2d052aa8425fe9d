//! Lines of the events that every connection makes, written straight out: nearly all lines are.
//!
//! The wire types say what such a line is; a test holds every byte of it to them.

use crate::model::event::{Event, EventKind};
use crate::model::identity::{Comm, Netns, Owner};
use crate::model::tuple::{Endpoint, Tuple};
use crate::sink::clock::Clock;
use crate::sink::jsont::{EventName, Name, Spell, Stamp, digits};
use serde::Serialize;
use std::io::Write as _;
use std::mem;
use std::net::{IpAddr, Ipv4Addr};

/// Appends the line of an ordinary event to `out`; false: it is another one, or long, and nothing is appended.
pub(super) fn append(event: &Event, clock: Clock, seq: u64, session: Option<&str>, out: &mut Vec<u8>) -> bool {
    let errno = match event.kind {
        EventKind::Connect | EventKind::Established => 0,
        EventKind::Failed { errno } | EventKind::Closed { errno } => errno,
        EventKind::Retransmit(_)
        | EventKind::RstSent(_)
        | EventKind::RstReceived { .. }
        | EventKind::Destroyed(_)
        | EventKind::Drop(_)
        | EventKind::Conntrack(_) => return false,
    };
    let Some(time) = Stamp::of(clock.wall(event.at)) else {
        return false;
    };
    let start = out.len();
    out.resize(start + ROOM, 0);
    let mut line = Line {
        rest: out.get_mut(start..).unwrap_or_default(),
    };
    line.put(br#"{"v":1,"type":"event","time":""#).put(time.bytes());
    line.put(br#"","mono":""#).number(event.at.as_nanos());
    line.put(br#"","seq":"#).number(seq);
    if let Some(session) = session {
        line.put(br#","session":"#).quoted(session.as_bytes(), &session);
    }
    line.put(br#","event":""#)
        .put(EventName::of(&event.kind).spell().as_bytes());
    line.put(br#"","cpu":"#).number(event.cpu);
    line.put(br#","connection":{"#).connection(event).put(b"}");
    if let Some(owner) = &event.owner {
        line.owner(owner);
    }
    if errno != 0 {
        line.put(br#","errno":"#).number(errno);
    }
    line.put(b"}\n");
    let left = line.rest.len();
    out.truncate(if left > 0 { start + ROOM - left } else { start });
    left > 0
}

/// A line as it is written.
struct Line<'a> {
    /// Where it goes on; empty once something did not fit.
    rest: &'a mut [u8],
}

impl Line<'_> {
    fn connection(&mut self, event: &Event) -> &mut Self {
        if let Some(socket) = event.socket {
            self.put(br#""socket":""#).number(socket.get()).put(br#"","#);
        }
        if let Some(tuple) = event.tuple {
            self.tuple(tuple);
        }
        self.netns(event.netns);
        if let Some(owner) = &event.owner {
            self.put(br#","started":""#)
                .number(owner.started.as_nanos())
                .put(br#"""#);
            if event.kind == EventKind::Established {
                let latency = event.at.as_nanos().saturating_sub(owner.started.as_nanos());
                self.put(br#","latency_us":"#).number(latency / 1_000);
            }
        }
        self
    }

    fn tuple(&mut self, tuple: Tuple) {
        let Tuple { source, destination } = tuple;
        self.put(br#""source":{"address":""#).endpoint(source);
        self.put(br#","destination":{"address":""#).endpoint(destination);
        let network = match destination.address.to_canonical() {
            IpAddr::V4(_) => br#","network":{"type":"ipv4"},"#,
            IpAddr::V6(_) => br#","network":{"type":"ipv6"},"#,
        };
        self.put(network);
    }

    fn endpoint(&mut self, endpoint: Endpoint) {
        match endpoint.address.to_canonical() {
            IpAddr::V4(address) => self.ipv4(address),
            IpAddr::V6(address) => {
                if write!(self.rest, "{address}").is_err() {
                    self.rest = &mut [];
                }
            }
        }
        if endpoint.port == 0 {
            self.put(br#""}"#);
        } else {
            self.put(br#"","port":"#).number(endpoint.port).put(b"}");
        }
    }

    fn netns(&mut self, netns: Netns) {
        let Netns { cookie, inode } = netns;
        self.put(br#""netns":{"#);
        if inode != 0 {
            self.put(br#""inode":"#).number(inode);
        }
        if cookie != 0 {
            let key = if inode == 0 {
                &br#""cookie":""#[..]
            } else {
                br#","cookie":""#
            };
            self.put(key).number(cookie).put(br#"""#);
        }
        self.put(b"}");
    }

    fn owner(&mut self, owner: &Owner) {
        self.put(br#","process":{"pid":"#).number(owner.pid);
        self.put(br#","user":{"id":"#).number(owner.uid).put(b"}");
        if owner.comm != Comm::default() {
            self.put(br#","executable":{"name":"#);
            self.quoted(owner.comm.as_bytes(), &Name(owner.comm)).put(b"}");
        }
        if owner.cgroup != 0 {
            self.put(br#","cgroup_id":""#).number(owner.cgroup).put(br#"""#);
        }
        self.put(br#"},"thread":{"id":"#).number(owner.tid).put(b"}");
    }

    fn ipv4(&mut self, address: Ipv4Addr) {
        let mut text = [0; 16];
        let mut end = 0;
        for octet in address.octets() {
            let (digits, length) = OCTETS[usize::from(octet)];
            text[end..end + 4].copy_from_slice(&digits);
            end += length;
        }
        self.put(&text[..end - 1]);
    }

    #[inline]
    fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        let number = number.into();
        if let Some(room) = self.take(digits::count(number)) {
            digits::put(number, room);
        }
        self
    }

    /// A string; `value` is the same, where it has to be escaped.
    fn quoted(&mut self, text: &[u8], value: &impl Serialize) -> &mut Self {
        let is_plain = |byte: u8| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
        // No end at the first one: so it is done for many bytes at a time.
        if text.iter().fold(true, |plain, byte| plain & is_plain(*byte)) {
            return self.put(b"\"").put(text).put(b"\"");
        }
        if serde_json::to_writer(&mut self.rest, value).is_err() {
            self.rest = &mut [];
        }
        self
    }

    #[inline]
    fn put(&mut self, text: &[u8]) -> &mut Self {
        if let Some(room) = self.take(text.len()) {
            room.copy_from_slice(text);
        }
        self
    }

    /// The place of the next `length` bytes, if there is room.
    #[inline]
    fn take(&mut self, length: usize) -> Option<&mut [u8]> {
        let (place, rest) = mem::take(&mut self.rest).split_at_mut_checked(length)?;
        self.rest = rest;
        Some(place)
    }
}

/// Bytes that a line has. Only its session can be longer than that.
const ROOM: usize = 1024;
/// The digits of each octet with the dot behind them, and how much that is.
static OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut digits = *b"000";
    let mut octet = 0;
    while octet < octets.len() {
        octets[octet] = match digits {
            [b'0', b'0', ones] => ([ones, b'.', 0, 0], 2),
            [b'0', tens, ones] => ([tens, ones, b'.', 0], 3),
            [hundreds, tens, ones] => ([hundreds, tens, ones, b'.'], 4),
        };
        digits = match digits {
            [hundreds, b'9', b'9'] => [hundreds + 1, b'0', b'0'],
            [hundreds, tens, b'9'] => [hundreds, tens + 1, b'0'],
            [hundreds, tens, ones] => [hundreds, tens, ones + 1],
        };
        octet += 1;
    }
    octets
};
