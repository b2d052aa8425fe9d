//! Which connections a user wants to see: several values of one filter mean any, several filters mean all. Pure.

use crate::model::event::{Event, EventKind};
use crate::model::finding::{Connection, Finding};
use crate::model::identity::{Comm, Netns};
use crate::model::tuple::Tuple;
use crate::model::who::{Container, Identity, Pod};
use std::net::IpAddr;
use std::str::FromStr;
use wildmatch::WildMatch;

/// A filter without values lets everything pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Inodes of network namespaces.
    pub netns: Vec<u32>,
    /// Of either end, before or after translation.
    pub ports: Vec<u16>,
    pub pids: Vec<u32>,
    pub comms: Vec<Comm>,
    /// Of either end, before or after translation.
    pub prefixes: Vec<Prefix>,
    /// Of the pod that a connection's process or namespace belongs to.
    pub pods: Vec<Pattern>,
    /// Name or id of the container.
    pub containers: Vec<Pattern>,
}

/// What a name is to look like; `*` stands for any text, `?` for one character.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(WildMatch);

impl Pattern {
    pub fn new(text: &str) -> Self {
        Self(WildMatch::new(text))
    }

    /// Its name, or `namespace/name`.
    fn is_pod(&self, pod: &Pod) -> bool {
        let Some(name) = &pod.name else {
            return pod.uid.as_deref().is_some_and(|uid| self.0.matches(uid));
        };
        let whole = pod.namespace.as_ref().map(|namespace| format!("{namespace}/{name}"));
        self.0.matches(name) || whole.is_some_and(|whole| self.0.matches(&whole))
    }

    /// Its name, its id, or the start of it.
    fn is_container(&self, container: &Container) -> bool {
        let short = container.id.get(..SHORT_ID).unwrap_or(&container.id);
        let name = container.name.as_deref();
        name.is_some_and(|name| self.0.matches(name)) || self.0.matches(&container.id) || self.0.matches(short)
    }
}

impl Filter {
    /// Whether one of the finding's connections passes.
    pub fn wants_finding(&self, finding: &Finding) -> bool {
        finding
            .connection
            .iter()
            .chain(&finding.examples)
            .any(|connection| self.wants_connection(connection, finding))
    }

    /// Whether names decide what passes.
    pub fn needs_names(&self) -> bool {
        !self.pods.is_empty() || !self.containers.is_empty()
    }

    /// Whether nothing of whoever that is can pass, whatever is learned of it later: a name that is not known yet may be
    /// the one that is wanted.
    pub fn never_wants(&self, identity: &Identity) -> bool {
        let pod = identity.pod.as_deref().filter(|pod| pod.name.is_some());
        let container = identity.container.as_ref().filter(|container| container.name.is_some());
        let excludes_pod = pod.is_some_and(|pod| !passes(&self.pods, |pattern| pattern.is_pod(pod)));
        let excludes = |container| !passes(&self.containers, |pattern| pattern.is_container(container));
        excludes_pod || container.is_some_and(excludes)
    }

    fn wants_identity(&self, identity: Option<&Identity>) -> bool {
        let pod = identity.and_then(|identity| identity.pod.as_deref());
        let container = identity.and_then(|identity| identity.container.as_ref());
        passes(&self.pods, |pattern| pod.is_some_and(|pod| pattern.is_pod(pod)))
            && passes(&self.containers, |pattern| {
                container.is_some_and(|container| pattern.is_container(container))
            })
    }

    /// Whether the event passes, as far as it tells: an event of a packet has no process, and `identity` is of its
    /// process or namespace, as far as that is known.
    pub fn wants_event(&self, event: &Event, identity: Option<&Identity>) -> bool {
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
        self.wants(event.netns, &tuples, owner) && self.wants_identity(identity)
    }

    fn wants_connection(&self, connection: &Connection, finding: &Finding) -> bool {
        let owner = connection.owner.map(|owner| (owner.pid, owner.comm));
        let holder = connection.holder.map(|holder| (holder.pid, holder.comm));
        self.wants(
            connection.netns,
            &[Some(connection.tuple), connection.translated],
            owner.or(holder),
        ) && self.wants_identity(finding.names.of_connection(connection).map(|identity| &**identity))
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

/// As the runtimes' own tools show ids.
const SHORT_ID: usize = 12;

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

    pub const fn address(self) -> IpAddr {
        self.address
    }

    pub const fn length(self) -> u8 {
        self.length
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

/// What is not an address prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address prefix; write it like 10.0.0.0/8 or 2001:db8::/32")]
pub struct NoPrefix(String);

/// `10.0.0.0/8`, `2001:db8::/32`, or a single address.
impl FromStr for Prefix {
    type Err = NoPrefix;

    fn from_str(text: &str) -> Result<Self, NoPrefix> {
        let (address, length) = text
            .split_once('/')
            .map_or((text, None), |(address, length)| (address, Some(length)));
        let wrong = || NoPrefix(text.to_owned());
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(longest), |length| length.parse().map_err(|_| wrong()))?;
        Self::new(address, length).ok_or_else(wrong)
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
    use std::sync::Arc;

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
        assert!(Filter::default().wants_event(&event(), None));
    }

    #[test]
    fn values_of_one_filter_are_alternatives_and_filters_add_up() {
        let filter = Filter {
            ports: vec![1, 9_000],
            netns: vec![5],
            ..Filter::default()
        };
        assert!(filter.wants_event(&event(), None));
        assert!(
            !Filter {
                netns: vec![6],
                ..filter.clone()
            }
            .wants_event(&event(), None)
        );
        assert!(
            !Filter {
                pids: vec![1],
                ..filter
            }
            .wants_event(&event(), None),
            "an unknown process is not that one"
        );
    }

    #[test]
    fn pods_and_containers_are_known_by_any_of_their_names() {
        let identity = Identity {
            container: Some(Container {
                id: "6ce776ea58b5bf1d2dc5cbbb1b9e0e2e7eba6d63d4cd5c7a3fdb1f5ecf6f6f11".into(),
                runtime: None,
                name: Some("app".into()),
            }),
            pod: Some(Arc::new(Pod {
                name: Some("cart-0".into()),
                namespace: Some("shop".into()),
                ..Pod::default()
            })),
            ..Identity::default()
        };
        let wants = |pods: &[&str], containers: &[&str], identity| {
            let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect();
            let filter = Filter {
                pods: patterns(pods),
                containers: patterns(containers),
                ..Filter::default()
            };
            filter.wants_event(&event(), identity)
        };
        for pod in ["cart-0", "cart-*", "shop/cart-0", "shop/*", "*"] {
            assert!(wants(&["other", pod], &[], Some(&identity)), "{pod}");
        }
        for container in ["app", "6ce776ea58b5", "6ce7*"] {
            assert!(wants(&[], &[container], Some(&identity)), "{container}");
        }
        assert!(wants(&["cart-0"], &["app"], Some(&identity)));
        for pod in ["cart", "other/*", "cart-0/app", "shop"] {
            assert!(!wants(&[pod], &[], Some(&identity)), "{pod}");
        }
        assert!(!wants(&["cart-0"], &["sidecar"], Some(&identity)), "filters add up");
        assert!(!wants(&["*"], &[], None), "an unknown pod is none of them");
    }

    #[test]
    fn who_is_never_wanted_stays_so_whatever_becomes_known() {
        let identity = |pod: Option<&str>, container: Option<&str>| Identity {
            container: Some(Container {
                id: "6ce776ea58b5bf1d2dc5cbbb1b9e0e2e7eba6d63d4cd5c7a3fdb1f5ecf6f6f11".into(),
                runtime: None,
                name: container.map(Into::into),
            }),
            pod: Some(Arc::new(Pod {
                name: pod.map(Into::into),
                namespace: pod.map(|_| "shop".into()),
                uid: Some("8a3f1c52".into()),
                ..Pod::default()
            })),
            ..Identity::default()
        };
        let never = |pods: &[&str], containers: &[&str], identity: &Identity| {
            let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect();
            let filter = Filter {
                pods: patterns(pods),
                containers: patterns(containers),
                ..Filter::default()
            };
            filter.never_wants(identity)
        };
        let named = identity(Some("cart-0"), Some("app"));
        assert!(never(&["other", "bank/*"], &[], &named));
        assert!(never(&["cart-0"], &["sidecar"], &named), "filters add up");
        assert!(!never(&["other", "shop/*"], &["app"], &named));
        assert!(!never(&[], &[], &named), "nothing is asked for");
        let nameless = identity(None, None);
        assert!(!never(&["other"], &["sidecar"], &nameless), "its name may be that one");
        assert!(never(&["other"], &["app"], &identity(Some("cart-0"), None)));
        assert!(
            !never(&["other"], &["app"], &Identity::default()),
            "nobody knows who it is"
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

    #[test]
    fn prefixes_are_checked_against_their_family() {
        let parse = |text: &str| text.parse::<Prefix>();
        assert!(parse("10.0.0.0/8").is_ok());
        assert_eq!(parse("10.0.0.1"), parse("10.0.0.1/32"));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "::/129", "x", "10.0.0.0/", "/8"] {
            assert!(
                parse(wrong).is_err_and(|error| error.to_string().contains(wrong)),
                "{wrong}"
            );
        }
    }
}
