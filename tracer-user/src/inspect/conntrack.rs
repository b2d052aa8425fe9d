//! Conntrack over ctnetlink: the requests, and an entry from its message.
//!
//! Only TCP. Counters, timeouts, helpers and labels are not read.

use crate::inspect::message::{DUMP, ONE};
use crate::inspect::nla::{Attribute, NlaError, Request, attributes};
use crate::model::aspect::ConntrackStatistics;
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::tcp::ConntrackState;
use crate::model::tuple::{Endpoint, Tuple};
use std::net::IpAddr;
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConntrackError {
    #[error("conntrack message: {0}")]
    Attribute(#[from] NlaError),
    #[error("a conntrack message of {0} bytes")]
    Short(usize),
    #[error("a conntrack entry without its {0}")]
    Missing(&'static str),
}

/// Asks for the entry of `tuple`, in either direction. `zone` `None`: the default zone.
pub fn get(sequence: u32, tuple: Tuple, zone: Option<u16>) -> Vec<u8> {
    let request = Request::new(CT_GET, ONE, sequence, &generic(tuple));
    let request = put_tuple(request, TUPLE_ORIG, tuple);
    match zone {
        Some(zone) => request.with(ZONE, &zone.to_be_bytes()).finish(),
        None => request.finish(),
    }
}

/// Asks for the entries of every zone that have `tuple` in this direction. A kernel before 5.9 sends all entries, so
/// the answers have to be checked.
pub fn dump(sequence: u32, tuple: Tuple, direction: Direction) -> Vec<u8> {
    let (attribute, flags) = match direction {
        Direction::Original => (TUPLE_ORIG, FILTER_ORIG_FLAGS),
        Direction::Reply => (TUPLE_REPLY, FILTER_REPLY_FLAGS),
    };
    put_tuple(Request::new(CT_GET, DUMP, sequence, &generic(tuple)), attribute, tuple)
        .with_nested(FILTER, |inside| inside.with(flags, &FILTER_BY_TUPLE.to_ne_bytes()))
        .finish()
}

/// Asks for all entries of the namespace, of whatever protocol.
pub fn dump_all(sequence: u32) -> Vec<u8> {
    Request::new(CT_GET, DUMP, sequence, &[0; GENERIC]).finish()
}

/// Asks how many entries there are.
pub fn count(sequence: u32) -> Vec<u8> {
    Request::new(CT_GET_STATS, ONE, sequence, &[0, 0, 0, 0]).finish()
}

/// Asks for what was counted, of each processor.
pub fn statistics(sequence: u32) -> Vec<u8> {
    Request::new(CT_GET_STATS_CPU, DUMP, sequence, &[0; GENERIC]).finish()
}

/// Adds what one processor counted, in the answer to [`statistics`].
pub fn add_statistics(sum: &mut ConntrackStatistics, payload: &[u8]) -> Result<(), NlaError> {
    for attribute in attributes(payload.get(GENERIC..).unwrap_or_default()) {
        let attribute = attribute?;
        let counter = match attribute.kind {
            STATS_INSERT_FAILED => &mut sum.insert_failed,
            STATS_DROP => &mut sum.drop,
            STATS_EARLY_DROP => &mut sum.early_drop,
            _ => continue,
        };
        *counter = counter.saturating_add(attribute.u32_be()?);
    }
    Ok(())
}

/// The answer to [`count`].
pub fn parse_count(payload: &[u8]) -> Result<u32, ConntrackError> {
    for attribute in body(payload)? {
        let attribute = attribute?;
        if attribute.kind == STATS_GLOBAL_ENTRIES {
            return Ok(attribute.u32_be()?);
        }
    }
    Err(ConntrackError::Missing("count"))
}

/// The entry of one message (after the netlink header); `None` where it is not TCP.
pub fn parse(payload: &[u8]) -> Result<Option<Conntrack>, ConntrackError> {
    let mut entry = Partial::default();
    for attribute in body(payload)? {
        entry.read(attribute?)?;
    }
    entry.finish()
}

#[derive(Default)]
struct Partial {
    original: Half,
    reply: Half,
    status: u32,
    state: Option<ConntrackState>,
    mark: u32,
    zone: Option<u16>,
    id: Option<u32>,
}

impl Partial {
    fn read(&mut self, attribute: Attribute<'_>) -> Result<(), ConntrackError> {
        match attribute.kind {
            TUPLE_ORIG => self.original = Half::read(attribute)?,
            TUPLE_REPLY => self.reply = Half::read(attribute)?,
            STATUS => self.status = attribute.u32_be()?,
            PROTOINFO => self.state = tcp_state(attribute)?,
            MARK => self.mark = attribute.u32_be()?,
            ZONE => self.zone = Some(attribute.u16_be()?),
            ID => self.id = Some(attribute.u32_be()?),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Option<Conntrack>, ConntrackError> {
        if self.original.protocol.ok_or(ConntrackError::Missing("protocol"))? != TCP {
            return Ok(None);
        }
        Ok(Some(Conntrack {
            original: self.original.tuple().ok_or(ConntrackError::Missing("original tuple"))?,
            reply: self.reply.tuple().ok_or(ConntrackError::Missing("reply tuple"))?,
            status: self.status,
            state: self.state,
            mark: self.mark,
            // A zone of one direction only is told inside that direction's tuple.
            zone: self.zone.or(self.original.zone).or(self.reply.zone).unwrap_or(0),
            id: self.id,
        }))
    }
}

/// One direction's tuple.
#[derive(Default)]
struct Half {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    protocol: Option<u8>,
    zone: Option<u16>,
}

impl Half {
    fn read(attribute: Attribute<'_>) -> Result<Self, NlaError> {
        let mut half = Self::default();
        for part in attribute.nested() {
            let part = part?;
            match part.kind {
                TUPLE_IP => half.read_addresses(part)?,
                TUPLE_PROTO => half.read_protocol(part)?,
                TUPLE_ZONE => half.zone = Some(part.u16_be()?),
                _ => {}
            }
        }
        Ok(half)
    }

    fn read_addresses(&mut self, part: Attribute<'_>) -> Result<(), NlaError> {
        for attribute in part.nested() {
            let attribute = attribute?;
            match attribute.kind {
                V4_SRC => self.source = Some(attribute.array::<4>()?.into()),
                V4_DST => self.destination = Some(attribute.array::<4>()?.into()),
                V6_SRC => self.source = Some(attribute.array::<16>()?.into()),
                V6_DST => self.destination = Some(attribute.array::<16>()?.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn read_protocol(&mut self, part: Attribute<'_>) -> Result<(), NlaError> {
        for attribute in part.nested() {
            let attribute = attribute?;
            match attribute.kind {
                PROTO_NUM => self.protocol = Some(attribute.u8()?),
                PROTO_SRC_PORT => self.source_port = Some(attribute.u16_be()?),
                PROTO_DST_PORT => self.destination_port = Some(attribute.u16_be()?),
                _ => {}
            }
        }
        Ok(())
    }

    fn tuple(&self) -> Option<Tuple> {
        Some(Tuple::new(
            Endpoint::new(self.source?, self.source_port?),
            Endpoint::new(self.destination?, self.destination_port?),
        ))
    }
}

fn tcp_state(attribute: Attribute<'_>) -> Result<Option<ConntrackState>, NlaError> {
    for protocol in attribute.nested() {
        let protocol = protocol?;
        if protocol.kind != PROTOINFO_TCP {
            continue;
        }
        for part in protocol.nested() {
            let part = part?;
            if part.kind == PROTOINFO_TCP_STATE {
                return Ok(ConntrackState::from_number(part.u8()?));
            }
        }
    }
    Ok(None)
}

/// The attributes after `struct nfgenmsg`.
fn body(payload: &[u8]) -> Result<crate::inspect::nla::Attributes<'_>, ConntrackError> {
    let bytes = payload.get(GENERIC..).ok_or(ConntrackError::Short(payload.len()))?;
    Ok(attributes(bytes))
}

/// `struct nfgenmsg`: family, version, resource id.
fn generic(tuple: Tuple) -> [u8; GENERIC] {
    let family = match tuple.source.address {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    };
    [u8::try_from(family).unwrap_or_default(), 0, 0, 0]
}

fn put_tuple(request: Request, kind: u16, tuple: Tuple) -> Request {
    request.with_nested(kind, |inside| {
        inside
            .with_nested(TUPLE_IP, |ip| {
                let ip = put_address(ip, tuple.source.address, V4_SRC, V6_SRC);
                put_address(ip, tuple.destination.address, V4_DST, V6_DST)
            })
            .with_nested(TUPLE_PROTO, |proto| {
                proto
                    .with(PROTO_NUM, &[TCP])
                    .with(PROTO_SRC_PORT, &tuple.source.port.to_be_bytes())
                    .with(PROTO_DST_PORT, &tuple.destination.port.to_be_bytes())
            })
    })
}

fn put_address(request: Request, address: IpAddr, v4: u16, v6: u16) -> Request {
    match address {
        IpAddr::V4(address) => request.with(v4, &address.octets()),
        IpAddr::V6(address) => request.with(v6, &address.octets()),
    }
}

const GENERIC: usize = 4;
pub const TCP: u8 = 6;

// uapi/linux/netfilter/nfnetlink_conntrack.h; the subsystem is in the high byte of a message's type.
/// The type of a message with an entry (`IPCTNL_MSG_CT_NEW`).
pub const CT_NEW: u16 = 0x100;
const CT_GET: u16 = 0x101;
/// The type of a message about an entry that went (`IPCTNL_MSG_CT_DELETE`).
pub const CT_DELETE: u16 = 0x102;
const CT_GET_STATS_CPU: u16 = 0x104;
const CT_GET_STATS: u16 = 0x105;
const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const STATUS: u16 = 3;
const PROTOINFO: u16 = 4;
const MARK: u16 = 8;
const ID: u16 = 12;
const ZONE: u16 = 18;
const FILTER: u16 = 25;
const TUPLE_IP: u16 = 1;
pub const TUPLE_PROTO: u16 = 2;
const TUPLE_ZONE: u16 = 3;
const V4_SRC: u16 = 1;
const V4_DST: u16 = 2;
const V6_SRC: u16 = 3;
const V6_DST: u16 = 4;
pub const PROTO_NUM: u16 = 1;
const PROTO_SRC_PORT: u16 = 2;
const PROTO_DST_PORT: u16 = 3;
const PROTOINFO_TCP: u16 = 1;
const PROTOINFO_TCP_STATE: u16 = 1;
const STATS_GLOBAL_ENTRIES: u16 = 1;
const STATS_INSERT_FAILED: u16 = 9;
const STATS_DROP: u16 = 10;
const STATS_EARLY_DROP: u16 = 11;
const FILTER_ORIG_FLAGS: u16 = 1;
const FILTER_REPLY_FLAGS: u16 = 2;
/// `CTA_FILTER_F_CTA_*`: both addresses (bits 0, 1), the protocol (3) and both ports (4, 5), but not the zone (2).
const FILTER_BY_TUPLE: u32 = 0b11_1011;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REDIRECT: &[u8] = include_bytes!("testdata/conntrack_redirect.bin");
    const ZONE_7: &[u8] = include_bytes!("testdata/conntrack_zone.bin");
    const IPV6: &[u8] = include_bytes!("testdata/conntrack_ipv6.bin");
    const COUNT: &[u8] = include_bytes!("testdata/conntrack_count.bin");

    #[test]
    fn the_counters_of_all_processors_are_added() {
        let mut sum = ConntrackStatistics::default();
        let message = Request::new(0, 0, 1, &[0; GENERIC])
            .with(STATS_DROP, &3_u32.to_be_bytes())
            .with(STATS_EARLY_DROP, &1_u32.to_be_bytes())
            .finish();
        for _ in 0..2 {
            assert_eq!(add_statistics(&mut sum, &message[16..]), Ok(()));
        }
        assert_eq!((sum.drop, sum.early_drop, sum.insert_failed), (6, 2, 0));
        assert!(add_statistics(&mut sum, &message[16..message.len() - 1]).is_err());
    }

    #[test]
    fn a_redirected_entry_has_both_tuples() {
        let entry = parse(REDIRECT).unwrap().unwrap();
        assert_eq!(entry.original.destination, endpoint("127.0.0.1:8080"));
        assert_eq!(entry.leaving().destination, endpoint("127.0.0.1:9999"));
        assert_eq!(entry.state, Some(ConntrackState::Established));
        assert_eq!((entry.zone, entry.mark), (0, 0));
        assert!(entry.redirects() && entry.id.is_some());
        assert_ne!(entry.status & 0x20, 0, "DST_NAT");
    }

    #[test]
    fn zones_and_ipv6_are_read() {
        let entry = parse(ZONE_7).unwrap().unwrap();
        assert_eq!((entry.zone, entry.redirects()), (7, false));
        let entry = parse(IPV6).unwrap().unwrap();
        assert_eq!(entry.leaving().destination, endpoint("[::1]:9999"));
        assert_eq!(parse_count(COUNT), Ok(0));
    }

    #[test]
    fn what_is_not_tcp_is_no_entry() {
        let mut bytes = REDIRECT.to_vec();
        // The protocol's number is in a value of one byte after its header.
        let at = bytes.windows(5).position(|window| window == [5, 0, 1, 0, TCP]).unwrap();
        bytes[at + 4] = 17;
        assert_eq!(parse(&bytes), Ok(None));
    }

    #[test]
    fn an_entry_without_a_tuple_is_an_error() {
        assert_eq!(parse(&[2, 0, 0, 0]), Err(ConntrackError::Missing("protocol")));
        assert_eq!(parse(&[2, 0]), Err(ConntrackError::Short(2)));
        let tuple = Tuple::new(endpoint("10.0.0.1:1"), endpoint("10.0.0.2:2"));
        assert_eq!(
            parse(&get(1, tuple, None)[16..]),
            Err(ConntrackError::Missing("reply tuple"))
        );
    }

    #[test]
    fn every_prefix_is_an_error_or_an_entry() {
        for message in [REDIRECT, ZONE_7, IPV6, COUNT] {
            for end in 0..message.len() {
                let _ = (parse(&message[..end]), parse_count(&message[..end]));
            }
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(at in 0..REDIRECT.len(), byte in any::<u8>(), noise in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = REDIRECT.to_vec();
            bytes[at] = byte;
            let _ = parse(&bytes);
            bytes.truncate(at);
            bytes.extend(noise);
            let _ = parse(&bytes);
        }
    }

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<std::net::SocketAddr>().unwrap().into()
    }
}
