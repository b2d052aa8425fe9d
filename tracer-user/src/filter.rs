//! Which connections a user wants to see: several values of one filter mean any, several filters mean all. Pure.

use crate::model::event::{Event, EventKind};
use crate::model::finding::{Connection, Finding};
use crate::model::identity::{Comm, Netns};
use crate::model::tuple::Tuple;
use std::net::IpAddr;

/// A filter without values lets everything pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Inodes of network namespaces.
    pub netns: Vec<u32>,
    /// Of either end, before or after translation.
    pub ports: Vec<u16>,
    pub pids: Vec<u32>,
    pub comms: Vec<Comm>,
    /// Of either end, before or after translation.
    pub prefixes: Vec<Prefix>,
}

impl Filter {
    /// Whether one of the finding's connections passes.
    pub fn wants_finding(&self, finding: &Finding) -> bool {
        finding
            .connection
            .iter()
            .chain(&finding.examples)
            .any(|connection| self.wants_connection(connection))
    }

    /// Whether the event passes, as far as it tells: an event of a packet has no process.
    pub fn wants_event(&self, event: &Event) -> bool {
        let (packet, entry) = match &event.kind {
            EventKind::RstSent(sent) => (sent.packet, None),
            EventKind::Drop(dropped) => (Some(dropped.packet), None),
            EventKind::Conntrack(changed) => (None, Some(changed.entry)),
            EventKind::Connect
            | EventKind::Established
            | EventKind::Failed { .. }
            | EventKind::Closed { .. }
            | EventKind::Retransmit(_)
            | EventKind::Destroyed(_)
            | EventKind::RstReceived { .. } => (None, None),
        };
        let entry = entry.or(packet.and_then(|packet| packet.conntrack));
        let tuples = [
            event.tuple,
            packet.map(|packet| packet.tuple),
            entry.map(|entry| entry.original),
            entry.map(|entry| entry.reply),
        ];
        let owner = event.owner.map(|owner| (owner.pid, owner.comm));
        self.wants(event.netns, &tuples, owner)
    }

    fn wants_connection(&self, connection: &Connection) -> bool {
        let owner = connection.owner.map(|owner| (owner.pid, owner.comm));
        let holder = connection.holder.map(|holder| (holder.pid, holder.comm));
        self.wants(
            connection.netns,
            &[Some(connection.tuple), connection.translated],
            owner.or(holder),
        )
    }

    fn wants(&self, netns: Netns, tuples: &[Option<Tuple>], process: Option<(u32, Comm)>) -> bool {
        let ends = || {
            tuples
                .iter()
                .flatten()
                .flat_map(|tuple| [tuple.source, tuple.destination])
        };
        passes(&self.netns, |inode| *inode == netns.inode)
            && passes(&self.ports, |port| ends().any(|end| end.port == *port))
            && passes(&self.prefixes, |prefix| ends().any(|end| prefix.contains(end.address)))
            && passes(&self.pids, |pid| process.is_some_and(|(of, _)| of == *pid))
            && passes(&self.comms, |comm| process.is_some_and(|(_, of)| of == *comm))
    }
}

fn passes<T>(values: &[T], is: impl FnMut(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(is)
}

/// An address prefix (CIDR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// `None` where the length is beyond the address.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (length <= longest).then_some(Self { address, length })
    }

    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(of), IpAddr::V4(address)) => same_start(
                u128::from(of.to_bits()) << 96,
                u128::from(address.to_bits()) << 96,
                self.length,
            ),
            (IpAddr::V6(of), IpAddr::V6(address)) => same_start(of.to_bits(), address.to_bits(), self.length),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn same_start(a: u128, b: u128, length: u8) -> bool {
    length == 0 || (a ^ b) >> (128 - u32::from(length)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::model::tuple::Endpoint;

    fn event() -> Event {
        let end = |last, port| Endpoint::new([10, 77, 0, last].into(), port);
        Event {
            at: Timestamp::default(),
            cpu: 0,
            netns: Netns { cookie: 1, inode: 5 },
            socket: None,
            tuple: Some(Tuple::new(end(2, 40_000), end(3, 9_000))),
            owner: None,
            kind: EventKind::Connect,
        }
    }

    #[test]
    fn no_filter_lets_everything_pass() {
        assert!(Filter::default().wants_event(&event()));
    }

    #[test]
    fn values_of_one_filter_are_alternatives_and_filters_add_up() {
        let filter = Filter {
            ports: vec![1, 9_000],
            netns: vec![5],
            ..Filter::default()
        };
        assert!(filter.wants_event(&event()));
        assert!(
            !Filter {
                netns: vec![6],
                ..filter.clone()
            }
            .wants_event(&event())
        );
        assert!(
            !Filter {
                pids: vec![1],
                ..filter
            }
            .wants_event(&event()),
            "an unknown process is not that one"
        );
    }

    #[test]
    fn prefixes_match_their_family_and_length() {
        let prefix = |text: &str, length| Prefix::new(text.parse().expect("address"), length).expect("prefix");
        let inside = |prefix: Prefix, text: &str| prefix.contains(text.parse().expect("address"));
        assert!(inside(prefix("10.77.0.0", 24), "10.77.0.3"));
        assert!(!inside(prefix("10.77.0.0", 24), "10.77.1.3"));
        assert!(inside(prefix("0.0.0.0", 0), "192.0.2.1"));
        assert!(!inside(prefix("0.0.0.0", 0), "2001:db8::1"));
        assert!(inside(prefix("2001:db8::", 32), "2001:db8:1::1"));
        assert!(inside(prefix("2001:db8::1", 128), "2001:db8::1"));
        assert_eq!(Prefix::new([10, 0, 0, 0].into(), 33), None);
    }
}
