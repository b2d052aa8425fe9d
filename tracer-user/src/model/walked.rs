//! Packets that are to be led through a namespace's rules, and what came of it.

use crate::model::aspect::Seen;
use crate::model::conntrack::Conntrack;
use crate::model::evidence::Place;
use crate::model::finding::RuleRole;
use crate::model::rules::{End, Located};
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};
use std::sync::Arc;

/// A packet as events told of it, or as it must have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traveller {
    /// When it met the rules.
    pub at: Timestamp,
    /// As it begins its way through the namespace, before any translation.
    pub tuple: Tuple,
    /// Where it was seen; where it begins follows from that and its device.
    pub place: Place,
    /// Its device where it was seen.
    pub ifindex: Option<u32>,
    pub tcp_flags: u8,
    /// `skb->mark` where it was seen.
    pub mark: Option<u32>,
    /// Of the socket that sends it.
    pub uid: Option<u32>,
    /// Its entry; of a `first` packet the one that came of it, which says where it was translated to.
    pub conntrack: Option<Conntrack>,
    /// The first packet of its connection: it meets the nat chains.
    pub first: bool,
    /// It did not get through.
    pub dropped: bool,
}

/// The way of each packet through the rules of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// nf_tables' generation; `None`: it could not be read.
    pub generation: Option<u32>,
    /// When the rules were read.
    pub read_at: Timestamp,
    /// Whether they changed between the packets and the reading; `None`: nothing was known of them before.
    pub changed: Option<bool>,
    /// How many rules there were.
    pub rules: u32,
    /// One for each packet that was asked for, in the same order.
    pub trails: Vec<Trail>,
    /// Rules that can set the connmark that was asked for, whatever packet they meet.
    pub setters: Vec<Located>,
    /// What was not read, and what leads packets around the rules, in words: with any of it a walk proves nothing.
    pub caveats: Vec<Arc<str>>,
    /// Of the aspects that were asked for.
    pub seen: Vec<Seen>,
}

impl Walked {
    /// Packets of one question.
    pub const PACKETS: usize = 3;
    /// Rules that an answer names for each packet, and setters.
    pub const RULES: usize = 8;
    /// Repeated jumps that an answer tells for each packet.
    pub const REPEATED: usize = 2;
    /// Caveats that an answer tells.
    pub const CAVEATS: usize = 8;
}

/// What one packet met, as far as that agrees with what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// Those that did something to it, in order; at most [`Walked::RULES`].
    pub rules: Vec<Named>,
    pub end: End,
    /// The rules explain what was seen: where it was translated to, and whether it got through.
    pub agrees: bool,
    /// Nothing else can have become of it.
    pub certain: bool,
    /// Where it went to in the end, where that is known.
    pub destination: Option<Endpoint>,
    /// `ct mark` at the end, where that is known.
    pub connmark: Option<u32>,
    /// Jumps that stand twice in chains that it met, where the second one changes nothing; at most
    /// [`Walked::REPEATED`].
    pub repeated: Vec<Repeated>,
}

/// The same jump at two places of one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    pub first: Located,
    pub second: Located,
}

impl Trail {
    /// For certain it does not get through.
    pub fn is_stopped(&self) -> bool {
        self.certain && matches!(self.end, End::Dropped | End::Rejected(_))
    }
}

/// A rule and what it did to the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub role: RuleRole,
    pub rule: Located,
    /// The packet met it, whatever else is not known.
    pub certain: bool,
}
