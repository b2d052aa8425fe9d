//! Findings and their evidence; the words that are made of these later tell nothing else.

use super::{Redact, Redactor};
use crate::model::evidence::{Evidence, Passage};
use crate::model::finding::{Connection, Culprit, Finding};
use crate::model::inspected::{ChainName, Inspected};

impl Redact for Finding {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            id: _,
            revision: _,
            at: _,
            cause: _,
            state: _,
            supersedes: _,
            severity: _,
            confidence: _,
            connection,
            count: _,
            hanging: _,
            unexamined: _,
            lost: _,
            examples,
            victims,
            culprits,
            evidence,
            considered: _,
            names,
            first: _,
            last: _,
        } = self;
        connection.redact(by);
        examples.redact(by);
        victims.redact(by);
        culprits.redact(by);
        evidence.redact(by);
        names.redact(by);
    }
}

impl Redact for Connection {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            id: _,
            tuple,
            translated,
            way: _,
            netns: _,
            enter,
            owner,
            holder,
            state: _,
            started: _,
            ended: _,
            syn_retransmits: _,
            retransmits: _,
            unacked: _,
        } = self;
        tuple.redact(by);
        translated.redact(by);
        enter.redact(by);
        owner.redact(by);
        holder.redact(by);
    }
}

impl Redact for Culprit {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::Rule {
                netns: _,
                enter,
                rule,
                role: _,
                evidence: _,
            } => {
                enter.redact(by);
                rule.redact(by);
            }
            Self::ConntrackEntry(entry) => entry.redact(by),
            Self::Listener(listener) => listener.redact(by),
            Self::Sysctl {
                netns: _,
                enter,
                setting,
            } => {
                enter.redact(by);
                setting.redact(by);
            }
            Self::Process(process) => process.redact(by),
            Self::Peer { endpoint, maker: _ } => endpoint.redact(by),
        }
    }
}

impl Redact for Evidence {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::Drop { packet, conntrack, .. } => {
                packet.redact(by);
                conntrack.redact(by);
            }
            Self::RstSent { packet, .. } => packet.redact(by),
            Self::Destroyed { by: process, .. } => process.redact(by),
            Self::Conntrack { entry, .. } => entry.redact(by),
            Self::ConntrackDeleted { entry, by: process, .. } => {
                entry.redact(by);
                process.redact(by);
            }
            Self::NoListener { endpoint, .. } => endpoint.redact(by),
            Self::Listener { listener, .. } => listener.redact(by),
            Self::Socket { socket, .. } => socket.redact(by),
            Self::NotAccepted { tuple, .. } => tuple.redact(by),
            Self::RulesWalked { passage, .. } => passage.redact(by),
            Self::Inspected { enter, what, .. } => {
                enter.redact(by);
                what.redact(by);
            }
            Self::RepeatedJump { first, second, .. } => {
                first.redact(by);
                second.redact(by);
            }
            Self::Aspect { seen, .. } => seen.redact(by),
            Self::RulesNotRead { why, .. } | Self::NotExamined { why, .. } => why.redact(by),
            Self::RstReceived { .. }
            | Self::Errno { .. }
            | Self::Retransmits { .. }
            | Self::NoConntrack { .. }
            | Self::GaveUp { .. }
            | Self::ResetsRecur { .. }
            | Self::MarkSetter { .. }
            | Self::Expiry { .. } => {}
        }
    }
}

impl Redact for Passage {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            generation: _,
            rules: _,
            changed: _,
            packet,
            end: _,
            agrees: _,
            certain: _,
            caveats,
        } = self;
        packet.redact(by);
        caveats.redact(by);
    }
}

impl Redact for Inspected {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::NoAgent { chains, .. } => chains.redact(by),
            Self::Unguarded { address, port: _ } => address.redact(by),
            Self::Redirect { .. }
            | Self::Bits { .. }
            | Self::BackEnds { .. }
            | Self::Led { .. }
            | Self::Tracking { .. } => {}
        }
    }
}

impl Redact for ChainName {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            backend: _,
            family: _,
            table,
            chain,
        } = self;
        table.redact(by);
        chain.redact(by);
    }
}
