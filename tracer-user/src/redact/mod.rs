//! Addresses and comments taken out of records, before any output has them.
//!
//! **Addresses** become pseudonyms that stay the same within a session: of the same family and kind (private, link-local,
//! multicast), equal where the addresses are, and with as many leading bits in common. Loopback, the unspecified address,
//! IPv4's broadcast and all ports stay. The key is made anew for each [`Redactor`] and is nowhere written, so that two
//! sessions' pseudonyms cannot be matched. What prefixes of the same length tell of each other stays visible: whoever
//! knows some of the addresses learns which others are near them. Free texts are searched for addresses: dotted, with
//! dashes as in `ip-10-0-0-1`, IPv6 in every spelling, MAC addresses; raw bytes that a rule compares are hidden.
//!
//! **Comments** of rules become `***`; that kube-proxy says "has no endpoints" in one is kept, and which service is not.
//!
//! What the Tracker decides by is kept, so a redacted recording replays into the same findings. Filters see the real
//! addresses. No cryptographer has looked at it: it keeps a recording that is handed on from telling a network's plan,
//! and is no anonymity for those who are watched.

mod address;
mod event;
mod finding;
mod inquiry;
mod port;
mod record;
mod rule;
mod rule_text;
#[cfg(test)]
mod tests;
mod text;
mod who;

pub use record::Redacted;

use crate::model::named::named;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;

named! {
    /// What can be taken out.
    Matter {
        Addresses = "addresses",
        Comments = "comments",
    }
}

/// Takes the chosen matters out of records.
#[derive(Debug)]
pub struct Redactor {
    addresses: bool,
    comments: bool,
    /// SipHash with 128 bits of chance.
    key: RandomState,
}

impl Redactor {
    /// `None`: nothing is to be taken out.
    pub fn new(matters: &[Matter]) -> Option<Self> {
        (!matters.is_empty()).then(|| Self {
            addresses: matters.contains(&Matter::Addresses),
            comments: matters.contains(&Matter::Comments),
            key: RandomState::new(),
        })
    }

    fn address(&self, address: IpAddr) -> IpAddr {
        if self.addresses {
            address::pseudonym(address, &self.key)
        } else {
            address
        }
    }

    fn range(&self, first: IpAddr, last: IpAddr) -> (IpAddr, IpAddr) {
        if self.addresses {
            address::range(first, last, &self.key)
        } else {
            (first, last)
        }
    }

    /// `None`: there is nothing to be changed.
    fn text(&self, text: &str) -> Option<String> {
        self.addresses.then(|| text::replace(text, &self.key)).flatten()
    }
}

/// A part of a record that may tell what is to be taken out.
trait Redact {
    fn redact(&mut self, by: &Redactor);
}

impl<T: Redact> Redact for Option<T> {
    fn redact(&mut self, by: &Redactor) {
        if let Some(some) = self {
            some.redact(by);
        }
    }
}

impl<T: Redact> Redact for Vec<T> {
    fn redact(&mut self, by: &Redactor) {
        for item in self {
            item.redact(by);
        }
    }
}

impl<T: Redact> Redact for Box<T> {
    fn redact(&mut self, by: &Redactor) {
        (**self).redact(by);
    }
}

impl Redact for Arc<str> {
    fn redact(&mut self, by: &Redactor) {
        if let Some(text) = by.text(self) {
            *self = text.into();
        }
    }
}

impl Redact for String {
    fn redact(&mut self, by: &Redactor) {
        if let Some(text) = by.text(self) {
            *self = text;
        }
    }
}

impl Redact for IpAddr {
    fn redact(&mut self, by: &Redactor) {
        *self = by.address(*self);
    }
}
