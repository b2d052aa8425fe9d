//! Accessors on `struct sock` and what it leads to.

use tracer_common::{
    event::{Header, Socket},
    tuple::Tuple,
};

use crate::{
    address,
    read::{Struct, offset},
};

/// The kernel's TCP states (include/net/tcp_states.h).
pub(crate) mod state {
    pub(crate) const ESTABLISHED: u8 = 1;
    pub(crate) const SYN_SENT: u8 = 2;
    pub(crate) const SYN_RECV: u8 = 3;
    pub(crate) const TIME_WAIT: u8 = 6;
    pub(crate) const CLOSE: u8 = 7;
    pub(crate) const LISTEN: u8 = 10;
    pub(crate) const NEW_SYN_RECV: u8 = 12;
}

const IPPROTO_TCP: u16 = 6;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// A socket: full, or one of the small ones that only share `struct sock_common`.
#[derive(Clone, Copy)]
pub(crate) struct Sock<S>(pub(crate) S);

impl<S: Struct> Sock<S> {
    #[inline(always)]
    pub(crate) fn address(self) -> u64 {
        self.0.address()
    }

    #[inline(always)]
    pub(crate) fn state(self) -> u8 {
        self.0.load(offset!(sk_state)).unwrap_or(0)
    }

    /// One of the small ones: a connection in TIME_WAIT, or one that is not complete.
    #[inline(always)]
    pub(crate) fn is_small(self) -> bool {
        matches!(self.state(), state::TIME_WAIT | state::NEW_SYN_RECV)
    }

    /// A full TCP socket; nothing beyond `struct sock_common` may be read of any other.
    #[inline(always)]
    pub(crate) fn is_full_tcp(self) -> bool {
        !self.is_small() && self.is_tcp()
    }

    /// Of a full socket: the transport is TCP (MPTCP and SCTP fire the same tracepoints).
    #[inline(always)]
    pub(crate) fn is_tcp(self) -> bool {
        self.0.load::<u16>(offset!(sk_protocol)) == Some(IPPROTO_TCP)
    }

    /// The cookie, 0 if nobody asked for it yet.
    #[inline(always)]
    pub(crate) fn cookie(self) -> u64 {
        self.0.load(offset!(sk_cookie)).unwrap_or(0)
    }

    #[inline(always)]
    pub(crate) fn make_cookie(self) -> u64 {
        self.0.socket_cookie()
    }

    /// Of a full socket: its pending error.
    #[inline(always)]
    pub(crate) fn error(self) -> u32 {
        self.0.load(offset!(sk_err)).unwrap_or(0)
    }

    #[inline(always)]
    pub(crate) fn tcp(self) -> Option<Tcp<S>> {
        self.0.tcp_sock().map(Tcp)
    }

    /// Writes the identity of the socket's namespace.
    #[inline(always)]
    pub(crate) fn namespace(self, header: &mut Header) {
        if let Some(net) = self.net() {
            namespace(net, header);
        }
    }

    /// Its `struct net`.
    #[inline(always)]
    pub(crate) fn net(self) -> Option<S> {
        self.0.follow(offset!(sk_net))
    }

    /// The inode of its namespace; 0 where it cannot be read.
    #[inline(always)]
    pub(crate) fn netns(self) -> u32 {
        let net = self.net();
        net.and_then(|net| net.load(offset!(net_inode))).unwrap_or(0)
    }

    /// Writes local to remote, as far as `struct sock_common` has it.
    #[inline(always)]
    pub(crate) fn tuple(self, tuple: &mut Tuple) {
        tuple.source_port = self.0.load::<u16>(offset!(sk_num)).unwrap_or(0).to_be_bytes();
        tuple.destination_port = self.0.load::<u16>(offset!(sk_dport)).unwrap_or(0).to_ne_bytes();
        match self.0.load::<u16>(offset!(sk_family)) {
            Some(AF_INET) => {
                let local = self.0.load(offset!(sk_rcv_saddr)).unwrap_or(0);
                address::set_v4(tuple, local, self.0.load(offset!(sk_daddr)).unwrap_or(0));
            }
            Some(AF_INET6) => {
                let local = self.v6(offset!(sk_v6_rcv_saddr));
                let remote = self.v6(offset!(sk_v6_daddr));
                address::set_v6(tuple, local, remote);
            }
            _ => {}
        }
    }

    #[inline(always)]
    fn v6(self, offset: u32) -> [u64; 2] {
        [
            self.0.load_at(offset, 0).unwrap_or(0),
            self.0.load_at(offset, 8).unwrap_or(0),
        ]
    }

    /// Writes what `struct sock` tells of a full socket.
    #[inline(always)]
    pub(crate) fn fill_common(self, record: &mut Socket) {
        self.tuple(&mut record.tuple);
        record.error = self.error();
        record.mark = self.0.load(offset!(sk_mark)).unwrap_or(0);
    }

    /// Writes all that a full socket tells.
    #[inline(always)]
    pub(crate) fn fill(self, record: &mut Socket) {
        self.fill_common(record);
        if let Some(tcp) = self.tcp() {
            tcp.fill(record);
        }
    }
}

/// A `struct tcp_sock`.
#[derive(Clone, Copy)]
pub(crate) struct Tcp<S>(S);

impl<S: Struct> Tcp<S> {
    /// Retransmission timeouts in a row.
    #[inline(always)]
    pub(crate) fn retransmits(self) -> u8 {
        self.0.load(offset!(icsk_retransmits)).unwrap_or(0)
    }

    #[inline(always)]
    fn fill(self, record: &mut Socket) {
        record.retransmits = u32::from(self.retransmits());
        record.rto_jiffies = self.0.load(offset!(icsk_rto)).unwrap_or(0);
        let next: u32 = self.0.load(offset!(tcp_snd_nxt)).unwrap_or(0);
        record.unacked = next.wrapping_sub(self.0.load(offset!(tcp_snd_una)).unwrap_or(0));
        if record.tuple.source_port == [0, 0] {
            // The port is given back before the transition to CLOSE; this copy of it stays.
            record.tuple.source_port = self.0.load::<u16>(offset!(inet_sport)).unwrap_or(0).to_ne_bytes();
        }
    }
}

/// Writes the identity of a `struct net`.
#[inline(always)]
pub(crate) fn namespace(net: impl Struct, header: &mut Header) {
    header.netns_inode = net.load(offset!(net_inode)).unwrap_or(0);
    header.netns_cookie = net.load(offset!(net_cookie)).unwrap_or(0);
}
