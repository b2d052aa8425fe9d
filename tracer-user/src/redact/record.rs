//! A record without what is to be hidden.

use super::{Redact, Redactor};
use crate::model::event::Event;
use crate::model::finding::Finding;
use crate::model::inquiry::{Answer, Inquiry};
use crate::model::translation::Port;
use crate::sink::{Hello, Hook, Record};

/// To be pushed in the place of the record that it was made of.
#[derive(Debug)]
pub enum Redacted<'a> {
    /// Nothing in it tells of addresses or comments.
    Same(Record<'a>),
    Hello(Box<Hello>),
    Event(Box<Event>),
    Inquiry(Box<Inquiry>),
    Answer(Box<Answer>),
    Finding(Box<Finding>),
    Port(Box<Port>),
}

impl Redacted<'_> {
    pub fn record(&self) -> Record<'_> {
        match self {
            Self::Same(record) => *record,
            Self::Hello(hello) => Record::Hello(hello),
            Self::Event(event) => Record::Event(event),
            Self::Inquiry(inquiry) => Record::Inquiry(inquiry),
            Self::Answer(answer) => Record::Answer(answer),
            Self::Finding(finding) => Record::Finding(finding),
            Self::Port(port) => Record::Port(port),
        }
    }
}

impl Redactor {
    pub fn record<'a>(&self, record: Record<'a>) -> Redacted<'a> {
        match record {
            Record::Hello(hello) => Redacted::Hello(Box::new(self.copy(hello))),
            Record::Event(event) => Redacted::Event(Box::new(self.copy(event))),
            Record::Inquiry(inquiry) => Redacted::Inquiry(Box::new(self.copy(inquiry))),
            Record::Answer(answer) => Redacted::Answer(Box::new(self.copy(answer))),
            Record::Finding(finding) => Redacted::Finding(Box::new(self.copy(finding))),
            Record::Port(port) => Redacted::Port(Box::new(self.copy(port))),
            Record::Deadline(_) | Record::Stats(_) | Record::Loss(_) | Record::Summary(_) => Redacted::Same(record),
        }
    }

    /// In its place.
    pub fn port(&self, port: &mut Port) {
        port.redact(self);
    }

    fn copy<T: Clone + Redact>(&self, original: &T) -> T {
        let mut copy = original.clone();
        copy.redact(self);
        copy
    }
}

impl Redact for Hello {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            at: _,
            session: _,
            boot_id: _,
            part: _,
            host,
            kernel: _,
            architecture: _,
            version: _,
            options,
            hooks,
        } = self;
        host.redact(by);
        for value in options.values_mut() {
            value.redact(by);
        }
        for Hook {
            name: _,
            how: _,
            reason,
            weakens: _,
        } in hooks
        {
            reason.redact(by);
        }
    }
}
