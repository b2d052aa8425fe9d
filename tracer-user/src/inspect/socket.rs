//! TCP sockets over `sock_diag`: the requests, and a socket from its message.
//!
//! Does not know processes: a socket has an inode, and who holds it is asked elsewhere.

use crate::inspect::message::{DUMP, ONE};
use crate::inspect::nla::{NlaError, Request, attributes};
use crate::model::identity::{Process, SocketCookie};
use crate::model::inquiry::{Listener, Sending, SocketInfo};
use crate::model::tcp::TcpState;
use crate::model::tuple::{Endpoint, Tuple};
use netlink_packet_core::{Emitable, Parseable};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags, Timer};
use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SocketError {
    #[error("socket message: {0}")]
    Attribute(#[from] NlaError),
    #[error("a socket message of {length} bytes: {why}")]
    Header { length: usize, why: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

/// A socket as the kernel tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Local to remote.
    pub tuple: Tuple,
    pub state: Option<TcpState>,
    /// Bytes to read; of a listener: connections to accept.
    pub receive_queue: u32,
    /// Bytes not acknowledged; of a listener: its backlog.
    pub send_queue: u32,
    pub info: Info,
    /// The time left until the retransmission timer runs out, where it runs.
    pub timer: Option<Duration>,
    pub retransmits: u8,
    pub uid: u32,
    pub inode: u32,
    /// `IPV6_V6ONLY`.
    pub only_v6: bool,
    /// `IP_TRANSPARENT`; `None` up to Linux 5.9.
    pub transparent: Option<bool>,
    /// Index of the device that it is bound to, or 0.
    pub interface: u32,
    pub cookie: Option<SocketCookie>,
}

/// Of `struct tcp_info`, where it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Segments sent and not acknowledged.
    pub unacked: Option<u32>,
    /// Bytes of the send queue that were not sent yet.
    pub not_sent: Option<u32>,
    pub rto: Option<Duration>,
    /// How often `rto` was doubled.
    pub backoff: u8,
    /// Bytes that the other end would take; `None` up to Linux 5.3.
    pub window: Option<u32>,
    /// Bytes of data in a full-sized segment.
    pub mss: u32,
    pub path_mtu: u32,
    /// Unacknowledged segments that the other end has.
    pub sacked: u32,
    /// Bytes that were ever acknowledged.
    pub acknowledged: Option<u64>,
    /// How long ago the last acknowledgement came.
    pub last_heard: Duration,
}

/// Asks for the socket of exactly this tuple. The kernel falls back to a listener: check what comes.
pub fn get(sequence: u32, tuple: Tuple, family: Family) -> Vec<u8> {
    let id = SocketId {
        source_port: tuple.source.port,
        destination_port: tuple.destination.port,
        source_address: in_family(tuple.source.address, family),
        destination_address: in_family(tuple.destination.address, family),
        interface_id: 0,
        cookie: NO_COOKIE,
    };
    request(sequence, ONE, family, id, StateFlags::all(), ExtensionFlags::INFO)
}

/// Asks for a socket that was told before, itself and no other.
pub fn again(sequence: u32, socket: &Socket, family: Family) -> Vec<u8> {
    let id = SocketId {
        source_port: socket.tuple.source.port,
        destination_port: socket.tuple.destination.port,
        source_address: in_family(socket.tuple.source.address, family),
        destination_address: in_family(socket.tuple.destination.address, family),
        interface_id: socket.interface,
        cookie: socket.cookie.map_or(NO_COOKIE, cookie_bytes),
    };
    request(sequence, ONE, family, id, StateFlags::all(), ExtensionFlags::INFO)
}

/// Asks for every connection that can have something unacknowledged, without its `struct tcp_info`: the kernel locks
/// each socket to fill that in.
pub fn connections(sequence: u32, family: Family) -> Vec<u8> {
    let states = StateFlags::ESTABLISHED
        | StateFlags::SYN_SENT
        | StateFlags::FIN_WAIT1
        | StateFlags::CLOSE_WAIT
        | StateFlags::LAST_ACK
        | StateFlags::CLOSING;
    let id = any_peer(family, 0);
    request(sequence, DUMP, family, id, states, ExtensionFlags::empty())
}

/// Asks for all listening sockets, or those of one port.
pub fn listeners(sequence: u32, family: Family, port: Option<u16>) -> Vec<u8> {
    let states = StateFlags::LISTEN;
    request(
        sequence,
        DUMP,
        family,
        any_peer(family, port.unwrap_or(0)),
        states,
        ExtensionFlags::empty(),
    )
}

/// Asks for all UDP sockets that take datagrams of anybody.
pub fn receivers(sequence: u32, family: Family) -> Vec<u8> {
    let (id, states) = (any_peer(family, 0), StateFlags::CLOSE);
    of_protocol(UDP, sequence, DUMP, family, id, states, ExtensionFlags::empty())
}

/// Asks for the connections with this local port that a process could still accept.
pub fn acceptable(sequence: u32, family: Family, port: u16) -> Vec<u8> {
    let states = StateFlags::ESTABLISHED | StateFlags::CLOSE_WAIT;
    request(
        sequence,
        DUMP,
        family,
        any_peer(family, port),
        states,
        ExtensionFlags::empty(),
    )
}

/// Asks for the connections with this local port, whatever their state.
pub fn connected(sequence: u32, family: Family, port: u16) -> Vec<u8> {
    let states = StateFlags::ESTABLISHED
        | StateFlags::SYN_SENT
        | StateFlags::FIN_WAIT1
        | StateFlags::FIN_WAIT2
        | StateFlags::CLOSE_WAIT
        | StateFlags::LAST_ACK
        | StateFlags::CLOSING;
    let id = any_peer(family, port);
    request(sequence, DUMP, family, id, states, ExtensionFlags::empty())
}

/// Asks for the connections to this remote port that are or may become established.
pub fn towards(sequence: u32, family: Family, port: u16) -> Vec<u8> {
    let states = StateFlags::ESTABLISHED | StateFlags::SYN_SENT | StateFlags::CLOSE_WAIT;
    to_port(sequence, family, port, states)
}

/// Asks for the sockets that are connected to this port, whatever their state.
pub fn connected_to(sequence: u32, family: Family, port: u16) -> Vec<u8> {
    to_port(sequence, family, port, StateFlags::all())
}

fn to_port(sequence: u32, family: Family, port: u16, states: StateFlags) -> Vec<u8> {
    let id = SocketId {
        destination_port: port,
        ..any_peer(family, 0)
    };
    request(sequence, DUMP, family, id, states, ExtensionFlags::empty())
}

/// The socket of one message (after the netlink header).
pub fn parse(payload: &[u8]) -> Result<Socket, SocketError> {
    let header = InetResponseHeader::parse(payload).map_err(|error| SocketError::Header {
        length: payload.len(),
        why: error.to_string(),
    })?;
    let id = &header.socket_id;
    let mut socket = Socket {
        tuple: Tuple::new(
            Endpoint::new(id.source_address, id.source_port),
            Endpoint::new(id.destination_address, id.destination_port),
        ),
        state: TcpState::from_number(header.state),
        receive_queue: header.recv_queue,
        send_queue: header.send_queue,
        info: Info::default(),
        timer: match header.timer {
            Some(Timer::Retransmit(left, _)) => Some(left),
            Some(Timer::KeepAlive(_) | Timer::TimeWait | Timer::Probe(_)) | None => None,
        },
        retransmits: match header.timer {
            Some(Timer::Retransmit(_, count)) => count,
            Some(Timer::KeepAlive(_) | Timer::TimeWait | Timer::Probe(_)) | None => 0,
        },
        uid: header.uid,
        inode: header.inode,
        only_v6: false,
        transparent: None,
        interface: id.interface_id,
        cookie: cookie(id.cookie),
    };
    for attribute in attributes(payload.get(HEADER..).unwrap_or_default()) {
        let attribute = attribute?;
        match attribute.kind {
            INFO => socket.info = Info::parse(attribute.value),
            SKV6ONLY => socket.only_v6 = attribute.u8()? != 0,
            SOCKOPT => socket.transparent = attribute.value.first().map(|flags| flags & TRANSPARENT != 0),
            _ => {}
        }
    }
    Ok(socket)
}

impl Socket {
    pub fn is_listening(&self) -> bool {
        self.state == Some(TcpState::Listen)
    }

    /// Whether it waits for an answer to its SYN, or for data to be acknowledged that was sent again already. Bytes that
    /// were not sent are no reason, nor is a window that was closed over what was under way.
    pub fn is_stalled(&self) -> bool {
        let Info { unacked, window, .. } = self.info;
        let sent_again = self.retransmits > 0 && self.send_queue > 0 && unacked != Some(0) && window != Some(0);
        self.timer.is_some() && (self.state == Some(TcpState::SynSent) || sent_again)
    }

    /// Whether a connection to `target` would reach this listener (devices that it is bound to are not considered).
    pub fn serves(&self, target: Endpoint) -> bool {
        let Endpoint { address, port } = self.tuple.source;
        port == target.port
            && match address {
                _ if !address.is_unspecified() => address == target.address,
                IpAddr::V4(_) => target.address.is_ipv4(),
                IpAddr::V6(_) => target.address.is_ipv6() || !self.only_v6,
            }
    }

    pub fn info(&self, process: Option<Process>) -> SocketInfo {
        SocketInfo {
            state: self.state,
            receive_queue: self.receive_queue,
            send_queue: self.send_queue,
            unacked: self.info.unacked,
            retransmits: self.retransmits,
            uid: self.uid,
            inode: self.inode,
            process,
            sending: self.sending(),
        }
    }

    fn sending(&self) -> Option<Sending> {
        let Info {
            not_sent,
            window,
            mss,
            path_mtu,
            sacked,
            acknowledged,
            last_heard,
            ..
        } = self.info;
        Some(Sending {
            mss,
            path_mtu,
            in_flight: self.send_queue.saturating_sub(not_sent?),
            sacked,
            acknowledged: acknowledged?,
            window,
            last_heard,
        })
        .filter(|_| !self.is_listening())
    }

    pub fn listener(&self, process: Option<Process>) -> Listener {
        Listener {
            address: self.tuple.source,
            queue: self.receive_queue,
            backlog: self.send_queue,
            uid: self.uid,
            inode: self.inode,
            process,
        }
    }
}

fn request(
    sequence: u32,
    flags: u16,
    family: Family,
    socket_id: SocketId,
    states: StateFlags,
    extensions: ExtensionFlags,
) -> Vec<u8> {
    of_protocol(TCP, sequence, flags, family, socket_id, states, extensions)
}

fn of_protocol(
    protocol: u8,
    sequence: u32,
    flags: u16,
    family: Family,
    socket_id: SocketId,
    states: StateFlags,
    extensions: ExtensionFlags,
) -> Vec<u8> {
    let request = InetRequest {
        family: match family {
            Family::V4 => netlink_packet_sock_diag::AF_INET,
            Family::V6 => netlink_packet_sock_diag::AF_INET6,
        },
        protocol,
        extensions,
        states,
        socket_id,
    };
    let mut fixed = vec![0; request.buffer_len()];
    request.emit(&mut fixed);
    Request::new(BY_FAMILY, flags, sequence, &fixed).finish()
}

fn any_peer(family: Family, port: u16) -> SocketId {
    let id = match family {
        Family::V4 => SocketId::new_v4(),
        Family::V6 => SocketId::new_v6(),
    };
    SocketId {
        source_port: port,
        ..id
    }
}

fn in_family(address: IpAddr, family: Family) -> IpAddr {
    match (address, family) {
        (IpAddr::V4(address), Family::V6) => address.to_ipv6_mapped().into(),
        (address, _) => address,
    }
}

impl Info {
    /// Older kernels have a shorter one.
    fn parse(info: &[u8]) -> Self {
        let number = |offset: usize| {
            let bytes = info.get(offset..)?.first_chunk::<4>()?;
            Some(u32::from_ne_bytes(*bytes))
        };
        Self {
            unacked: number(INFO_UNACKED),
            not_sent: number(INFO_NOT_SENT),
            rto: number(INFO_RTO).map(|micros| Duration::from_micros(micros.into())),
            backoff: info.get(INFO_BACKOFF).copied().unwrap_or(0),
            window: number(INFO_WINDOW),
            mss: number(INFO_MSS).unwrap_or(0),
            path_mtu: number(INFO_PATH_MTU).unwrap_or(0),
            sacked: number(INFO_SACKED).unwrap_or(0),
            acknowledged: info
                .get(INFO_ACKNOWLEDGED..)
                .and_then(|rest| Some(u64::from_ne_bytes(*rest.first_chunk()?))),
            last_heard: Duration::from_millis(number(INFO_LAST_HEARD).unwrap_or(0).into()),
        }
    }
}

/// The low half comes first, each in the machine's own order.
fn cookie(bytes: [u8; 8]) -> Option<SocketCookie> {
    let half = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let (low, high) = (half(0)?, half(4)?);
    SocketCookie::new(u64::from(high) << 32 | u64::from(low)).filter(|_| bytes != NO_COOKIE)
}

fn cookie_bytes(cookie: SocketCookie) -> [u8; 8] {
    // The halves of a number in the machine's order are each in that order; only which comes first may differ.
    let number = cookie.get();
    let number = if cfg!(target_endian = "big") {
        number.rotate_left(32)
    } else {
        number
    };
    number.to_ne_bytes()
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const NO_COOKIE: [u8; 8] = [0xff; 8];
/// `struct inet_diag_msg`.
const HEADER: usize = 72;
// uapi/linux/{sock_diag,inet_diag,tcp}.h
const BY_FAMILY: u16 = 20;
const INFO: u16 = 2;
const SKV6ONLY: u16 = 11;
const SOCKOPT: u16 = 22;
/// Of `struct inet_diag_sockopt`, whose bits lie as the machine has them.
const TRANSPARENT: u8 = if cfg!(target_endian = "little") { 1 << 5 } else { 1 << 2 };
// Offsets in `struct tcp_info`.
const INFO_BACKOFF: usize = 4;
const INFO_RTO: usize = 8;
const INFO_MSS: usize = 16;
const INFO_UNACKED: usize = 24;
const INFO_SACKED: usize = 28;
const INFO_LAST_HEARD: usize = 56;
const INFO_PATH_MTU: usize = 60;
const INFO_ACKNOWLEDGED: usize = 120;
const INFO_NOT_SENT: usize = 144;
const INFO_WINDOW: usize = 228;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONNECTED: &[u8] = include_bytes!("testdata/socket.bin");
    const LISTENER: &[u8] = include_bytes!("testdata/listener.bin");
    const LISTENER_V6: &[u8] = include_bytes!("testdata/listener_ipv6.bin");
    const LISTENER_ONLY_V6: &[u8] = include_bytes!("testdata/listener_only_ipv6.bin");

    #[test]
    fn a_connection_is_read() {
        let socket = parse(CONNECTED).unwrap();
        assert_eq!(socket.state, Some(TcpState::Established));
        assert_eq!(socket.tuple.destination, endpoint("127.0.0.1:8080"));
        assert_eq!((socket.info.unacked, socket.retransmits, socket.uid), (Some(0), 0, 0));
        assert_ne!(socket.inode, 0);
        let sending = socket.info(None).sending.unwrap();
        assert_eq!((sending.in_flight, sending.sacked), (0, 0));
        assert!(sending.mss > 500 && sending.path_mtu > sending.mss, "{sending:?}");
        assert!(parse(LISTENER).unwrap().info(None).sending.is_none());
    }

    #[test]
    fn a_listener_is_read() {
        let socket = parse(LISTENER).unwrap();
        assert!(socket.is_listening());
        let listener = socket.listener(None);
        assert_eq!((listener.address, listener.queue), (endpoint("127.0.0.1:9999"), 0));
        assert_ne!(listener.backlog, 0);
    }

    #[test]
    fn a_listener_is_transparent_where_its_options_say_so() {
        let mut bytes = LISTENER[..HEADER].to_vec();
        assert_eq!(parse(&bytes).unwrap().transparent, None);
        bytes.extend(6_u16.to_ne_bytes());
        bytes.extend(SOCKOPT.to_ne_bytes());
        bytes.extend([!TRANSPARENT, 0, 0, 0]);
        assert_eq!(parse(&bytes).unwrap().transparent, Some(false));
        bytes[HEADER + 4] = TRANSPARENT;
        assert_eq!(parse(&bytes).unwrap().transparent, Some(true));
    }

    #[test]
    fn a_listener_serves_its_address_or_all() {
        let exact = parse(LISTENER).unwrap();
        assert!(exact.serves(endpoint("127.0.0.1:9999")));
        assert!(!exact.serves(endpoint("127.0.0.2:9999")) && !exact.serves(endpoint("127.0.0.1:80")));
        let all = parse(LISTENER_V6).unwrap();
        assert!(all.serves(endpoint("10.0.0.1:7001")) && all.serves(endpoint("[2001:db8::1]:7001")));
        let only = parse(LISTENER_ONLY_V6).unwrap();
        assert!(!only.serves(endpoint("10.0.0.1:7002")) && only.serves(endpoint("[2001:db8::1]:7002")));
        let all_v4 = Socket {
            tuple: Tuple::new(endpoint("0.0.0.0:80"), endpoint("0.0.0.0:0")),
            ..exact
        };
        assert!(all_v4.serves(endpoint("10.0.0.1:80")) && !all_v4.serves(endpoint("[::1]:80")));
    }

    #[test]
    fn a_shorter_tcp_info_has_no_count() {
        assert_eq!(Info::parse(&[0; 27]).unacked, None);
        assert_eq!(Info::parse(&[1; 28]).unacked, Some(0x0101_0101));
        assert_eq!(Info::parse(&[]), Info::default());
    }

    #[test]
    fn a_cookie_comes_back_as_it_was() {
        for number in [1, 0xffff_ffff, 0x1234_5678_9abc_def0, u64::MAX - 1] {
            let told = SocketCookie::new(number).unwrap();
            assert_eq!(cookie(cookie_bytes(told)), Some(told));
        }
        assert_eq!((cookie([0; 8]), cookie(NO_COOKIE)), (None, None));
        assert!(parse(CONNECTED).unwrap().cookie.is_some());
    }

    #[test]
    fn only_an_unanswered_syn_and_data_that_was_sent_again_are_stalled() {
        let idle = Socket {
            timer: None,
            ..parse(CONNECTED).unwrap()
        };
        let timer = Some(Duration::from_secs(1));
        let info = |unacked| Info {
            unacked: Some(unacked),
            ..Info::default()
        };
        let hung = Socket {
            timer,
            retransmits: 1,
            send_queue: 5,
            info: info(1),
            ..idle.clone()
        };
        assert!(hung.is_stalled() && !idle.is_stalled());
        let sent_once = Socket {
            retransmits: 0,
            ..hung.clone()
        };
        let probing = Socket {
            timer: None,
            ..hung.clone()
        };
        let acknowledged = Socket {
            info: info(0),
            ..hung.clone()
        };
        let shut = Socket {
            info: Info {
                window: Some(0),
                ..info(1)
            },
            ..hung.clone()
        };
        for other in [sent_once.clone(), probing, acknowledged, shut] {
            assert!(!other.is_stalled());
        }
        let syn = Socket {
            state: Some(TcpState::SynSent),
            ..sent_once
        };
        assert!(syn.is_stalled());
    }

    #[test]
    fn a_mapped_question_has_mapped_addresses() {
        let tuple = Tuple::new(endpoint("10.0.0.1:1"), endpoint("10.0.0.2:2"));
        let bytes = get(1, tuple, Family::V6);
        assert!(bytes.windows(6).any(|window| window == [0xff, 0xff, 10, 0, 0, 2]));
        assert_eq!(bytes.len(), 16 + 56);
    }

    #[test]
    fn every_prefix_is_an_error_or_a_socket() {
        for message in [CONNECTED, LISTENER, LISTENER_V6] {
            for end in 0..message.len() {
                assert!(end >= HEADER || parse(&message[..end]).is_err());
                let _ = parse(&message[..end]);
            }
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(at in 0..CONNECTED.len(), byte in any::<u8>(), noise in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = CONNECTED.to_vec();
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
