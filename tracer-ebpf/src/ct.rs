//! Accessors on `struct nf_conn`, which is known by its address only.

use tracer_common::{
    event::Conntrack,
    stat::Hook,
    tuple::{IPV4, IPV6, Tuple},
};

use crate::read::{self, Memory, Struct, offset};

/// States of `enum tcp_conntrack`.
pub(crate) const SYN_RECV: u8 = 2;
pub(crate) const ESTABLISHED: u8 = 3;

/// The bits of `skb->_nfct` that hold `enum ip_conntrack_info`.
const INFO: u64 = 7;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u8 = 6;
/// `IPS_CONFIRMED` and `IPS_DYING`.
const CONFIRMED: u64 = 1 << 3;
const DYING: u64 = 1 << 9;

/// A conntrack entry.
#[derive(Clone, Copy)]
pub(crate) struct Entry(Memory);

impl Entry {
    #[inline(always)]
    pub(crate) fn new(address: u64, hook: Hook) -> Option<Self> {
        Memory::new(address, hook).map(Self)
    }

    /// The entry that `skb->_nfct` leads to.
    #[inline(always)]
    pub(crate) fn of_packet(nfct: u64, hook: Hook) -> Option<Self> {
        Self::new(nfct & !INFO, hook)
    }

    #[inline(always)]
    pub(crate) fn address(self) -> u64 {
        self.0.address()
    }

    /// `enum tcp_conntrack`; meaningless of another protocol's entry.
    #[inline(always)]
    pub(crate) fn state(self) -> u8 {
        self.0.load(offset!(ct_state)).unwrap_or(0)
    }

    #[inline(always)]
    pub(crate) fn is_tcp(self) -> bool {
        let original = self.original();
        original.and_then(|tuple| tuple.load::<u8>(offset!(ct_tuple_protocol))) == Some(IPPROTO_TCP)
    }

    #[inline(always)]
    pub(crate) fn is_confirmed(self) -> bool {
        self.status() & CONFIRMED != 0
    }

    #[inline(always)]
    pub(crate) fn is_dying(self) -> bool {
        self.status() & DYING != 0
    }

    /// Its `struct net`.
    #[inline(always)]
    pub(crate) fn net(self) -> Option<Memory> {
        self.0.follow(offset!(ct_net))
    }

    #[inline(always)]
    pub(crate) fn fill(self, record: &mut Conntrack) -> Option<()> {
        let original = self.original()?;
        tuple(original, &mut record.original)?;
        tuple(original.field(offset!(ct_hash_size))?, &mut record.reply)?;
        record.status = self.status() as u32;
        record.mark = self.0.load(offset!(ct_mark)).unwrap_or(0);
        record.zone = self.0.load(offset!(ct_zone)).unwrap_or(0);
        record.state = self.state();
        Some(())
    }

    #[inline(always)]
    fn status(self) -> u64 {
        self.0.load(offset!(ct_status)).unwrap_or(0)
    }

    #[inline(always)]
    fn original(self) -> Option<Memory> {
        self.0.field(offset!(ct_tuplehash))?.field(offset!(ct_hash_tuple))
    }
}

/// Writes the entry behind `skb->_nfct`. Without one only the relation is written (an untracked packet has its own).
#[inline(always)]
pub(crate) fn fill(nfct: u64, hook: Hook, record: &mut Conntrack) -> Option<()> {
    record.info = (nfct & INFO) as u8;
    Entry::of_packet(nfct, hook)?.fill(record)
}

#[inline(always)]
fn tuple(memory: Memory, tuple: &mut Tuple) -> Option<()> {
    let source: [u64; 2] = memory.load(offset!(ct_tuple_src))?;
    let destination: [u64; 2] = memory.load(offset!(ct_tuple_dst))?;
    tuple.family = match memory.load::<u16>(offset!(ct_tuple_l3num))? {
        AF_INET => IPV4,
        AF_INET6 => IPV6,
        _ => return None,
    };
    tuple.source = read::bytes(source);
    tuple.destination = read::bytes(destination);
    tuple.source_port = memory.load::<u16>(offset!(ct_tuple_sport))?.to_ne_bytes();
    tuple.destination_port = memory.load::<u16>(offset!(ct_tuple_dport))?.to_ne_bytes();
    Some(())
}
