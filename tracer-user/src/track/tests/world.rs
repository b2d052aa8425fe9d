//! A host with virtual time around a Tracker: events in, deadlines kept, inquiries answered by a function.

use crate::model::conntrack::Conntrack;
use crate::model::event::{Dropped, Event, EventKind, Packet, Retransmit, RstMaker, RstSent};
use crate::model::finding::{Finding, State};
use crate::model::identity::{Comm, Netns, Owner, SocketCookie};
use crate::model::inquiry::{Answer, Census, Examined, Inquiry, Listener, Question, Reply, SocketInfo};
use crate::model::reason::{DropReason, RstReason};
use crate::model::tcp::{self, ConntrackState, TcpState};
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};
use crate::track::{Config, Tracker};
use std::time::Duration;

pub(super) const POD: Netns = Netns {
    cookie: 11,
    inode: 0xf000_0011,
};
pub(super) const NODE: Netns = Netns {
    cookie: 12,
    inode: 0xf000_0012,
};
pub(super) const TWIN: Netns = Netns {
    cookie: 13,
    inode: 0xf000_0013,
};
pub(super) const PEER: Netns = Netns {
    cookie: 14,
    inode: 0xf000_0014,
};

pub(super) fn end(text: &str) -> Endpoint {
    let address: std::net::SocketAddr = text.parse().expect("an address and a port");
    address.into()
}

pub(super) fn tuple(source: &str, destination: &str) -> Tuple {
    Tuple::new(end(source), end(destination))
}

/// What the application connects to in most tests.
pub(super) fn connection() -> Tuple {
    tuple("10.77.0.2:40000", "10.77.0.3:9000")
}

/// Milliseconds since the world began.
pub(super) fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(1_000_000_000_000) + Duration::from_millis(millis)
}

pub(super) fn owner(started: u64) -> Owner {
    Owner {
        started: at(started),
        pid: 77,
        tid: 78,
        uid: 1000,
        cgroup: 5,
        comm: Comm::new(b"app"),
    }
}

/// An event of the application's socket in `POD`.
pub(super) fn event(millis: u64, kind: EventKind) -> Event {
    Event {
        at: at(millis),
        cpu: 0,
        netns: POD,
        socket: SocketCookie::new(500),
        tuple: Some(connection()),
        owner: Some(owner(0)),
        kind,
    }
}

pub(super) fn syn_retransmit(millis: u64, count: u32) -> Event {
    let state = Some(TcpState::SynSent);
    event(
        millis,
        EventKind::Retransmit(Retransmit {
            state,
            retransmits: count,
            unacked: 1,
            rto: None,
        }),
    )
}

pub(super) fn retransmit(millis: u64, count: u32) -> Event {
    let rto = Some(Duration::from_millis(200 << (count - 1)));
    let state = Some(TcpState::Established);
    event(
        millis,
        EventKind::Retransmit(Retransmit {
            state,
            retransmits: count,
            unacked: 9,
            rto,
        }),
    )
}

pub(super) fn failed(millis: u64, errno: u32) -> Event {
    event(millis, EventKind::Failed { errno })
}

pub(super) fn rst_received(millis: u64, state: TcpState) -> Event {
    event(millis, EventKind::RstReceived { state: Some(state) })
}

/// An entry that redirects the connection to a local port.
pub(super) fn redirected() -> Conntrack {
    entry(connection(), tuple("127.0.0.1:37673", "10.77.0.2:40000"))
}

pub(super) fn untranslated() -> Conntrack {
    entry(connection(), connection().inverted())
}

pub(super) fn entry(original: Tuple, reply: Tuple) -> Conntrack {
    Conntrack {
        original,
        reply,
        status: 0x120,
        state: Some(ConntrackState::SynSent),
        mark: 0,
        zone: 0,
        id: None,
    }
}

pub(super) fn packet(tuple: Tuple, ifindex: Option<u32>, conntrack: Option<Conntrack>) -> Packet {
    Packet {
        tuple,
        mark: 0,
        ifindex,
        tcp_flags: tcp::SYN,
        sequence: 1,
        acknowledgement: 0,
        conntrack,
    }
}

/// A drop of a packet that has no socket (input, forward).
pub(super) fn dropped(millis: u64, netns: Netns, reason: DropReason, packet: Packet) -> Event {
    let kind = EventKind::Drop(Dropped {
        reason,
        location: Some("nft_do_chain".into()),
        state: None,
        packet,
    });
    Event {
        netns,
        socket: None,
        tuple: None,
        owner: None,
        ..event(millis, kind)
    }
}

/// A drop on its way out of the application's socket.
pub(super) fn dropped_leaving(millis: u64) -> Event {
    let packet = packet(connection(), None, None);
    event(
        millis,
        EventKind::Drop(Dropped {
            reason: DropReason::Netfilter,
            location: None,
            state: Some(TcpState::SynSent),
            packet,
        }),
    )
}

/// A RST for a packet that met no socket.
pub(super) fn no_socket(millis: u64, netns: Netns, packet: Packet) -> Event {
    let kind = EventKind::RstSent(RstSent {
        maker: RstMaker::NoSocket,
        reason: Some(RstReason::NoSocket),
        active: false,
        state: None,
        packet: Some(packet),
    });
    Event {
        netns,
        socket: None,
        tuple: None,
        owner: None,
        ..event(millis, kind)
    }
}

/// A rule answers the packet with a RST.
pub(super) fn rejected(millis: u64, netns: Netns, packet: Packet) -> Event {
    let mut event = no_socket(millis, netns, packet);
    if let EventKind::RstSent(sent) = &mut event.kind {
        sent.maker = RstMaker::Netfilter;
        sent.reason = None;
    }
    event
}

pub(super) fn listener(address: &str, queue: u32, backlog: u32) -> Listener {
    Listener {
        address: end(address),
        queue,
        backlog,
        uid: 0,
        inode: 99,
        process: None,
    }
}

pub(super) fn socket(state: TcpState, retransmits: u8, unacked: u32) -> SocketInfo {
    SocketInfo {
        state: Some(state),
        receive_queue: 0,
        send_queue: 9,
        unacked: Some(unacked),
        retransmits,
        uid: 1000,
        inode: 42,
        process: None,
        sending: None,
    }
}

/// What a look at the connection finds where nothing is special: a socket that waits.
pub(super) fn waiting() -> Examined {
    Examined {
        conntrack: Some(untranslated()),
        socket: Some(socket(TcpState::SynSent, 2, 1)),
        target: connection().destination,
        target_is_local: false,
        listeners: Vec::new(),
        seen: Vec::new(),
    }
}

pub(super) fn is_connection(question: &Question) -> bool {
    matches!(question, Question::Connection { .. })
}

/// Answers an inquiry, or leaves it unanswered.
type Answerer = Box<dyn FnMut(&Inquiry) -> Option<Reply>>;

/// What events and sockets tell is tested without the rules.
pub(super) fn without_rules() -> Config {
    Config {
        walk: false,
        ..Config::default()
    }
}

pub(super) struct World {
    pub(super) tracker: Tracker,
    answer: Answerer,
    pub(super) findings: Vec<Finding>,
    pub(super) inquiries: Vec<Inquiry>,
}

impl World {
    /// Without sweeps; nothing special is found by looking.
    pub(super) fn new() -> Self {
        Self::answering(|inquiry| match inquiry.question {
            Question::Connection { .. } => Some(Reply::Connection(Box::new(waiting()))),
            Question::Link { .. } => Some(Reply::Link(None)),
            Question::Sweep => Some(Reply::Swept(Vec::new())),
            Question::Stalled => Some(Reply::Stalled(Census::default())),
            Question::Walk { .. } | Question::Who(_) => None,
        })
    }

    pub(super) fn answering(answer: impl FnMut(&Inquiry) -> Option<Reply> + 'static) -> Self {
        let config = Config {
            sweep: false,
            census: false,
            ..without_rules()
        };
        Self::with(config, answer)
    }

    pub(super) fn with(config: Config, answer: impl FnMut(&Inquiry) -> Option<Reply> + 'static) -> Self {
        let tracker = Tracker::new(config, at(0));
        Self {
            tracker,
            answer: Box::new(answer),
            findings: Vec::new(),
            inquiries: Vec::new(),
        }
    }

    /// The connection is found as `examined` says.
    pub(super) fn finding(examined: Examined) -> Self {
        Self::answering(move |inquiry| match inquiry.question {
            Question::Connection { .. } => Some(Reply::Connection(Box::new(examined.clone()))),
            Question::Link { .. } | Question::Sweep | Question::Stalled | Question::Walk { .. } | Question::Who(_) => {
                Some(Reply::Link(None))
            }
        })
    }

    pub(super) fn feed(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.tracker.handle_event(&event);
            self.drain(event.at);
        }
    }

    /// Keeps every deadline up to that time.
    pub(super) fn run_until(&mut self, millis: u64) {
        while let Some(next) = self.tracker.poll_timeout().filter(|next| *next <= at(millis)) {
            self.tracker.handle_timeout(next);
            self.drain(next);
        }
    }

    /// Lets the clock go on while nobody runs.
    pub(super) fn stand_still_until(&mut self, millis: u64) {
        self.tracker.handle_timeout(at(millis));
        self.drain(at(millis));
    }

    /// Each event at its time, with the deadlines between; then on until `millis`.
    pub(super) fn play(&mut self, events: Vec<Event>, millis: u64) {
        for event in events {
            while let Some(next) = self.tracker.poll_timeout().filter(|next| *next <= event.at) {
                self.tracker.handle_timeout(next);
                self.drain(next);
            }
            self.feed([event]);
        }
        self.run_until(millis);
    }

    fn drain(&mut self, now: Timestamp) {
        while let Some(inquiry) = self.tracker.poll_inquiry() {
            if let Some(reply) = (self.answer)(&inquiry) {
                let enter = Some("/run/netns/pod".into());
                self.tracker.handle_answer(Answer {
                    id: inquiry.id,
                    at: now,
                    enter,
                    reply,
                });
            }
            self.inquiries.push(inquiry);
        }
        while let Some(finding) = self.tracker.poll_finding() {
            self.findings.push(finding);
        }
    }

    /// Answers what was left unanswered.
    pub(super) fn answer(&mut self, inquiry: &Inquiry, millis: u64, reply: Reply) {
        self.tracker.handle_answer(Answer {
            id: inquiry.id,
            at: at(millis),
            enter: None,
            reply,
        });
        self.drain(at(millis));
    }

    pub(super) fn finish(&mut self, millis: u64) {
        self.tracker.finish(at(millis));
        self.drain(at(millis));
    }

    /// The only finding, in its last revision.
    pub(super) fn only(&self) -> &Finding {
        let last = self.findings.last().expect("a finding");
        assert!(
            self.findings.iter().all(|finding| finding.id == last.id),
            "one finding: {:#?}",
            self.findings
        );
        last
    }

    pub(super) fn states(&self) -> Vec<State> {
        self.findings.iter().map(|finding| finding.state).collect()
    }
}
