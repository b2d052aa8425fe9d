//! Events, and what they share with answers: ends, packets, entries, processes.

use super::{Redact, Redactor};
use crate::model::conntrack::Conntrack;
use crate::model::event::{ConntrackChange, Destroyed, Dropped, Event, EventKind, Packet, RstSent};
use crate::model::identity::{Comm, Owner, Process};
use crate::model::tuple::{Endpoint, Tuple};

impl Redact for Event {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            at: _,
            cpu: _,
            netns: _,
            socket: _,
            tuple,
            owner,
            kind,
        } = self;
        tuple.redact(by);
        owner.redact(by);
        kind.redact(by);
    }
}

impl Redact for EventKind {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::Connect
            | Self::Established
            | Self::Failed { errno: _ }
            | Self::Closed { errno: _ }
            | Self::Retransmit(_)
            | Self::RstReceived { state: _ } => {}
            Self::RstSent(sent) => sent.redact(by),
            Self::Destroyed(destroyed) => destroyed.redact(by),
            Self::Drop(dropped) => dropped.redact(by),
            Self::Conntrack(change) => change.redact(by),
        }
    }
}

impl Redact for RstSent {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            maker: _,
            reason: _,
            active: _,
            state: _,
            packet,
        } = self;
        packet.redact(by);
    }
}

impl Redact for Destroyed {
    fn redact(&mut self, by: &Redactor) {
        let Self { state: _, by: process } = self;
        process.redact(by);
    }
}

impl Redact for Dropped {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            reason: _,
            location: _,
            state: _,
            packet,
        } = self;
        packet.redact(by);
    }
}

impl Redact for ConntrackChange {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            change: _,
            entry,
            by: process,
        } = self;
        entry.redact(by);
        process.redact(by);
    }
}

impl Redact for Packet {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            tuple,
            mark: _,
            ifindex: _,
            tcp_flags: _,
            sequence: _,
            acknowledgement: _,
            conntrack,
        } = self;
        tuple.redact(by);
        conntrack.redact(by);
    }
}

impl Redact for Conntrack {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            original,
            reply,
            status: _,
            state: _,
            mark: _,
            zone: _,
            id: _,
        } = self;
        original.redact(by);
        reply.redact(by);
    }
}

impl Redact for Tuple {
    fn redact(&mut self, by: &Redactor) {
        let Self { source, destination } = self;
        source.redact(by);
        destination.redact(by);
    }
}

impl Redact for Endpoint {
    fn redact(&mut self, by: &Redactor) {
        let Self { address, port: _ } = self;
        address.redact(by);
    }
}

impl Redact for Owner {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            started: _,
            pid: _,
            tid: _,
            uid: _,
            cgroup: _,
            comm,
        } = self;
        comm.redact(by);
    }
}

impl Redact for Process {
    fn redact(&mut self, by: &Redactor) {
        let Self { pid: _, comm } = self;
        comm.redact(by);
    }
}

impl Redact for Comm {
    fn redact(&mut self, by: &Redactor) {
        let name = String::from_utf8_lossy(self.as_bytes());
        if let Some(name) = by.text(&name) {
            *self = Self::new(name.as_bytes());
        }
    }
}
